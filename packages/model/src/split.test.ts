/** Weights larger than a binding may be: cut into buffers, and computed with as if they were whole. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { initialWeights } from './files/checkpoint.ts';
import { drawnAdapter, relativeL2, scoreLogits, smallConfig, uniform, watchDevice } from './fixture.ts';
import { Generator } from './sampling/generation.ts';
import { LoraPack } from './adapters/lora.ts';
import { Model } from './model.ts';
import { parameterLayout, splitLayout } from './parameters.ts';
import { PROJECTIONS } from './model-config.ts';
import { FullTrainer, LoraTrainer } from './training.ts';

/** Embedding and head of 150 KiB, feed-forward matrices of 128 KiB, projections of 64 and 32 KiB. */
const config = {
  ...smallConfig,
  vocabSize: 300,
  hiddenSize: 128,
  intermediateSize: 256,
  numHiddenLayers: 1,
  numAttentionHeads: 4,
  numKeyValueHeads: 2,
  headDim: 32,
  tieWordEmbeddings: false,
  biasedProjections: PROJECTIONS,
};
const LIMIT = 64 * 1024;

describe('splitLayout', () => {
  const layout = parameterLayout(config);

  it('cuts at the limit, between multiples of 64 rows, and loses nothing', () => {
    const { buffers, parts } = splitLayout(layout, LIMIT);
    let end = 0;
    for (const { start, elementCount } of buffers) {
      expect(start).toBe(end);
      expect(elementCount * 4).toBeLessThanOrEqual(LIMIT);
      end = start + elementCount;
    }
    expect(end).toBe(layout.elementCount);
    for (const { name, shape, offset, elementCount } of layout.places.values()) {
      const own = parts.get(name)!;
      if (elementCount * 4 <= LIMIT) expect(own, name).toHaveLength(1);
      let row = 0;
      for (const part of own) {
        expect(part.firstRow).toBe(row);
        expect(part.firstRow % 64).toBe(0);
        expect(part.offset % 64).toBe(0);
        const columns = shape.length === 2 ? shape[1]! : elementCount;
        expect(part.elementCount).toBe(part.rows * columns);
        expect(buffers[part.buffer]!.start + part.offset).toBe(offset + row * columns);
        expect(part.offset + part.elementCount).toBeLessThanOrEqual(buffers[part.buffer]!.elementCount);
        row += part.rows;
      }
      expect(row).toBe(shape.length === 2 ? shape[0] : 1);
    }
    expect(parts.get('model.embed_tokens.weight')!.map(({ rows }) => rows)).toEqual([128, 128, 44]);
    expect(parts.get('model.layers.0.mlp.down_proj.weight')!.map(({ rows }) => rows)).toEqual([64, 64]);
  });

  it('leaves one buffer where everything fits, and refuses rows that do not', () => {
    const { buffers } = splitLayout(layout, layout.elementCount * 4);
    expect(buffers).toEqual([{ start: 0, elementCount: layout.elementCount }]);
    expect(() => splitLayout(layout, 16 * 1024)).toThrow(
      'Cannot hold tensor model.embed_tokens.weight (300, 128): 64 of its rows are more than the 16384 bytes',
    );
  });
});

describe('a model split at 64 KiB', () => {
  let gpu: Gpu;
  let whole: Model;
  let split: Model;
  const draw = uniform(2);
  const weights = initialWeights(config, () => 4 * (draw() + draw() - 1));
  for (const [name, values] of weights) if (name.endsWith('.bias')) values.set(values.map(() => draw() - 0.5));
  const lora = { rank: 4, alpha: 8, targets: PROJECTIONS };
  const sequence = (length: number) => ({ tokens: Array.from({ length }, () => Math.floor(draw() * config.vocabSize)) });
  const segments = [[sequence(13), sequence(6)], [sequence(11)]];
  beforeAll(async () => {
    gpu = await openGpu();
    whole = new Model(gpu, config);
    split = new Model(gpu, config, { byteLimit: LIMIT });
    for (const model of [whole, split]) model.write(weights);
  });
  afterAll(() => {
    whole.destroy();
    split.destroy();
    gpu.close();
  });

  function adapters(model: Model): { pack: LoraPack; initial: Float32Array[] } {
    const pack = new LoraPack(gpu.device, config, lora, 2);
    const initial = [0, 1].map((e) => drawnAdapter(pack.layout, uniform(30 + e), 0.2));
    initial.forEach((values, e) => pack.write(e, values));
    expect(model.config).toBe(config);
    return { pack, initial };
  }

  /** Runs on both models; no binding of the split one's is larger than its limit. */
  async function onBoth<T>(work: (model: Model) => Promise<T>): Promise<readonly [T, T]> {
    const expected = await work(whole);
    const calls = watchDevice(gpu.device);
    const actual = await work(split);
    expect(calls.largestBinding).toBeGreaterThan(0);
    expect(calls.largestBinding).toBeLessThanOrEqual(LIMIT);
    return [actual, expected];
  }

  it('keeps its weights', async () => {
    expect(split.weights.buffers.length).toBeGreaterThan(5);
    for (const [name, values] of await split.read()) expect(values, name).toEqual(weights.get(name));
  });

  it('has the logits of the whole one, with adapters and without', async () => {
    for (const adapted of [false, true]) {
      const [actual, expected] = await onBoth(async (model) => {
        const { pack } = adapters(model);
        const logits = await scoreLogits(model, adapted ? pack : null, adapted ? segments : [segments[0]!]);
        pack.destroy();
        return logits;
      });
      actual.forEach((logits, i) => expect(relativeL2(logits, expected[i]!)).toBeLessThanOrEqual(1e-6));
    }
  });

  it('has the loss and the LoRA gradients of the whole one', async () => {
    const [actual, expected] = await onBoth(async (model) => {
      const { pack, initial } = adapters(model);
      const trainer = new LoraTrainer(model, pack, { tokens: 40, steps: 1 });
      trainer.begin(initial);
      trainer.step(segments, [null, null]);
      const [losses] = await trainer.losses();
      const gradients = await pack.readGradients();
      trainer.destroy();
      pack.destroy();
      return { losses: losses!, gradients };
    });
    expect(relativeL2(actual.losses, expected.losses)).toBeLessThanOrEqual(1e-6);
    actual.gradients.forEach((gradient, e) => {
      expect(relativeL2(gradient, expected.gradients[e]!)).toBeLessThanOrEqual(1e-6);
      expect(gradient.filter((value) => value !== 0).length).toBeGreaterThan(5_000);
    });
  });

  it('trains all weights as the whole one', async () => {
    // An eps that keeps Adam's division from blowing up gradients that are nearly zero, and a norm that clips.
    const optimiser = { beta1: 0.9, beta2: 0.99, eps: 1e-2, weightDecay: 0.1, maxNorm: 0.5 };
    try {
      const [actual, expected] = await onBoth(async (model) => {
        const trainer = new FullTrainer(model, { tokens: 40, steps: 3 }, optimiser);
        trainer.step(segments[0]!, 0.01);
        const gradients = await trainer.gradients();
        for (let step = 1; step < 3; step++) trainer.step(segments[step % 2]!, 0.01);
        const { m, v } = await trainer.state();
        const losses = await trainer.losses();
        trainer.destroy();
        return { gradients, m, v, losses, after: await model.read() };
      });
      for (const [name, values] of actual.gradients) expect(relativeL2(values, expected.gradients.get(name)!), name).toBeLessThanOrEqual(1e-6);
      for (const [name, values] of actual.after) {
        const change = (to: Float32Array) => to.map((value, i) => value - weights.get(name)![i]!);
        expect(relativeL2(change(values), change(expected.after.get(name)!)), name).toBeLessThanOrEqual(1e-4);
      }
      expect(relativeL2(actual.m, expected.m)).toBeLessThanOrEqual(1e-5);
      expect(relativeL2(actual.v, expected.v)).toBeLessThanOrEqual(1e-5);
      expect(relativeL2(actual.losses, expected.losses)).toBeLessThanOrEqual(1e-6);
    } finally {
      for (const model of [whole, split]) model.write(weights);
    }
  });

  it('continues a prompt as the whole one', async () => {
    const requests = [0, 1].map((adapter) => ({ prompt: segments[adapter]![0]!.tokens, adapter, draws: [() => 0] }));
    const [actual, expected] = await onBoth(async (model) => {
      const { pack } = adapters(model);
      const generator = new Generator(model, pack, { slots: 2, length: 32, prefillTokens: 40 });
      const completions = await generator.generate(requests, { temperature: 0, topP: 1, maxNewTokens: 8, stopTokens: [] });
      generator.destroy();
      pack.destroy();
      return completions;
    });
    expect(actual).toEqual(expected);
  });
});
