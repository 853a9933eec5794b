import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { drawnAdapter, hostSource, scoreLogits, smallConfig, smallWeights, uniform } from '../fixture.ts';
import { loraLayout, LoraPack, loraScaling, type LoraConfig } from './lora.ts';
import { mergeAdapter, mergedSource } from './merge.ts';
import { Model } from '../model.ts';
import { layerTensor } from '../parameters.ts';
import { openWeights } from '../files/sources.ts';
import { writeWeights } from '../files/writing.ts';

const lora: LoraConfig = { rank: 3, alpha: 5, rankStabilised: true, targets: ['self_attn.k_proj', 'mlp.gate_proj', 'mlp.down_proj'] };
const layout = loraLayout(smallConfig, lora);
const draw = uniform(8);
const values = drawnAdapter(layout, draw, 1);
const adapter = { lora, layout, values };
const weights = smallWeights(smallConfig);
const source = hostSource(smallConfig, weights);
const merged = mergedSource(source, adapter);

/** Of tensors read from disk. */
async function tensorsIn(directory: string): Promise<Map<string, Float32Array>> {
  const read = await openWeights(directory, smallConfig);
  const entries = [...read.tensors].map(async ([name, { shape }]) => [name, await read.readRows(name, 0, shape.length === 2 ? shape[0]! : 1)] as const);
  return new Map(await Promise.all(entries));
}

const directories: string[] = [];
const temporary = () => directories[directories.push(mkdtempSync(join(tmpdir(), 'seal-merge-'))) - 1]!;

let gpu: Gpu;
let model: Model;
let wanted: Float32Array;
const segments = [[{ tokens: [1, 5, 22, 9, 9, 13] }]];
beforeAll(async () => {
  gpu = await openGpu();
  model = new Model(gpu, smallConfig);
  model.write(weights);
  const pack = new LoraPack(gpu.device, smallConfig, lora, 1);
  pack.write(0, values);
  [wanted] = (await scoreLogits(model, pack, segments)) as [Float32Array];
  pack.destroy();
});
afterAll(() => {
  model.destroy();
  gpu.close();
  for (const directory of directories) rmSync(directory, { recursive: true });
});

describe('mergedSource', () => {
  it('adds the update to any rows, and leaves other tensors as they are', async () => {
    for (const { layer, projection, inner, out, offsetA, offsetB } of layout.places) {
      const name = layerTensor(layer, projection);
      const base = weights.get(name)!;
      for (const [first, count] of [[0, out], [1, 2], [out - 1, 1]] as const) {
        const rows = await merged.readRows(name, first, count);
        rows.forEach((value, i) => {
          const [n, k] = [first + Math.floor(i / inner), i % inner];
          let product = 0;
          for (let r = 0; r < 3; r++) product += values[offsetB + r * out + n]! * values[offsetA + r * inner + k]!;
          expect(value).toBe(Math.fround(base[n * inner + k]! + (5 / Math.sqrt(3)) * product));
        });
      }
    }
    for (const place of layout.places) expect(loraScaling(lora, place)).toBe(5 / Math.sqrt(3));
    const other = layerTensor(0, 'self_attn.q_proj');
    expect(await merged.readRows(other, 0, 16)).toEqual(weights.get(other));
    expect(await merged.readTensor(other)).toEqual(await source.readTensor(other));
  });

  it('agrees with merging on the host', async () => {
    const whole = mergeAdapter(weights, layout, lora, values);
    for (const [name, { shape }] of merged.tensors) {
      expect(await merged.readRows(name, 0, shape.length === 2 ? shape[0]! : 1), name).toEqual(whole.get(name));
    }
    const { bytes } = await merged.readTensor(layerTensor(1, 'mlp.down_proj'));
    expect(new Float32Array(bytes.slice().buffer)).toEqual(whole.get(layerTensor(1, 'mlp.down_proj')));
  });

  it.each([
    ['F32', 1e-5],
    // Half a unit in the last place of each weight, through two layers.
    ['F16', 2e-3],
    ['BF16', 2e-2],
  ] as const)('gives the logits of base and adapter when it is written as %s', async (dtype, bound) => {
    const directory = temporary();
    await writeWeights(directory, merged, dtype);
    model.write(await tensorsIn(directory));
    const [logits] = (await scoreLogits(model, null, segments)) as [Float32Array];
    model.write(weights);
    const size = Math.hypot(...wanted);
    expect(Math.hypot(...logits.map((logit, i) => logit - wanted[i]!)) / size).toBeLessThan(bound);
    const [base] = (await scoreLogits(model, null, segments)) as [Float32Array];
    expect(Math.hypot(...base.map((logit, i) => logit - wanted[i]!)) / size).toBeGreaterThan(0.1);
  });

  it('merges an adapter of some layers into those alone, as one of all whose others are zero', async () => {
    const upper: LoraConfig = { ...lora, layers: [1] };
    const own = loraLayout(smallConfig, upper);
    const drawn = drawnAdapter(own, uniform(9), 1);
    const some = mergeAdapter(weights, own, upper, drawn);
    const changed = [...some].filter(([name, tensor]) => tensor !== weights.get(name)).map(([name]) => name);
    expect(changed.toSorted()).toEqual(lora.targets.map((projection) => layerTensor(1, projection)).toSorted());
    const padded = new Float32Array(layout.stride);
    padded.set(drawn, layout.stride - own.stride);
    expect(mergeAdapter(weights, layout, lora, padded)).toEqual(some);
    const read = mergedSource(source, { lora: upper, layout: own, values: drawn });
    for (const name of [layerTensor(0, 'mlp.gate_proj'), layerTensor(1, 'mlp.gate_proj')]) {
      expect(await read.readRows(name, 0, 20)).toEqual(some.get(name));
    }
    // The model computes with the adapter what it computes with these weights.
    const pack = new LoraPack(gpu.device, smallConfig, upper, 1);
    pack.write(0, drawn);
    const [adapted] = (await scoreLogits(model, pack, segments)) as [Float32Array];
    pack.destroy();
    model.write(some);
    const [logits] = (await scoreLogits(model, null, segments)) as [Float32Array];
    model.write(weights);
    const distance = (other: Float32Array) => Math.hypot(...logits.map((logit, i) => logit - other[i]!)) / Math.hypot(...logits);
    expect(distance(adapted)).toBeLessThan(1e-5);
    const [base] = (await scoreLogits(model, null, segments)) as [Float32Array];
    expect(distance(base)).toBeGreaterThan(0.05);
  });

  it('refuses an adapter of another model', () => {
    const narrow = { ...layout, places: layout.places.map((place) => ({ ...place, inner: 7 })) };
    expect(() => mergedSource(source, { lora, layout: narrow, values })).toThrow('Cannot merge an adapter of (8, 7) into tensor model.layers.0.self_attn.k_proj.weight: it is (8, 16)');
  });
});
