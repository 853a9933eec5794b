/** What an app hands to every verb: nothing here or below reads the environment, a command line or a configuration of the user's. */

import type { Gpu } from '@seal/device';
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
