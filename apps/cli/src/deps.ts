/** What the command hands to the engine: the device, and what the environment says of caches and the hub. */

import { homedir, totalmem } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { openGpu } from '@seal/device';
import type { Deps } from '@seal/engine';
import { withoutWarnings } from './quiet.ts';
import { dawnVersion, packageVersion, sourceCommit } from './version.ts';

function set(name: string): string | undefined {
  return process.env[name] || undefined;
}

/** `$HF_HUB_CACHE`, else `hub` in `$HF_HOME`, else in `huggingface` in the user's cache. */
function hubCache(): string {
  const home = set('HF_HOME') ?? join(set('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface');
  return set('HF_HUB_CACHE') ?? join(home, 'hub');
}

/** Where the command keeps what it can make again: `$XDG_CACHE_HOME/seal`, else `~/.cache/seal`; a relative path is ignored. */
export function cacheFolder(): string {
  const named = set('XDG_CACHE_HOME');
  return join(named !== undefined && isAbsolute(named) ? named : join(homedir(), '.cache'), 'seal');
}

/** `verbose` lets through what the driver's libraries warn of. */
export function deps({ verbose = false }: { readonly verbose?: boolean } = {}): Deps {
  return {
    openGpu: () => (verbose ? openGpu() : withoutWarnings(() => openGpu())),
    hub: {
      cacheDirectory: hubCache(),
      endpoint: set('HF_ENDPOINT'),
      token: set('HF_TOKEN')?.trim(),
      isOffline: /^(1|on|yes|true)$/i.test(set('HF_HUB_OFFLINE') ?? ''),
    },
    tuningFolder: cacheFolder(),
    version: {
      package: packageVersion(),
      get commit() {
        return sourceCommit();
      },
      get dawn() {
        return dawnVersion();
      },
    },
    totalMemory: totalmem(),
    now: () => new Date(),
  };
}
