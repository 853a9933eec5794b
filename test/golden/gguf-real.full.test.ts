/** Qwen2.5-Coder-0.5B-Instruct as Q4_K_M: Q5_0, Q8_0, Q6_K, Q4_K and biases, against a float64 forward pass. */

import { describe, it } from 'vitest';
import { openGpu } from '@seal/device';
import { loadModel, readWeights } from '@seal/model';
import { expectLogits, realModel } from './gguf-logits.ts';

const qwen = realModel('Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf');

describe.skipIf(qwen.because)(`Qwen2.5-Coder-0.5B-Instruct as Q4_K_M${qwen.why}`, () => {
  it('has the logits of a float64 forward pass', async () => {
    const gpu = await openGpu();
    const model = await loadModel(gpu, await readWeights(qwen.path));
    await expectLogits(model, 'gguf/qwen2.5-logits.json', 1e-5);
    model.destroy();
    gpu.close();
  }, 300_000);
});
