/** A vocabulary of 151,936 words: the head's memory is bounded, and what it gives agrees with float64. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { initialWeights } from './files/checkpoint.ts';
import { smallConfig, uniform, watchDevice } from './fixture.ts';
import { InferencePass } from './sampling/inference.ts';
import { packBatch } from './batch.ts';
import { initialAdapter, LoraPack } from './adapters/lora.ts';
import { Model } from './model.ts';
import { PROJECTIONS } from './model-config.ts';
import { LoraTrainer } from './training.ts';

const MIB = 1024 * 1024;
const V = 151_936;
const config = { ...smallConfig, vocabSize: V, numHiddenLayers: 1, maxPositionEmbeddings: 256 };
const lora = { rank: 4, alpha: 8, targets: PROJECTIONS };

let gpu: Gpu;
let model: Model;
beforeAll(async () => {
  gpu = await openGpu();
  model = new Model(gpu, config);
  const draw = uniform(3);
  model.write(initialWeights(config, () => 8 * (draw() - 0.5)));
});
afterAll(() => {
  model.destroy();
  gpu.close();
});

const draw = uniform(4);
const tokens = Array.from({ length: 150 }, () => Math.floor(draw() * V));

it('trains with less than 64 MiB beside the parameters, its loss that of the logits', async () => {
  const pack = new LoraPack(gpu.device, config, lora, 1);
  const trainer = new LoraTrainer(model, pack, { tokens: 256, steps: 1 });
  expect(trainer.memory.byteLength).toBeLessThan(64 * MIB);
  // Of four chunks each has logits of its own, and all of them lie in one buffer.
  expect(trainer.memory.unsharedByteLength).toBeGreaterThan(4 * 64 * V * 4);
  trainer.begin([initialAdapter(pack.layout, lora.rank, uniform(5))]);
  trainer.step([[{ tokens }]], [1e-3]);
  const [[loss]] = await trainer.losses();

  const calls = watchDevice(gpu.device);
  const pass = new InferencePass(model, null, { tokens: 256, rows: 256 });
  const held = [...calls.liveBuffers].filter(({ label }) => !label.startsWith('params'));
  expect(held.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(64 * MIB);
  const batch = packBatch([[{ tokens }]]);
  pass.submit(batch, Uint32Array.from(tokens, (_, t) => t));
  const best = await pass.best(tokens.length);
  const logits = await pass.logits(tokens.length);
  let expected = 0;
  for (let t = 0; t + 1 < tokens.length; t++) {
    const row = logits.subarray(t * V, (t + 1) * V);
    let most = 0;
    row.forEach((value, v) => {
      if (value > row[most]!) most = v;
    });
    expect(best[t]).toBe(most);
    let total = 0;
    for (const value of row) total += Math.exp(value - row[most]!);
    expected += (Math.log(total) + row[most]! - row[tokens[t + 1]!]!) / (tokens.length - 1);
  }
  expect(Math.abs(loss! / expected - 1)).toBeLessThan(1e-6);
  // Rows of the first chunk again: they are computed anew, with the same bits.
  expect(await pass.logits(3)).toEqual(logits.slice(0, 3 * V));
  pass.destroy();
  trainer.destroy();
  pack.destroy();
});
