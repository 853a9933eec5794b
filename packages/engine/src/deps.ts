/** What an app hands to every verb: nothing here or below reads the environment, a command line or a configuration of the user's. */

import type { Gpu } from '@seal/device';
import type { Checkpoint, WeightFormat } from '@seal/model';
import type { Executor, ExecutorSettings, ReadAdapter } from '@seal/trainer';
import type { Hooks } from './events.ts';
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
  /** Opens a device; each call another one, which its owner closes. A process of its own opens the default one instead. */
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

/** What an executor is opened for. */
export interface ExecutorRequest {
  readonly checkpoint: Checkpoint;
  readonly weights?: WeightFormat | undefined;
  readonly verbose?: boolean | undefined;
  readonly settings: ExecutorSettings;
  readonly readAdapter: ReadAdapter;
}

/** An executor with its device and model open. */
export interface OpenedExecutor {
  readonly executor: Executor;
  /** The adapter's description. */
  readonly adapter: string;
  /** Names the measured choice of kernels; null where the defaults run. */
  readonly tuningDigest: string | null;
}

export type OpenExecutor = (request: ExecutorRequest, deps: Deps, hooks: Hooks) => Promise<OpenedExecutor>;
