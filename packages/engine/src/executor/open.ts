/** Opens executors: in a process of their own, or in this one. */

import { afterStop, problemsAs } from '@seal/files';
import { hostWeights } from '@seal/model';
import { LocalExecutor, type Executor } from '@seal/trainer';
import type { Deps, ExecutorRequest, OpenedExecutor } from '../deps.ts';
import { note, type Hooks } from '../events.ts';
import { openSession } from '../session.ts';
import { WorkerExecutor } from './worker-executor.ts';

/**
 * Opens what `deps` says, or a process of its own. Throws a problem of kind `usage` where settings are beyond what it can do,
 * and the signal's reason at once: nothing was begun by then.
 */
export async function openExecutor(request: ExecutorRequest, deps: Deps, hooks: Hooks): Promise<OpenedExecutor> {
  try {
    return await problemsAs('usage', () => (deps.openExecutor ?? openWorkerExecutor)(request, deps, hooks));
  } catch (error) {
    throw afterStop(error, 'nothing was begun');
  }
}

/** In a process of its own, on the device that opens there by default: `deps.openGpu` cannot be handed to another process. */
export async function openWorkerExecutor({ checkpoint, weights, verbose, settings, readAdapter }: ExecutorRequest, deps: Deps, hooks: Hooks): Promise<OpenedExecutor> {
  const executor = new WorkerExecutor({
    work: { directory: checkpoint.directory, weights: weights ?? null, settings, tuningFolder: deps.tuningFolder ?? null, dawnVersion: deps.version.dawn ?? null, verbose: verbose ?? false },
    readAdapter,
    onNote: (message) => note(hooks, message),
    ...(verbose && { onDiagnostics: (text: string) => note(hooks, text.trimEnd()) }),
  });
  try {
    const { adapter, tuningDigest, events } = await executor.open(hooks.signal);
    for (const event of events) hooks.onEvent?.(event);
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
    score: (work, own) => local.score(work, own),
    fineTune: (work, own) => local.fineTune(work, own),
    async close() {
      await local.close();
      session.close();
    },
  };
  return { executor, adapter: session.gpu.description.description, tuningDigest: session.tuningDigest };
}
