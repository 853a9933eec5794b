/** Memory over many warm steps of a micro model: GPU buffers by counting, the host's heap after garbage collection. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { stream } from '@seal/files';
import type { Gpu } from '@seal/device';
import { initialAdapter, initialWeights, LoraPack, LoraTrainer, Model, parseConfig, PROJECTIONS } from '@seal/model';

/** Growth between the first and the last of `steps` warm steps. */
export interface MemoryGrowth {
  readonly steps: number;
  /** Bytes of buffers made and not destroyed. */
  readonly gpuBytes: number;
  /** Heap and external memory; negative where it shrank. */
  readonly hostBytes: number;
  /** Whether garbage was collected before both readings: without it the host's figure says little. */
  readonly collected: boolean;
  readonly submitsPerStep: number;
}

const MICRO = parseConfig(
  {
    model_type: 'llama',
    vocab_size: 32,
    hidden_size: 16,
    intermediate_size: 32,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    max_position_embeddings: 32,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
    eos_token_id: 2,
  },
  'the benchmark',
);

/** Two adapters of rank 4 take `steps` steps after a hundred that warm everything up. */
export async function memoryGrowth(gpu: Gpu, steps: number): Promise<MemoryGrowth> {
  const random = stream(0, 'memory');
  const model = new Model(gpu, MICRO);
  model.write(initialWeights(MICRO, () => 2 * random.next() - 1));
  const pack = new LoraPack(gpu.device, MICRO, { rank: 4, alpha: 8, targets: PROJECTIONS }, 2);
  const trainer = new LoraTrainer(model, pack, { tokens: 64, steps: 8 });
  const counted = countUse(gpu.device);
  try {
    trainer.begin([0, 1].map(() => initialAdapter(pack.layout, 4, () => random.next())));
    const segment = () => [{ tokens: Array.from({ length: 12 }, () => Math.floor(32 * random.next())) }];
    const run = async (count: number) => {
      for (let step = 0; step < count; step++) {
        trainer.step([segment(), segment()], [1e-3, 1e-3]);
        if (step % 4 === 3) await gpu.device.queue.onSubmittedWorkDone();
      }
      await trainer.losses();
    };
    await run(100);
    const collected = collectGarbage();
    const before = { host: hostBytes(), gpu: counted.bytes(), submits: counted.submits() };
    await run(steps);
    collectGarbage();
    return {
      steps,
      gpuBytes: counted.bytes() - before.gpu,
      hostBytes: hostBytes() - before.host,
      collected,
      // Reading the losses back is one submit more.
      submitsPerStep: (counted.submits() - before.submits - 1) / steps,
    };
  } finally {
    counted.stop();
    trainer.destroy();
    pack.destroy();
    model.destroy();
  }
}

/** Counts submits and the bytes of buffers made less those destroyed, until `stop`. */
export function countUse(device: GPUDevice) {
  const { queue } = device;
  let bytes = 0;
  let submits = 0;
  const createBuffer = device.createBuffer.bind(device);
  const submit = queue.submit.bind(queue);
  device.createBuffer = (descriptor) => {
    const buffer = createBuffer(descriptor);
    const destroy = buffer.destroy.bind(buffer);
    let alive = true;
    bytes += buffer.size;
    buffer.destroy = () => {
      if (alive) bytes -= buffer.size;
      alive = false;
      return destroy();
    };
    return buffer;
  };
  queue.submit = (commands) => {
    submits += 1;
    return submit(commands);
  };
  return {
    bytes: () => bytes,
    submits: () => submits,
    stop() {
      device.createBuffer = createBuffer;
      queue.submit = submit;
    },
  };
}

function hostBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Whether the runtime let us collect garbage. */
function collectGarbage(): boolean {
  try {
    setFlagsFromString('--expose-gc');
    const gc: unknown = runInNewContext('gc');
    if (typeof gc !== 'function') return false;
    // The second round frees what finalizers of the first let go of.
    gc();
    gc();
    return true;
  } catch {
    return false;
  }
}
