/** Adapters on the upper layers: the backward pass ends where they do, and what lies below is computed once a sequence. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { initialAdapter, loraLayout, LoraPack, type LoraConfig } from './adapters/lora.ts';
import type { Segment, TokenSequence } from './batch.ts';
import { drawnAdapter, relativeL2, smallConfig, smallWeights, uniform, watchDevice } from './fixture.ts';
import { Model } from './model.ts';
import { PROJECTIONS, type ModelConfig } from './model-config.ts';
import { scoreTokens } from './sampling/inference.ts';
import { Scorer } from './sampling/scorer.ts';
import { LoraTrainer, type StepSizes } from './training.ts';

const config: ModelConfig = { ...smallConfig, numHiddenLayers: 4, windows: [0, 0, 0, 0] };
const upper: LoraConfig = { rank: 4, alpha: 8, targets: PROJECTIONS, layers: [2, 3] };
const tokens = 96;

let gpu: Gpu;
let model: Model;
beforeAll(async () => {
  gpu = await openGpu();
  model = new Model(gpu, config);
  model.write(smallWeights(config));
});
afterAll(() => {
  model.destroy();
  gpu.close();
});

const draw = uniform(7);
const sequence = (length: number): TokenSequence => ({ tokens: Array.from({ length }, () => Math.floor(draw() * 24)) });
const documents = [5, 17, 8, 23, 11, 1, 30, 9].map(sequence);
/** Steps of three adapters with a sequence each, which come again in other company, as other objects too. */
const single: Segment[][] = Array.from({ length: 8 }, (_, step) => [0, 1, 2].map((e) => [{ ...documents[(3 * step + 5 * e) % 8]! }]));
/** The same with two. */
const double: Segment[][] = Array.from({ length: 8 }, (_, step) =>
  [0, 1, 2].map((e) => [documents[(step + e) % 8]!, documents[(3 * step + e + 1) % 8]!].filter(({ tokens: own }) => own.length < 24)),
);

/** Losses and adapters after all steps. */
async function train(sizes: Partial<StepSizes>, change?: () => void, steps: readonly Segment[][] = single) {
  const pack = new LoraPack(gpu.device, config, upper, 3);
  const trainer = new LoraTrainer(model, pack, { tokens, steps: 16, ...sizes });
  const random = uniform(3);
  const adapters = () => [0, 1, 2].map(() => initialAdapter(loraLayout(config, upper), upper.rank, random));
  trainer.begin(adapters());
  for (const segments of steps) trainer.step(segments, [0.01, 0.02, 0.03]);
  if (change) {
    change();
    trainer.begin(adapters());
    for (const segments of steps) trainer.step(segments, [0.01, 0.02, 0.03]);
  }
  const result = { losses: await trainer.losses(), adapters: await pack.read() };
  trainer.destroy();
  pack.destroy();
  return result;
}

it.each<[string, Partial<StepSizes>]>([
  ['everything is kept', { keptBytes: 2 ** 20 }],
  ['hardly more than a step fits', { keptBytes: 4 * config.hiddenSize * 100 }],
  ['activations are computed again', { keptBytes: 2 ** 20, recompute: true }],
])('trains to the same bits where %s', async (_, sizes) => {
  const expected = await train({});
  expect(expected.losses.at(-1)).not.toEqual(expected.losses[0]);
  expect(await train(sizes)).toEqual(expected);
});

it('differs by rounding alone where several sequences share an adapter', async () => {
  const [expected, kept] = [await train({}, undefined, double), await train({ keptBytes: 2 ** 20 }, undefined, double)];
  // Before anything is trained: a mean of some 20 losses near 3, each a sum over 24 logits.
  kept.losses[0]!.forEach((loss, e) => expect(Math.abs(loss - expected.losses[0]![e]!)).toBeLessThan(2e-6));
  kept.adapters.forEach((values, e) => expect(relativeL2(values, expected.adapters[e]!)).toBeLessThan(1e-4));
});

it('keeps nothing across a change of weights', async () => {
  const other = () => model.write(smallWeights(config, 9));
  try {
    const expected = await train({}, other);
    model.write(smallWeights(config));
    expect(await train({ keptBytes: 2 ** 20 }, other)).toEqual(expected);
  } finally {
    model.write(smallWeights(config));
  }
});

it('submits the layers below once a sequence', () => {
  const calls = watchDevice(gpu.device);
  const pack = new LoraPack(gpu.device, config, upper, 1);
  const trainer = new LoraTrainer(model, pack, { tokens, steps: 4, keptBytes: 2 ** 20 });
  trainer.begin([initialAdapter(pack.layout, upper.rank, uniform(3))]);
  const submits = (segment: Segment) => {
    const before = calls.submits;
    trainer.step([segment], [0.01]);
    return calls.submits - before;
  };
  // Padding, the sequences and the step; then new ones alone.
  expect(submits([documents[0]!, documents[1]!])).toBe(3);
  expect(submits([documents[1]!])).toBe(1);
  expect(submits([documents[1]!, documents[2]!])).toBe(2);
  trainer.destroy();
  pack.destroy();
});

it('has the gradients that adapters on all layers have there, those below being zero', async () => {
  const whole: LoraConfig = { ...upper, layers: [0, 1, 2, 3] };
  const [few, all] = [loraLayout(config, upper), loraLayout(config, whole)];
  const values = drawnAdapter(few, uniform(5), 0.5);
  const spread = initialAdapter(all, 4, uniform(6));
  const offset = all.stride - few.stride;
  spread.set(values, offset);
  const gradients = async (lora: LoraConfig, adapter: Float32Array) => {
    const pack = new LoraPack(gpu.device, config, lora, 1);
    const trainer = new LoraTrainer(model, pack, { tokens, steps: 1 });
    trainer.begin([adapter]);
    trainer.step([documents.slice(0, 4)], [0.01]);
    await trainer.losses();
    const [read] = await pack.readGradients();
    trainer.destroy();
    pack.destroy();
    return read!;
  };
  const expected = (await gradients(whole, spread)).subarray(offset);
  expect(expected.some((one) => Math.abs(one) > 1e-3)).toBe(true);
  expect(await gradients(upper, values)).toEqual(expected.slice());
});

it('scores texts through what is kept as without, whichever adapters ask', async () => {
  const pack = new LoraPack(gpu.device, config, upper, 3);
  [0, 1, 2].forEach((e) => pack.write(e, drawnAdapter(pack.layout, uniform(e + 1), 0.5)));
  const texts = documents.filter(({ tokens: own }) => own.length > 4).map(({ tokens: own }) => ({ tokens: Array.from(own), first: own.length - 3 }));
  const groups = [texts, texts.slice(1, 3), texts.slice(2)];
  const scorer = new Scorer(model, pack, 48, 4 * config.hiddenSize * 64);
  const scores = await scorer.score(groups);
  expect(await scorer.score(groups)).toEqual(scores);
  for (const [e, own] of groups.entries()) {
    for (const [i, { tokens: text, first }] of own.entries()) {
      // One text alone, through all layers.
      const solo = new LoraPack(gpu.device, config, upper, 1);
      solo.write(0, (await pack.read())[e]!);
      const [all] = await scoreTokens(model, solo, [text]);
      solo.destroy();
      const expected = Array.from(all!).slice(first - 1).reduce((sum, one) => sum + one, 0) / (text.length - first);
      expect(Math.abs(scores[e]![i]! - expected)).toBeLessThan(1e-5);
    }
  }
  expect(new Set(scores.map(([one]) => one)).size).toBe(3);
  scorer.destroy();
  pack.destroy();
});
