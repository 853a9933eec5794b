import { describe, expect, it } from 'vitest';
import { uniform } from './fixture.ts';
import { sampleToken } from './sampler.ts';

const probabilities = [0.5, 0.25, 0.125, 0.0625, 0.0625];
const logits = Float32Array.from(probabilities, Math.log);
const plain = { temperature: 1, topP: 1 };

/** Frequencies of many draws. */
function frequencies(options: { temperature: number; topP: number }, draws = 40_000): number[] {
  const draw = uniform(7);
  const counts = logits.reduce((all) => [...all, 0], [] as number[]);
  for (let i = 0; i < draws; i++) counts[sampleToken(logits, options, draw())] += 1 / draws;
  return counts;
}

/** Four standard deviations of a frequency. */
const close = (found: number[], expected: number[]) =>
  found.forEach((frequency, token) => {
    const p = expected[token];
    expect(Math.abs(frequency - p), `token ${token}`).toBeLessThanOrEqual(4 * Math.sqrt((p * (1 - p)) / 40_000) + 1e-9);
  });

describe('sampleToken', () => {
  it('draws with the probabilities of the softmax', () => close(frequencies(plain), probabilities));

  it('sharpens and flattens by temperature', () => {
    const at = (temperature: number) => {
      const weights = probabilities.map((p) => p ** (1 / temperature));
      const total = weights.reduce((a, b) => a + b);
      return weights.map((weight) => weight / total);
    };
    close(frequencies({ ...plain, temperature: 0.5 }), at(0.5));
    close(frequencies({ ...plain, temperature: 3 }), at(3));
  });

  it('keeps the smallest set that reaches topP, renormalised', () => {
    close(frequencies({ ...plain, topP: 0.7 }), [2 / 3, 1 / 3, 0, 0, 0]);
    close(frequencies({ ...plain, topP: 0.5 }), [1, 0, 0, 0, 0]);
    close(frequencies({ ...plain, topP: 1e-9 }), [1, 0, 0, 0, 0]);
    // Of the two equals at the edge the first id is kept.
    close(frequencies({ ...plain, topP: 0.9 }), [8 / 15, 4 / 15, 2 / 15, 1 / 15, 0]);
  });

  it('maps uniform numbers to tokens in order of id, the ends included', () => {
    const at = [0, 0.49, 0.51, 0.74, 0.76, 0.99, 1 - 2 ** -53].map((u) => sampleToken(logits, plain, u));
    expect(at).toEqual([0, 0, 1, 1, 2, 4, 4]);
  });

  it('is greedy at temperature 0, the first of equals', () => {
    expect(sampleToken(Float32Array.of(1, 3, 3, 2), { temperature: 0, topP: 1 }, 0.99)).toBe(1);
  });

  it('does not mind large logits, tiny temperatures or impossible tokens', () => {
    expect(sampleToken(Float32Array.of(3e38, -3e38, 0), plain, 0.999)).toBe(0);
    expect(sampleToken(logits, { temperature: 1e-6, topP: 1 }, 0.999)).toBe(0);
    expect(sampleToken(Float32Array.of(-Infinity, 0, -Infinity), plain, 0)).toBe(1);
  });

  it('refuses logits that are not finite, wherever they are', () => {
    for (const bad of [[NaN, 1], [1, NaN, 2], [2, 1, NaN], [Infinity, 1], [-Infinity, -Infinity]]) {
      for (const temperature of [0, 1]) {
        expect(() => sampleToken(Float32Array.from(bad), { temperature, topP: 1 }, 0.5), String(bad)).toThrow('the logits are not finite');
      }
    }
  });
});
