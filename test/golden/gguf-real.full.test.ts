/** Larger real files against a float64 forward pass: Q5_0, Q8_0, Q6_K and Q4_K, biases, Gemma's norms and rotary bases. */

import { describe, it } from 'vitest';
import { openGpu } from '@seal/device';
import { loadModel, readWeights } from '@seal/model';
import { expectLogits, realModel } from './gguf-logits.ts';

describe.each([
  ['Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf', 'gguf/qwen2.5-logits.json'],
  ['gemma-3-270m.Q4_K_M.gguf', 'gguf/gemma-logits.json'],
])('%s', (name, recorded) => {
  const { path, because, why } = realModel(name);
  it.skipIf(because).each(['as stored', 'f32'] as const)(`has the logits of a float64 forward pass, weights held %s${why}`, async (held) => {
    const gpu = await openGpu();
    const model = await loadModel(gpu, await readWeights(path), held === 'f32' ? { weights: held } : {});
    await expectLogits(model, recorded, 1e-5);
    model.destroy();
    gpu.close();
  }, 300_000);
});
