/** Quantised weights: how far they are from what was given, what is refused, and that they are read back as defined. */

import { describe, expect, it } from 'vitest';
import { unpack } from './dequantise/reference.ts';
import { roundToHalf } from './half.ts';
import { GROUP, quantisedShape, quantiseRows, dequantiseRows, WEIGHT_FORMATS, type WeightFormat } from './weight-format.ts';

/** Uniform numbers in [0, 1) of a linear congruential generator. */
function uniformFrom(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
}

const draw = (length: number, magnitude: number, shift: number, uniform: () => number) =>
  Float32Array.from({ length }, () => magnitude * (uniform() - 0.5 + shift));

/** The scale of every weight's group, read by the reference's formula: with minimum and step 1 it is w(1) - w(0). */
function stepsOf(format: WeightFormat, scales: Uint32Array, N: number, K: number): Float64Array {
  const index = WEIGHT_FORMATS.indexOf(format);
  const { words } = quantisedShape(format, K);
  const [zeros, ones] = [0, format === 'int8' ? 0x01010101 : 0x11111111].map((word) =>
    unpack(N, K, index, new Uint32Array(N * words).fill(word), scales),
  );
  return zeros.map((zero, i) => ones[i] - zero);
}

const shapes = [[1, 1], [3, 64], [5, 97], [2, 200], [7, 33]] as const;

describe.each(['int8', 'int4'] as const)('%s', (format) => {
  it('is off by at most half a step, at any magnitude', () => {
    const uniform = uniformFrom(11);
    const levels = format === 'int8' ? 255 : 15;
    for (const [N, K] of shapes) {
      for (let power = -20; power <= 14; power += 2) {
        const values = draw(N * K, 2 ** power, [0, 0.5, 3, -40][(power + 20) / 2 % 4], uniform);
        if (values.some((value) => Math.abs(value) > 60_000)) continue;
        const quantised = quantiseRows(format, values, K);
        const back = dequantiseRows(format, quantised, K);
        const steps = stepsOf(format, quantised.scales, N, K);
        for (let i = 0; i < values.length; i++) {
          const slack = 2 ** -23 * Math.abs(values[i]);
          const flat = 2 ** -11 * Math.abs(values[i]) + 2 ** -25;
          expect(Math.abs(back[i] - values[i])).toBeLessThanOrEqual(steps[i] === 0 ? flat : steps[i] / 2 + slack);
        }
        // And a step is no longer than the group's range asks for: an f16's rounding of both its ends aside.
        for (let start = 0; start < N * K; start += K) {
          const group = values.slice(start, start + Math.min(K, GROUP)).sort();
          const [low, high] = [group[0], group.at(-1)!];
          const least = (high - low + 2 ** -10 * Math.abs(low)) / levels;
          expect(steps[start]).toBeLessThanOrEqual(least * (1 + 2 ** -10) + 2 ** -23);
        }
      }
    }
  });

  it('has no steps in a group of equal weights, and gives the nearest f16', () => {
    for (const value of [0, -0, 0.3, -7.001, 65_504, -65_504, 2 ** -24, -3e-6]) {
      const quantised = quantiseRows(format, new Float32Array(130).fill(value), 130);
      expect(quantised.scales.map((scale) => scale & 0xffff)).toEqual(new Uint32Array(3));
      expect(dequantiseRows(format, quantised, 130)).toEqual(new Float32Array(130).fill(roundToHalf(Math.fround(value)) + 0));
    }
  });

  it('takes weights far above zero and refuses minima below what f16 holds', () => {
    const far = Float32Array.from({ length: 64 }, (_, i) => 3_000 * i);
    const back = dequantiseRows(format, quantiseRows(format, far, 64), 64);
    far.forEach((value, i) => expect(Math.abs(value - back[i])).toBeLessThanOrEqual(format === 'int8' ? 371 : 6_304));
    expect(() => quantiseRows(format, Float32Array.of(1, 2, -70_000, 4), 2)).toThrow(
      `Cannot hold weights from -70000 to 4 (row 1, columns 0 to 1) as ${format}: f16 ends at 65504; hold them as f32`,
    );
  });
});

describe('f16', () => {
  it('keeps every f16 and rounds halfway to even', () => {
    const halves = Uint32Array.from({ length: 2 ** 15 }, (_, i) => (2 * i) | ((2 * i + 1) << 16));
    const finite = halves.filter((word) => (word & 0x7c00) !== 0x7c00);
    const values = dequantiseRows('f16', { data: finite, scales: new Uint32Array(0) }, GROUP);
    expect(quantiseRows('f16', values, GROUP).data).toEqual(finite);
    for (let i = 0; i < values.length; i++) expect(values[i] + 0).toBe(roundToHalf(values[i]) + 0);
    const uniform = uniformFrom(3);
    const between = Float32Array.from({ length: 64 * 2_000 }, (_, i) => {
      const value = values[i % values.length];
      return [0.5, 1 - 2 ** -12, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 + (uniform() - 0.5) / 512][i % 5] * value;
    }).map((value) => (Math.abs(value) > 65_504 ? 1 : value));
    const back = dequantiseRows('f16', quantiseRows('f16', between, GROUP), GROUP);
    for (let i = 0; i < between.length; i++) expect(back[i] + 0).toBe(roundToHalf(between[i]) + 0);
  });

  it('refuses what becomes infinite', () => {
    expect(dequantiseRows('f16', quantiseRows('f16', Float32Array.of(65_519, -65_519), 2), 2)).toEqual(Float32Array.of(65_504, -65_504));
    expect(() => quantiseRows('f16', Float32Array.of(0, 1, 65_520, 3), 4)).toThrow(
      'Cannot hold weights from 0 to 65520 (row 0, columns 0 to 3) as f16: f16 ends at 65504; hold them as f32',
    );
  });
});

describe.each(WEIGHT_FORMATS)('%s', (format) => {
  it('is read back as the reference reads it, each row on its own', () => {
    const uniform = uniformFrom(5);
    for (const [N, K] of shapes) {
      const values = draw(N * K, 0.1, 0.1, uniform);
      const quantised = quantiseRows(format, values, K);
      const { words, scaleWords } = quantisedShape(format, K);
      const back = dequantiseRows(format, quantised, K);
      const expected = unpack(N, K, WEIGHT_FORMATS.indexOf(format), quantised.data, quantised.scales);
      expect(back).toEqual(Float32Array.from(expected));
      const last = quantiseRows(format, values.subarray((N - 1) * K), K);
      expect(last.data).toEqual(quantised.data.subarray((N - 1) * words));
      expect(last.scales).toEqual(quantised.scales.subarray((N - 1) * scaleWords));
    }
  });

  it('refuses a weight that is not finite, by its place, and rows that are not whole', () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      const values = new Float32Array(3 * 70).fill(0.5);
      values[2 * 70 + 67] = bad;
      expect(() => quantiseRows(format, values, 70)).toThrow(`Cannot hold ${bad} (row 2, column 67) as ${format}: it is not finite`);
    }
    expect(() => quantiseRows(format, new Float32Array(7), 3)).toThrow('Cannot quantise 7 weights: they are not whole rows of 3');
  });
});
