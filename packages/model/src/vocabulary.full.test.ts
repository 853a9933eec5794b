/**
 * A table of 151,936 words by 256 numbers, 148 MiB, on WebGPU's default limits: it is split where a binding ends, and
 * loss and logits are those of float64. Blocks add nothing here, so that the reference is the head alone.
 */

import { expect, it } from 'vitest';
import { openGpu } from '@seal/device';
import { packBatch } from './batch.ts';
import { initialWeights } from './files/checkpoint.ts';
import { smallConfig, uniform, watchDevice } from './fixture.ts';
import { InferencePass } from './sampling/inference.ts';
import { initialAdapter, LoraPack } from './adapters/lora.ts';
import { Model } from './model.ts';
import { layerTensor } from './parameters.ts';
import { LoraTrainer } from './training.ts';

const V = 151_936;
const C = 256;
const config = { ...smallConfig, vocabSize: V, hiddenSize: C, intermediateSize: 64, numHiddenLayers: 1, headDim: 128, maxPositionEmbeddings: 64 };

it('computes with a table that no binding holds', { timeout: 600_000 }, async () => {
  const gpu = await openGpu({ defaultLimits: true });
  const calls = watchDevice(gpu.device);
  const draw = uniform(8);
  const weights = initialWeights(config, () => 4 * (draw() - 0.5));
  for (const part of ['self_attn.o_proj', 'mlp.down_proj']) weights.get(layerTensor(0, part))!.fill(0);
  const model = new Model(gpu, config);
  model.write(weights);
  expect(model.matrix('model.embed_tokens.weight').parts.length).toBeGreaterThan(1);

  // Some of every part of the table.
  const tokens = [...Array.from({ length: 20 }, () => Math.floor(draw() * V)), V - 1, 0];
  const table = weights.get('model.embed_tokens.weight')!;
  const logitsOf = (token: number) => {
    const x = Float64Array.from(table.subarray(token * C, (token + 1) * C));
    const rms = Math.sqrt(x.reduce((sum, value) => sum + value ** 2, 0) / C + config.rmsNormEps);
    return Float64Array.from({ length: V }, (_, v) => {
      let sum = 0;
      for (let c = 0; c < C; c++) sum += (x[c]! / rms) * table[v * C + c]!;
      return sum;
    });
  };
  const expected = tokens.map(logitsOf);
  const losses = tokens.slice(1).map((target, t) => {
    const total = expected[t]!.reduce((sum, logit) => sum + Math.exp(logit), 0);
    return Math.log(total) - expected[t]![target]!;
  });
  const wanted = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;

  const pass = new InferencePass(model, null, { tokens: 64, rows: 64 });
  pass.submit(packBatch([[{ tokens }]]), Uint32Array.from(tokens, (_, t) => t));
  const logits = await pass.logits(tokens.length);
  let difference = 0;
  let norm = 0;
  expected.forEach((row, t) => row.forEach((value, v) => {
    difference += (logits[t * V + v]! - value) ** 2;
    norm += value ** 2;
  }));
  expect(Math.sqrt(difference / norm)).toBeLessThan(1e-6);

  const pack = new LoraPack(gpu.device, config, { rank: 4, alpha: 8, targets: ['self_attn.o_proj'] }, 1);
  const trainer = new LoraTrainer(model, pack, { tokens: 64, steps: 1 });
  expect(trainer.memory.byteLength).toBeLessThan(64 * 1024 * 1024);
  trainer.begin([initialAdapter(pack.layout, 4, draw)]);
  trainer.step([[{ tokens }]], [null]);
  const [[loss]] = await trainer.losses();
  expect(Math.abs(loss! / wanted - 1)).toBeLessThan(1e-5);
  expect(calls.largestBinding).toBeLessThanOrEqual(128 * 1024 * 1024);
  gpu.close();
});
