import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { smallConfig, smallWeights, uniform } from '../fixture.ts';
import { initialAdapter, loraLayout, LoraPack, moduleName, resizeAdapter, splitAdapter, type LoraConfig, type LoraLayout, type LoraScale } from './lora.ts';
import { Model } from '../model.ts';
import { PROJECTIONS } from '../model-config.ts';
import { DEFAULT_OPTIMISER, LoraTrainer } from '../training.ts';

const wide: LoraConfig = { rank: 16, alpha: 32, targets: PROJECTIONS };
const narrow: LoraConfig = { rank: 4, alpha: 10, targets: PROJECTIONS };

describe('loraLayout', () => {
  it('has the places of all layers, and of those that are named in the order of the model', () => {
    const whole = loraLayout(smallConfig, narrow);
    expect(whole.places.map(({ layer }) => layer)).toEqual([...PROJECTIONS.map(() => 0), ...PROJECTIONS.map(() => 1)]);
    expect(loraLayout(smallConfig, { ...narrow, layers: [1, 0] })).toEqual(whole);
    const upper = loraLayout(smallConfig, { ...narrow, layers: [1] });
    expect(upper.places.map(({ layer, projection }) => [layer, projection])).toEqual(PROJECTIONS.map((projection) => [1, projection]));
    // Both layers are of one shape: the upper one alone lies as the lower one does.
    expect(upper.places.map(({ offsetA, offsetB }) => [offsetA, offsetB])).toEqual(whole.places.slice(0, PROJECTIONS.length).map(({ offsetA, offsetB }) => [offsetA, offsetB]));
    expect(upper.stride).toBe(whole.stride / 2);
  });

  it('refuses layers that are not there', () => {
    for (const layer of [2, -1, 0.5]) {
      expect(() => loraLayout(smallConfig, { ...narrow, layers: [0, layer] })).toThrow(`Cannot adapt layer ${layer}: the model has layers 0 to 1`);
    }
    expect(() => loraLayout(smallConfig, { ...narrow, layers: [] })).toThrow('Cannot make an adapter without layers');
  });
});

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

describe('splitAdapter', () => {
  const layout = loraLayout(smallConfig, narrow);

  it('cuts between places, no more often than it must', () => {
    const limit = 3 * 1024;
    const stretches = splitAdapter(layout, 2, limit);
    expect(stretches.length).toBeGreaterThan(3);
    let end = 0;
    for (const { start, stride } of stretches) {
      expect(start).toBe(end);
      expect(stride * 2 * 4).toBeLessThanOrEqual(limit);
      expect(start === 0 || layout.places.some(({ offsetA }) => offsetA === start)).toBe(true);
      end = start + stride;
      const next = layout.places.findIndex(({ offsetA }) => offsetA === end);
      if (next < 0) continue;
      const beyond = layout.places[next + 1]?.offsetA ?? layout.stride;
      expect((beyond - start) * 2 * 4).toBeGreaterThan(limit);
    }
    expect(end).toBe(layout.stride);
    expect(splitAdapter(layout, 2, layout.stride * 2 * 4)).toEqual([{ start: 0, stride: layout.stride }]);
  });

  it('refuses a place that does not fit, and says how many adapters would', () => {
    const largest = 4 * (16 + 20);
    expect(() => splitAdapter(layout, 9, 8 * largest * 4)).toThrow(/the device binds at most 4608; pack at most 8$/);
    expect(splitAdapter(layout, 8, 8 * largest * 4).length).toBeGreaterThan(1);
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

  it('trains an adapter of some layers as one of all whose others are zero, and leaves the others out', async () => {
    const documents = [{ tokens: [1, 5, 9, 13, 4, 6, 3] }, { tokens: [7, 8, 9] }];
    const train = async (config: LoraConfig, initial: (layout: LoraLayout) => Float32Array, scale: LoraScale = config) => {
      const pack = new LoraPack(gpu.device, smallConfig, config, 2);
      const trainer = new LoraTrainer(model, pack, { tokens: 64, steps: 8 }, { ...DEFAULT_OPTIMISER, maxNorm: 0 });
      trainer.begin([]);
      trainer.load(1, initial(pack.layoutOf(scale)), scale);
      for (let step = 0; step < 8; step++) trainer.step([[], documents], [null, 0.02]);
      const values = await pack.readSlot(1, scale);
      const losses = (await trainer.losses()).map((row) => row[1]!);
      trainer.destroy();
      pack.destroy();
      return { values, losses };
    };
    const upper: LoraConfig = { ...narrow, layers: [1] };
    const start = initialAdapter(loraLayout(smallConfig, upper), narrow.rank, uniform(6));
    const some = await train(upper, () => start);
    expect(some.values).toHaveLength(start.length);
    expect(some.values).not.toEqual(start);
    expect(some.losses[7]).toBeLessThan(some.losses[0]!);
    const all = await train(narrow, ({ stride }) => {
      const values = new Float32Array(stride);
      values.set(start, stride - start.length);
      return values;
    });
    expect(all.losses).toEqual(some.losses);
    expect(all.values.subarray(-start.length)).toEqual(some.values);
    expect(all.values.subarray(0, -start.length).every((value) => value === 0)).toBe(true);
    // In a pack of larger rank it is the same adapter.
    expect(await train({ ...wide, layers: [1] }, () => start, { rank: narrow.rank, alpha: narrow.alpha })).toEqual(some);
  });

  it('never trains the rows that a module has beyond its own rank', async () => {
    const small = { rank: 3, alpha: 30 };
    const own: LoraConfig = { ...wide, ownScales: { 'model.layers.0.mlp.up_proj': small, 'model.layers.1.self_attn.q_proj': small } };
    const pack = new LoraPack(gpu.device, smallConfig, own, 2);
    const trainer = new LoraTrainer(model, pack, { tokens: 64, steps: 8 }, { ...DEFAULT_OPTIMISER, weightDecay: 0.1 });
    const start = initialAdapter(pack.layout, wide.rank, uniform(12));
    const narrowed = pack.layout.places.filter((place) => moduleName(place) in (own.ownScales ?? {}));
    const beyond = (values: Float32Array) =>
      narrowed.flatMap(({ inner, out, offsetA, offsetB }) => [...values.subarray(offsetA + 3 * inner, offsetA + 16 * inner), ...values.subarray(offsetB + 3 * out, offsetB + 16 * out)]);
    for (const { inner, offsetA } of narrowed) start.fill(0, offsetA + 3 * inner, offsetA + 16 * inner);
    trainer.begin([start, start]);
    for (let step = 0; step < 8; step++) trainer.step([[{ tokens: [1, 5, 9, 13, 4, 6, 3] }], []], [0.02, null]);
    const values = await pack.readSlot(0);
    const [gradients] = await pack.readGradients(1);
    expect(beyond(values)).toHaveLength(13 * (16 + 20 + 16 + 16));
    expect(beyond(values).every((value) => value === 0)).toBe(true);
    expect(beyond(gradients!).every((value) => value === 0)).toBe(true);
    for (const { inner, out, offsetA, offsetB } of narrowed) {
      expect(values.subarray(offsetA, offsetA + 3 * inner)).not.toEqual(start.subarray(offsetA, offsetA + 3 * inner));
      expect(values.subarray(offsetB, offsetB + 3 * out).every((value) => value !== 0)).toBe(true);
    }
    trainer.destroy();
    pack.destroy();
  });

  describe('in several arenas', () => {
    const segments = [[{ tokens: [1, 5, 9, 13, 4, 6, 3] }, { tokens: [7, 8, 9] }], [{ tokens: [2, 20, 11, 4, 17] }]];
    const initial = [0, 1].map((e) => initialAdapter(loraLayout(smallConfig, narrow), narrow.rank, uniform(40 + e)));
    const open = (byteLimit: number, maxNorm: number) => {
      const pack = new LoraPack(gpu.device, smallConfig, narrow, 2, byteLimit);
      const optimiser = { ...DEFAULT_OPTIMISER, maxNorm, eps: 1e-3 };
      const trainer = new LoraTrainer(model, pack, { tokens: 64, steps: 8 }, optimiser);
      trainer.begin(initial);
      return { pack, trainer, close: () => [trainer, pack].forEach((owned) => owned.destroy()) };
    };

    it('trains and reads adapters to the bits that they have in one arena, clipping aside', async () => {
      const train = async (byteLimit: number) => {
        const { pack, trainer, close } = open(byteLimit, 0);
        trainer.step(segments, [0.02, 0.01]);
        // A slot that is loaded anew forgets its moments in every arena.
        trainer.load(1, initialAdapter(pack.layoutOf({ rank: 2, alpha: 4 }), 2, uniform(5)), { rank: 2, alpha: 4 });
        for (let step = 0; step < 3; step++) trainer.step(segments, [0.02, 0.01]);
        const losses = await trainer.losses();
        const [all, slot, gradients] = [await pack.read(), await pack.readSlot(1, { rank: 2, alpha: 4 }), await pack.readGradients(1)];
        close();
        return { arenas: pack.arenas.length, trained: { losses, all, slot, gradients } };
      };
      const [whole, split] = [await train(Infinity), await train(3 * 1024)];
      expect(whole.arenas).toBe(1);
      expect(split.arenas).toBeGreaterThan(3);
      expect(split.trained).toEqual(whole.trained);
      expect(split.trained.all.every((values) => values.every(Number.isFinite))).toBe(true);
    });

    it('clips each adapter by the norm of all its gradients', async () => {
      const maxNorm = 0.01;
      const { pack, trainer, close } = open(3 * 1024, maxNorm);
      trainer.step(segments, [0.5, 0.25]);
      const [after, gradients] = [await pack.read(), await pack.readGradients()];
      gradients.forEach((gradient, e) => {
        const norm = Math.hypot(...gradient);
        expect(norm).toBeGreaterThan(2 * maxNorm);
        let [error, size] = [0, 0];
        gradient.forEach((value, i) => {
          // The first step of AdamW: moments without bias are the gradient and its square.
          const clipped = (value * maxNorm) / (norm + 1e-6);
          const wanted = ([0.5, 0.25][e]! * clipped) / (Math.abs(clipped) + 1e-3);
          error += (initial[e]![i]! - after[e]![i]! - wanted) ** 2;
          size += wanted ** 2;
        });
        expect(Math.sqrt(error / size)).toBeLessThanOrEqual(1e-5);
      });
      close();
    });
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
