/**
 * Models held as f16, int8 or int4. The oracle is a float32 model whose weights are what the quantised ones stand for, by the
 * reference of the kernels' own package: how far that is from the weights that were quantised is measured by itself.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { quantiseRows, dequantiseRows, WEIGHT_FORMATS } from '@seal/kernels';
import { readFloats } from './buffers.ts';
import { initialWeights, loadModel, type TensorReport } from './files/checkpoint.ts';
import { drawnAdapter, hostSource, relativeL2, scoreLogits, smallConfig, uniform, watchDevice } from './fixture.ts';
import { Generator } from './sampling/generation.ts';
import { LoraPack } from './adapters/lora.ts';
import { Model, type HostWeights } from './model.ts';
import { tensorFormat } from './quantised.ts';
import type { QuantisedFormat } from './matrix.ts';
import { parameterLayout } from './parameters.ts';
import { PROJECTIONS } from './model-config.ts';
import { FullTrainer, LoraTrainer } from './training.ts';

/** Rows of 96 and 200 numbers: whole groups of 64 and parts of one. */
const config = {
  ...smallConfig,
  vocabSize: 300,
  hiddenSize: 96,
  intermediateSize: 200,
  numHiddenLayers: 2,
  numAttentionHeads: 6,
  numKeyValueHeads: 2,
  headDim: 16,
  tieWordEmbeddings: false,
};
/** Bytes at which head and feed-forward are split: a little more than 64 rows of the widest matrix take. */
const LIMITS = { f16: 40 * 1024, int8: 20 * 1024, int4: 10 * 1024 };
const normal = (draw: () => number) => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
const random = uniform(3);
const weights = initialWeights(config, () => 2 * normal(random));
const lora = { rank: 4, alpha: 8, targets: PROJECTIONS };
const draw = uniform(5);
const sequence = (length: number) => ({ tokens: Array.from({ length }, () => Math.floor(draw() * config.vocabSize)) });
/** Few rows, which are converted in the product, and many, which are multiplied as float32. */
const few = [[sequence(13), sequence(6)], [sequence(11)]];
const many = [[sequence(40), sequence(23)], [sequence(30)]];

/** What weights stand for once they are quantised. */
function dequantised(format: QuantisedFormat): HostWeights {
  return new Map(
    [...parameterLayout(config).places.values()].map((place) => {
      const { name, shape } = place;
      const held = tensorFormat(format, place);
      const values = weights.get(name)!;
      return [name, held === 'f32' ? values : dequantiseRows(held, quantiseRows(held, values, shape[1]!), shape[1]!)];
    }),
  );
}

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

const load = (held: HostWeights, format: QuantisedFormat | 'f32') => loadModel(gpu, { config, source: hostSource(config, held) }, { weights: format });

async function onModel<T>(model: Model, work: (model: Model, pack: LoraPack, initial: Float32Array[]) => Promise<T>): Promise<T> {
  const pack = new LoraPack(gpu.device, config, lora, 2);
  const initial = [0, 1].map((e) => drawnAdapter(pack.layout, uniform(30 + e), 0.2));
  initial.forEach((values, e) => pack.write(e, values));
  try {
    return await work(model, pack, initial);
  } finally {
    pack.destroy();
    model.destroy();
  }
}

const train = async (model: Model, pack: LoraPack, initial: Float32Array[]) => {
  const trainer = new LoraTrainer(model, pack, { tokens: 104, steps: 3 });
  trainer.begin(initial);
  trainer.step(many, [null, null]);
  await trainer.losses();
  const gradient = (await Promise.all(pack.trained.map(({ gradient: own }) => readFloats(gpu.device, own, 0, own.size / 4)))).flatMap((own) => [...own]);
  trainer.step(few, [0.01, 0.01]);
  trainer.step(many, [0.01, 0.01]);
  const losses = (await trainer.losses()).flatMap((row) => [...row]);
  const after = await pack.read();
  trainer.destroy();
  return { gradient, losses, after };
};

const generate = async (model: Model, pack: LoraPack) => {
  const generator = new Generator(model, pack, { slots: 2, length: 64, prefillTokens: 128 });
  const requests = [0, 1].map((adapter) => ({ prompt: many[adapter]![0]!.tokens, adapter, draws: [() => 0] }));
  const completions = await generator.generate(requests, { temperature: 0, topP: 1, maxNewTokens: 12, stopTokens: [] });
  generator.destroy();
  return completions.map((own) => own.map(({ tokens }) => tokens));
};

describe.each(WEIGHT_FORMATS)('weights held as %s', (format) => {
  const held = dequantised(format);

  it('give the logits of what they stand for, for few rows and many', async () => {
    for (const segments of [few, many]) {
      for (const adapted of [false, true]) {
        const score = (model: Model, pack: LoraPack) => scoreLogits(model, adapted ? pack : null, adapted ? segments : [segments[0]!]);
        const actual = await onModel(await load(weights, format), score);
        const expected = await onModel(await load(held, 'f32'), score);
        actual.forEach((logits, i) => expect(relativeL2(logits, expected[i]!)).toBeLessThanOrEqual(1e-6));
      }
    }
  });

  it('train adapters as what they stand for', async () => {
    const actual = await onModel(await load(weights, format), train);
    const expected = await onModel(await load(held, 'f32'), train);
    expect(cosine(actual.gradient, expected.gradient)).toBeGreaterThan(1 - 1e-9);
    expect(relativeL2(actual.gradient, expected.gradient)).toBeLessThanOrEqual(1e-5);
    expect(relativeL2(actual.losses, expected.losses)).toBeLessThanOrEqual(1e-6);
    expect(actual.gradient.filter((value) => value !== 0).length).toBeGreaterThan(10_000);
    actual.after.forEach((values, e) => expect(relativeL2(values, expected.after[e]!)).toBeLessThanOrEqual(1e-4));
  });

  it('continue prompts as what they stand for', async () => {
    const actual = await onModel(await load(weights, format), generate);
    expect(actual).toEqual(await onModel(await load(held, 'f32'), generate));
    expect(new Set(actual.flat(2)).size).toBeGreaterThan(4);
  });

  it('may be split: the same numbers, and no binding beyond the limit', async () => {
    const limit = LIMITS[format];
    const whole = await load(weights, format);
    const calls = watchDevice(gpu.device);
    const split = new Model(gpu, config, { weights: format, byteLimit: limit });
    const source = hostSource(config, weights);
    for (const [name, { shape }] of source.tensors) {
      const own = split.matrix(name);
      const values = await source.readRows(name, 0, own.rows);
      if (own.format === 'f32') split.writeRows(name, 0, values);
      else split.writeQuantisedRows(name, 0, quantiseRows(own.format as QuantisedFormat, values, shape[1]!));
    }
    for (const name of ['lm_head.weight', 'model.layers.0.mlp.up_proj.weight', 'model.layers.1.mlp.down_proj.weight']) {
      expect(split.matrix(name).parts.length, name).toBeGreaterThan(1);
    }
    const work = async (model: Model, pack: LoraPack, initial: Float32Array[]) => {
      const logits = [await scoreLogits(model, pack, few), await scoreLogits(model, pack, many)].flat().flatMap((own) => [...own]);
      return { logits, ...(await train(model, pack, initial)) };
    };
    const buffers = [...calls.liveBuffers];
    const actual = await onModel(split, work);
    const expected = await onModel(whole, work);
    const packed = buffers.filter(({ label }) => label === 'quantised weights' || label === 'scales');
    expect(packed.length).toBeGreaterThan(20);
    for (const { size } of packed) expect(size).toBeLessThanOrEqual(limit);
    expect(relativeL2(actual.logits, expected.logits)).toBeLessThanOrEqual(1e-6);
    expect(relativeL2(actual.gradient, expected.gradient)).toBeLessThanOrEqual(1e-5);
  });

  it('lose what the format loses, channel by channel, and say so', async () => {
    const reports: TensorReport[] = [];
    const model = await loadModel(gpu, { config, source: hostSource(config, weights) }, { weights: format, onTensor: (report) => reports.push(report) });
    model.destroy();
    expect(reports.map(({ name }) => name)).toEqual([...weights.keys()]);
    for (const { name, shape, format: own, channelErrors } of reports) {
      if (shape.length === 1) {
        expect([own, channelErrors.length]).toEqual(['f32', 0]);
        continue;
      }
      const [rows = 0, K = 0] = shape;
      const lost = Array.from({ length: rows }, (_, row) => relativeL2(held.get(name)!.subarray(row * K, (row + 1) * K), weights.get(name)!.subarray(row * K, (row + 1) * K)));
      lost.forEach((error, row) => expect(channelErrors[row], name).toBeCloseTo(error, 7));
      // A step of a group of 64 normal numbers is about 4.8 / 255 or 4.8 / 15 of their deviation, the error 0.29 of that.
      const most = { f16: 3e-4, int8: 0.01, int4: 0.15 }[own as QuantisedFormat];
      expect(Math.max(...channelErrors)).toBeLessThan(most);
      expect(Math.min(...channelErrors)).toBeGreaterThan(most / 10);
    }
  });
});

it('f16 weights give logits within 5e-3 of float32, int8 weights are the next best', async () => {
  const score = async (format: QuantisedFormat | 'f32') => (await onModel(await load(weights, format), (model, pack) => scoreLogits(model, pack, many))).flatMap((own) => [...own]);
  const exact = await score('f32');
  const [f16, int8, int4] = await Promise.all([score('f16'), score('int8'), score('int4')]).then((all) => all.map((logits) => relativeL2(logits, exact)));
  expect(f16!).toBeLessThanOrEqual(5e-3);
  expect(int8!).toBeLessThanOrEqual(0.05);
  expect(int8!).toBeGreaterThan(f16!);
  expect(int4!).toBeGreaterThan(int8!);
});

describe('what quantised weights cannot do', () => {
  it.each(WEIGHT_FORMATS)('%s: be trained, exchanged or read back whole', async (format) => {
    const model = await load(weights, format);
    const message = `of a model held as ${format}: load it with \`weights\` f32`;
    expect(() => model.write(weights)).toThrow(TypeError);
    expect(() => model.write(weights)).toThrow(message);
    await expect(model.read()).rejects.toThrow(message);
    expect(() => new FullTrainer(model, { tokens: 8, steps: 1 })).toThrow(message);
    model.destroy();
  });

  it.each(WEIGHT_FORMATS)('%s: hold a value beyond the range of f16, which is named', async (format) => {
    const name = 'model.layers.1.mlp.down_proj.weight';
    const large = new Map(weights).set(name, weights.get(name)!.with(1_234, -70_000));
    await expect(load(large, format)).rejects.toThrow(
      `Cannot hold tensor ${name} as ${format}: element 1234 is -70000, beyond 65504, where f16 ends; use \`weights\` f32`,
    );
    (await load(large, 'f32')).destroy();
  });
});

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
