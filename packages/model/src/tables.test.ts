/** A feed-forward that is computed a range of tokens at a time has the bits of one that is computed at once. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { quantiseRows } from '@seal/kernels';
import { packBatch, rangeTables, type Segment } from './batch.ts';
import { evenChunkRows } from './chunks.ts';
import { drawnAdapter, hostSource, scoreLogits, smallConfig, smallWeights, uniform } from './fixture.ts';
import { LoraPack, type LoraConfig } from './adapters/lora.ts';
import { Model } from './model.ts';
import { tensorFormat } from './quantised.ts';
import { PROJECTIONS, type ModelConfig } from './model-config.ts';
import { rowShape } from './files/sources.ts';
import { BatchTables, evenStepTokens, evenTokens, feedForwardTokens } from './tables.ts';
import { FullTrainer, LoraTrainer } from './training.ts';

describe('feedForwardTokens', () => {
  it('is all tokens where they fit, else ranges of multiples of 512 that fit', () => {
    const limit = 128 * 1024 * 1024;
    expect(feedForwardTokens(2_048, 8_192, limit)).toBe(2_048);
    expect(feedForwardTokens(1_771, 18_944, limit)).toBe(1_771);
    expect(feedForwardTokens(2_048, 18_944, limit)).toBe(1_024);
    expect(feedForwardTokens(4_096, 18_944, limit)).toBe(1_024);
    expect(feedForwardTokens(3_000, 18_944, limit)).toBe(1_536);
    for (const [T, F] of [[3_000, 18_944], [8_192, 14_336], [5_000, 53_248]] as const) {
      const tokens = feedForwardTokens(T, F, limit);
      expect(tokens % 512).toBe(0);
      expect(tokens * F * 4).toBeLessThanOrEqual(limit);
    }
  });

  it('is never less than 512: the device says where these do not fit', () => {
    expect(feedForwardTokens(2_048, 100, 409 * 400)).toBe(512);
    expect(feedForwardTokens(410, 100, 409 * 400)).toBe(410);
  });
});

describe('evenStepTokens', () => {
  it('makes ranges and chunks of logits of one size, where there are several', () => {
    const byteLimit = 128 * 1024 * 1024;
    for (const [vocabSize, intermediateSize] of [[152_064, 18_944], [32_000, 5_632], [43_000, 40_000], [24, 20]] as const) {
      const model = { config: { ...smallConfig, vocabSize, intermediateSize }, byteLimit };
      for (const T of [8, 40, 1_056, 1_088, 2_048, 3_000, 6_400]) {
        const tokens = evenStepTokens(model, T);
        expect(tokens).toBeGreaterThanOrEqual(T);
        expect(tokens).toBeLessThan(T + 1_536);
        expect(tokens % feedForwardTokens(tokens, intermediateSize, byteLimit)).toBe(0);
        expect(tokens % evenChunkRows(vocabSize, tokens)).toBe(0);
      }
      expect(evenStepTokens(model, 8)).toBe(8);
      // A decoding step of few rows stays one of few rows.
      expect(evenTokens(model, 72)).toBe(72);
    }
  });
});

describe('rangeTables', () => {
  it('cuts segments and tiles at the ranges, and together they are the whole', () => {
    const sequence = (length: number) => [{ tokens: Array.from({ length }, () => 1) }];
    const batch = packBatch([sequence(500), sequence(40), sequence(700)]);
    const seen = new Map<number, number>();
    for (const start of [0, 512, 1_024]) {
      const { tiles, segments } = rangeTables(batch, start, 512);
      for (let i = 0; i < tiles.length; i += 3) {
        const [adapter, first, end] = tiles.subarray(i, i + 3);
        expect(end! - first!).toBeLessThanOrEqual(32);
        expect(end).toBeLessThanOrEqual(512);
        expect(first).toBeGreaterThanOrEqual(segments[adapter! * 2]!);
        expect(end).toBeLessThanOrEqual(segments[adapter! * 2 + 1]!);
        for (let t = first!; t < end!; t++) seen.set(start + t, adapter!);
      }
    }
    expect(seen.size).toBe(batch.tokenCount);
    for (const [t, adapter] of seen) expect(batch.blocks[t >> 3]).toBe(adapter);
  });
});

const ranged = { ...smallConfig, hiddenSize: 16, intermediateSize: 64, maxPositionEmbeddings: 1_024 };

describe.each<[string, ModelConfig]>([
  ['a feed-forward', ranged],
  ['a feed-forward with a norm behind it', { ...ranged, sandwichNorms: true, normOffset: 1, activation: 'gelu_pytorch_tanh' }],
])('%s in ranges', (_, config) => {
  const T = 1_280;
  // An activation of the feed-forward takes 320 KiB.
  const LIMIT = 200 * 1024;
  const lora: LoraConfig = { rank: 4, alpha: 8, targets: PROJECTIONS };
  const draw = uniform(6);
  const sequence = (length: number) => ({ tokens: Array.from({ length }, () => Math.floor(draw() * config.vocabSize)) });
  // Both boundaries fall into a segment, the first also into a sequence; a later batch ends before the last range.
  const batches = [
    [[sequence(300), sequence(90)], [sequence(333), sequence(40)], [sequence(450)]],
    [[sequence(120)], [sequence(500), sequence(77)], [sequence(200)]],
  ];
  let gpu: Gpu;
  let whole: Model;
  let cut: Model;
  beforeAll(async () => {
    gpu = await openGpu();
    whole = new Model(gpu, config);
    cut = new Model(gpu, config, { byteLimit: LIMIT });
    for (const model of [whole, cut]) model.write(smallWeights(config));
    const count = (model: Model) => {
      const tables = new BatchTables(model, T, 1);
      tables.destroy();
      return tables.ranges.length;
    };
    expect(count(whole)).toBe(1);
    expect(count(cut)).toBe(3);
    expect(cut.weights.buffers).toHaveLength(1);
  });
  afterAll(() => {
    whole.destroy();
    cut.destroy();
    gpu.close();
  });

  function openPack(): LoraPack {
    const pack = new LoraPack(gpu.device, config, lora, 3);
    for (let e = 0; e < 3; e++) pack.write(e, drawnAdapter(pack.layout, uniform(30 + e), 0.2));
    return pack;
  }

  it.each([false, true])('trains adapters to the same bits, recomputing %s', async (recompute) => {
    const train = async (model: Model) => {
      const pack = openPack();
      const trainer = new LoraTrainer(model, pack, { tokens: T, steps: 4, recompute });
      const gradients = [];
      for (const batch of [...batches, ...batches]) {
        trainer.step(batch, [0.02, 0.01, 0.02]);
        gradients.push(await pack.readGradients());
      }
      const result = { losses: await trainer.losses(), gradients, adapters: await pack.read() };
      trainer.destroy();
      pack.destroy();
      return result;
    };
    const wanted = await train(whole);
    expect(await train(cut)).toEqual(wanted);
    expect(wanted.gradients[3]!.every((gradient) => Math.hypot(...gradient) > 0)).toBe(true);
  });

  it('has the same logits', async () => {
    const score = async (model: Model) => {
      const pack = openPack();
      const logits = await scoreLogits(model, pack, batches[0]!);
      pack.destroy();
      return logits;
    };
    expect(await score(cut)).toEqual(await score(whole));
  });

  it('trains an adapter over packed weights to the same bits wherever in a batch its tokens lie', async () => {
    const model = new Model(gpu, config, { weights: 'int4', byteLimit: LIMIT });
    const source = hostSource(config, smallWeights(config));
    for (const [name, { shape }] of source.tensors) {
      const [rows, columns] = rowShape(shape);
      const values = await source.readRows(name, 0, rows);
      const format = tensorFormat('int4', { name, shape });
      if (format === 'f32') model.writeRows(name, 0, values);
      else model.writeQuantisedRows(name, 0, quantiseRows(format, values, columns));
    }
    const own = [sequence(41), sequence(20)];
    const filler = (length: number) => [sequence(length)];
    // 1,056 tokens: what is left for a last range alone would be few enough for kernels of few rows.
    const train = async (slot: number, batch: Segment[]) => {
      const pack = openPack();
      const initial = (await pack.read(1))[0]!;
      const trainer = new LoraTrainer(model, pack, { tokens: 1_056, steps: 1 });
      trainer.load(slot, initial);
      trainer.step(batch, [0.02, 0.02, 0.02]);
      const result = [await pack.readSlot(slot), (await trainer.losses())[0]![slot]];
      trainer.destroy();
      pack.destroy();
      return result;
    };
    const alone = await train(0, [own]);
    expect(await train(1, [filler(480), own, filler(300)])).toEqual(alone);
    expect(await train(2, [filler(500), filler(480), own])).toEqual(alone);
    model.destroy();
  });

  it('trains all weights alike', async () => {
    const train = async (model: Model) => {
      const trainer = new FullTrainer(model, { tokens: T, steps: 1 });
      trainer.step(batches[0]!.flat(), 0);
      const gradients = await trainer.gradients();
      trainer.destroy();
      return gradients;
    };
    const [actual, wanted] = [await train(cut), await train(whole)];
    // Gradients of the three matrices, and of the norm behind them, are sums of the ranges' sums, all others the same.
    for (const [name, values] of wanted) {
      const difference = Math.hypot(...values.map((value, i) => value - actual.get(name)![i]!));
      expect(difference / Math.hypot(...values), name).toBeLessThanOrEqual(/mlp\.|post_feedforward/.test(name) ? 1e-6 : 0);
    }
  });
});
