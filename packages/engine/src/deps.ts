/** What an app hands to every verb: nothing here or below reads the environment, a command line or a configuration of the user's. */

import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { openGpu, type Gpu } from '@seal/device';
import type { OpenExecutor } from './executor/open.ts';
import type { Presets } from './presets/preset.ts';

/** Where models of a hub are kept, and how the hub is reached. */
export interface HubAccess {
  readonly cacheDirectory: string;
  readonly endpoint?: string | undefined;
  readonly token?: string | undefined;
  /** Whether the network is not to be asked for anything. */
  readonly isOffline?: boolean;
}

export interface Deps {
  /** Opens a device; each call another one, which its owner closes. */
  readonly openGpu: () => Promise<Gpu>;
  readonly hub: HubAccess;
  /** Where what `tune` measured is kept; nothing is read where it is absent. */
  readonly tuningFolder?: string | undefined;
  /** Version and commit of the software, named in what it writes. */
  readonly version: { readonly package: string; readonly commit?: string | undefined; readonly dawn?: string | undefined };
  /** Bytes of memory that the machine has. */
  readonly totalMemory: number;
  readonly now: () => Date;
  /** What `preset` names; the built-in ones unless given. */
  readonly presets?: Presets | undefined;
  /** How the long work is executed; in a process of its own unless given. */
  readonly openExecutor?: OpenExecutor | undefined;
}

/**
 * Deps of a program that is no app: the best device there is, models of the hub in `cacheDirectory`, the version of this
 * package, the clock, and the memory of the machine. Nothing measured is used or kept. What differs is put on top of them.
 *
 * @example
 * const { answer } = await ask({ question: 'who plays the theremin ?' }, libraryDeps('models'));
 */
export function libraryDeps(cacheDirectory: string): Deps {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return {
    openGpu: () => openGpu(),
    hub: { cacheDirectory },
    version: { package: version },
    totalMemory: totalmem(),
    now: () => new Date(),
  };
}
