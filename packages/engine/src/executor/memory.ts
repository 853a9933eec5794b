/** How much memory an executor will take, told before it is opened. */

import { dryGpu, type GpuDescription } from '@seal/device';
import { problemsAs } from '@seal/files';
import { Model, Scorer, type ModelConfig, type Holding } from '@seal/model';
import { LocalExecutor, SCORED_TOKENS, type ExecutorSettings } from '@seal/trainer';
import type { Deps } from '../deps.ts';
import { note, type Hooks } from '../events.ts';
import { openDevice } from '../session.ts';

/**
 * Bytes of device memory that an executor takes, weights included: it is made on a device without memory, by the code that
 * makes it on a real one. Throws RangeError, as that does, where something cannot be made within the limits.
 */
function executorBytes(config: ModelConfig, weights: Holding, settings: ExecutorSettings, profile: GpuDescription): number {
  const dry = dryGpu(profile);
  try {
    const nothing = () => Promise.reject(new Error('Cannot read weights on a device without memory'));
    const model = new Model(dry.gpu, config, { weights });
    new LocalExecutor({ model, settings, baseWeights: nothing, readAdapter: nothing });
    // It scores texts by the weights alone and by adapters.
    for (let i = 0; i < 2; i++) new Scorer(model, null, SCORED_TOKENS);
    return [...dry.byteLengths().values()].reduce((sum, bytes) => sum + bytes, 0);
  } finally {
    dry.gpu.close();
  }
}

/** Tells how much memory the work will take, and returns the bytes; where the machine has less, what helps. */
export async function foretellMemory(config: ModelConfig, weights: Holding, settings: ExecutorSettings, deps: Deps, hooks: Hooks): Promise<number> {
  const gpu = await openDevice(deps);
  const { description } = gpu;
  gpu.close();
  const bytes = await problemsAs('unavailable', () => executorBytes(config, weights, settings, description));
  const size = (count: number) => (count < 2 ** 30 ? `${Math.ceil(count / 2 ** 20)} MiB` : `${(count / 2 ** 30).toFixed(1)} GiB`);
  const isTooMuch = description.class === 'cpu' && bytes > deps.totalMemory;
  const remedy = `, and this machine has ${size(deps.totalMemory)}: use \`weights\` int4 or \`recompute\`, or a smaller model`;
  note(hooks, `The device needs ${size(bytes)} of memory for this${isTooMuch ? remedy : ''}`);
  return bytes;
}
