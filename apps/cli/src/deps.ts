/** What the command hands to the engine: the device, and what the environment says of caches and the hub. */

import { readFileSync } from 'node:fs';
import { homedir, totalmem } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { openGpu } from '@seal/device';
import type { Deps } from '@seal/engine';
import { withoutWarnings } from './quiet.ts';
import { dawnVersion, packageVersion, sourceCommit } from './version.ts';

function set(name: string): string | undefined {
  return process.env[name] || undefined;
}

/** `$HF_HOME`, else `huggingface` in the user's cache. */
function hubHome(): string {
  return set('HF_HOME') ?? join(set('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface');
}

/** `$HF_TOKEN`, else what `hf auth login` wrote to `$HF_TOKEN_PATH`, else to `token` in the home of the hub. */
function hubToken(): string | undefined {
  const own = set('HF_TOKEN')?.trim();
  if (own) return own;
  try {
    return readFileSync(set('HF_TOKEN_PATH') ?? join(hubHome(), 'token'), 'utf8').trim() || undefined;
  } catch {
    // Nobody has logged in: what is open needs no token, and the hub says what does.
    return undefined;
  }
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
      cacheDirectory: set('HF_HUB_CACHE') ?? join(hubHome(), 'hub'),
      endpoint: set('HF_ENDPOINT'),
      token: hubToken(),
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
