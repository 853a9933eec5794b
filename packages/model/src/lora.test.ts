import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { smallConfig, smallWeights, uniform } from './fixture.ts';
import { initialAdapter, loraLayout, LoraPack, resizeAdapter, type LoraConfig } from './lora.ts';
import { Model } from './model.ts';
import { PROJECTIONS } from './parameters.ts';
import { DEFAULT_OPTIMISER, LoraTrainer } from './training.ts';

const wide: LoraConfig = { rank: 16, alpha: 32, targets: PROJECTIONS };
const narrow: LoraConfig = { rank: 4, alpha: 10, targets: PROJECTIONS };

describe('resizeAdapter', () => {
  it('adds rows of zeros and takes them away again', () => {
    const [small, large] = [loraLayout(smallConfig, narrow), loraLayout(smallConfig, wide)];
    const values = Float32Array.from({ length: small.stride }, (_, i) => 1 + i);
    const grown = resizeAdapter(values, small, large);
    expect(grown).toHaveLength(large.stride);
    expect(resizeAdapter(grown, large, small)).toEqual(values);
    small.places.forEach(({ inner, out, offsetA, offsetB }, i) => {
      const place = large.places[i];
      for (const [width, from, to] of [[inner, offsetA, place.offsetA], [out, offsetB, place.offsetB]]) {
        expect(grown.subarray(to, to + 4 * width)).toEqual(values.subarray(from, from + 4 * width));
        expect(grown.subarray(to + 4 * width, to + 16 * width).every((value) => value === 0)).toBe(true);
      }
    });
  });
});

describe('LoraPack', () => {
  let gpu: Gpu;
  let model: Model;
  beforeAll(async () => {
    gpu = await openGpu();
    model = new Model(gpu, smallConfig);
    model.write(smallWeights(smallConfig));
  });
  afterAll(() => {
    model.destroy();
    gpu.close();
  });

  it('trains an adapter of smaller rank to the bits that it has in a pack of its rank, clipping aside', async () => {
    const documents = [{ tokens: [1, 5, 9, 13, 4, 6, 3] }, { tokens: [7, 8, 9] }];
    const initial = (config: LoraConfig, seed: number) => initialAdapter(loraLayout(smallConfig, config), config.rank, uniform(seed));
    const train = async (config: LoraConfig, slots: number, slot: number, maxNorm: number) => {
      const pack = new LoraPack(gpu.device, smallConfig, config, slots);
      const trainer = new LoraTrainer(model, pack, { tokens: 64, steps: 8 }, { ...DEFAULT_OPTIMISER, maxNorm });
      trainer.begin(Array.from({ length: slots }, (_, e) => initial(config, 70 + e)));
      trainer.load(slot, initial(narrow, 5), narrow);
      for (let step = 0; step < 8; step++) trainer.step(Array.from({ length: slots }, () => documents), Array.from({ length: slots }, () => 0.02));
      const values = await pack.readSlot(slot, narrow);
      const losses = (await trainer.losses()).map((row) => row[slot]);
      trainer.destroy();
      pack.destroy();
      return { values, losses };
    };
    const alone = await train(narrow, 1, 0, 0);
    expect(await train(wide, 3, 1, 0)).toEqual(alone);
    expect(alone.losses[7]).toBeLessThan(alone.losses[0]);
    // The gradient's norm is summed in another order: what is scaled by it differs by rounding.
    const [clipped, other] = [await train(narrow, 1, 0, 1e-3), await train(wide, 3, 1, 1e-3)];
    const norm = (values: Float32Array) => Math.hypot(...values);
    expect(norm(clipped.values.map((value, i) => value - other.values[i])) / norm(clipped.values)).toBeLessThanOrEqual(1e-5);
  });

  it('refuses what it has no room for', () => {
    const pack = new LoraPack(gpu.device, smallConfig, narrow, 2);
    const values = new Float32Array(pack.layout.stride);
    expect(() => pack.write(2, values)).toThrow('Cannot load adapter 2: the pack holds 2');
    expect(() => pack.write(0, values.subarray(1))).toThrow(`Cannot load an adapter of ${values.length - 1} parameters`);
    expect(() => pack.write(0, values, wide)).toThrow('Cannot pack an adapter of rank 16: the pack was made for ranks up to 4');
    expect(() => pack.write(0, values, { rank: 2, alpha: 1 })).toThrow('parameters into slots of');
    pack.destroy();
  });
});
