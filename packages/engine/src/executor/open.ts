/** Opens executors: in a process of their own, or in this one. */

import { hostWeights, type Checkpoint, type WeightFormat } from '@seal/model';
import { LocalExecutor, type Executor, type ExecutorSettings, type ReadAdapter } from '@seal/trainer';
import type { Deps } from '../deps.ts';
import { note, type Hooks } from '../events.ts';
import { openSession } from '../session.ts';
import { WorkerExecutor } from './worker-executor.ts';

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

/** In a process of its own, on the device that opens there by default. */
export async function openWorkerExecutor({ checkpoint, weights, verbose, settings, readAdapter }: ExecutorRequest, deps: Deps, hooks: Hooks): Promise<OpenedExecutor> {
  const executor = new WorkerExecutor({
    work: { directory: checkpoint.directory, weights: weights ?? null, settings, tuningFolder: deps.tuningFolder ?? null, dawnVersion: deps.version.dawn ?? null },
    readAdapter,
    onNote: (message) => note(hooks, message),
    ...(verbose && { onDiagnostics: (text: string) => note(hooks, text.trimEnd()) }),
  });
  try {
    const { adapter, tuningDigest, notes } = await executor.open();
    for (const message of notes) note(hooks, message);
    return { executor, adapter, tuningDigest };
  } catch (error) {
    await executor.close();
    throw error;
  }
}

/** In this process, on a device of `deps.openGpu`. What computes then holds up what talks. */
export async function openLocalExecutor({ checkpoint, weights, verbose, settings, readAdapter }: ExecutorRequest, deps: Deps, hooks: Hooks): Promise<OpenedExecutor> {
  const session = await openSession(checkpoint, deps, { weights, verbose }, hooks);
  let local: LocalExecutor;
  try {
    local = new LocalExecutor({ model: session.model, baseWeights: () => hostWeights(checkpoint), settings, readAdapter });
  } catch (error) {
    session.close();
    throw error;
  }
  const executor: Executor = {
    baseDigest: () => local.baseDigest(),
    write: (work, own) => local.write(work, own),
    adapt: (work, own) => local.adapt(work, own),
    answer: (work, own) => local.answer(work, own),
    fineTune: (work, own) => local.fineTune(work, own),
    async close() {
      await local.close();
      session.close();
    },
  };
  return { executor, adapter: session.gpu.description.description, tuningDigest: session.tuningDigest };
}
