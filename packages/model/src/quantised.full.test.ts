/** A quantised table that does not fit into one float32 piece, against the float32 model that it stands for. */

import { expect, it } from 'vitest';
import { openGpu } from '@seal/device';
import { quantiseRows, dequantiseRows } from '@seal/kernels';
import { packBatch } from './batch.ts';
import { readFloats } from './buffers.ts';
import { initialWeights, loadModel } from './files/checkpoint.ts';
import { hostSource, relativeL2, smallConfig, uniform } from './fixture.ts';
import { InferencePass } from './sampling/inference.ts';
import { initialAdapter, LoraPack } from './adapters/lora.ts';
import type { HostWeights } from './model.ts';
import type { QuantisedFormat } from './matrix.ts';
import { parameterLayout } from './parameters.ts';
import { PROJECTIONS } from './model-config.ts';
import { LoraTrainer } from './training.ts';

it('a matrix of more than 64 MiB as float32 is made so piece by piece', { timeout: 600_000 }, async () => {
  const gpu = await openGpu();
  const lora = { rank: 4, alpha: 8, targets: PROJECTIONS };
  const large = { ...smallConfig, vocabSize: 140_000, hiddenSize: 128, headDim: 64, intermediateSize: 64, numHiddenLayers: 1, windows: [null] };
  const own = uniform(7);
  const drawn = initialWeights(large, () => 8 * (own() - 0.5));
  const stands = new Map(
    [...parameterLayout(large).places.values()].map(({ name: tensor, shape }) => {
      const values = drawn.get(tensor)!;
      return [tensor, shape.length === 1 ? values : dequantiseRows('int8', quantiseRows('int8', values, shape[1]!), shape[1]!)];
    }),
  );
  // Of both pieces, and more than the few rows that are converted in the product.
  const tokens = Array.from({ length: 80 }, (_, i) => (i * 1_777) % large.vocabSize);
  expect(Math.max(...tokens) * 128 * 4).toBeGreaterThan(64 * 2 ** 20);
  const score = async (held: HostWeights, format: QuantisedFormat | 'f32') => {
    const model = await loadModel(gpu, { config: large, source: hostSource(large, held) }, { weights: format });
    const pass = new InferencePass(model, null, { tokens: 80, rows: 80 });
    const batch = packBatch([[{ tokens }]]);
    pass.submit(batch, Uint32Array.from({ length: 80 }, (_, t) => t));
    const best = await pass.best(80);
    pass.destroy();
    const pack = new LoraPack(gpu.device, large, lora, 1);
    const trainer = new LoraTrainer(model, pack, { tokens: 80, steps: 1 });
    trainer.begin([initialAdapter(pack.layout, lora.rank, uniform(8))]);
    trainer.step([[{ tokens }]], [null]);
    const [losses] = await trainer.losses();
    const gradient = await readFloats(gpu.device, pack.trained[0]!.gradient, 0, pack.layout.stride);
    trainer.destroy();
    pack.destroy();
    model.destroy();
    return { best: [...best], losses: losses!, gradient };
  };
  const [actual, expected] = [await score(drawn, 'int8'), await score(stands, 'f32')];
  expect(actual.best).toEqual(expected.best);
  expect(relativeL2(actual.losses, expected.losses)).toBeLessThanOrEqual(1e-6);
  expect(relativeL2(actual.gradient, expected.gradient)).toBeLessThanOrEqual(1e-5);
  gpu.close();
});
