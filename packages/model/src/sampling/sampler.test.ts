import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { uniform } from '../fixture.ts';
import { checkSampling, logProbabilities, mostLikely, sampleToken, tokenWeights, type SamplingOptions } from './sampler.ts';

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

interface Golden {
  readonly logits: readonly (readonly number[])[];
  readonly history: readonly (readonly number[])[];
  readonly cases: readonly {
    readonly setting: Readonly<Record<string, number>>;
    readonly rows: readonly { readonly tokens: readonly number[]; readonly probabilities: readonly number[] }[];
  }[];
}
const golden = JSON.parse(
  readFileSync(new URL('../../../../test/golden/sampling/expected.json', import.meta.url), 'utf8'),
) as Golden;

describe('tokenWeights', () => {
  const optionsOf = (setting: Readonly<Record<string, number>>): SamplingOptions => ({
    temperature: setting['temperature'] ?? 1,
    topP: setting['top_p'] ?? 1,
    topK: setting['top_k'],
    minP: setting['min_p'],
    repetitionPenalty: setting['repetition_penalty'],
  });

  it.each(golden.cases)('leaves what transformers leaves: $setting', ({ setting, rows }) => {
    rows.forEach((row, i) => {
      const { tokens, weights } = tokenWeights(Float32Array.from(golden.logits[i] ?? []), optionsOf(setting), golden.history[i]);
      expect([...tokens], `row ${i}`).toEqual(row.tokens);
      const total = weights.reduce((a, b) => a + b, 0);
      weights.forEach((weight, t) => {
        // A penalty rounds its logit to float32; everything else is float64.
        expect(Math.abs(weight / total - (row.probabilities[t] ?? 0))).toBeLessThanOrEqual(1e-6 * (row.probabilities[t] ?? 0));
      });
    });
  });

  it('draws from a large vocabulary what a whole sort would leave', () => {
    const draw = uniform(11);
    const large = Float32Array.from({ length: 50_001 }, () => 12 * draw() * draw() * draw());
    const order = [...large.keys()].sort((a, b) => (large[b] ?? 0) - (large[a] ?? 0) || a - b);
    expect(mostLikely(large, 40)).toEqual(order.slice(0, 40));
    expect([...tokenWeights(large, { ...plain, topK: 40 }).tokens]).toEqual(order.slice(0, 40).sort((a, b) => a - b));
    const { tokens, weights } = tokenWeights(large, { ...plain, topP: 0.6 });
    const all = order.map((token) => Math.exp(large[token] ?? 0));
    const total = all.reduce((a, b) => a + b, 0);
    let mass = 0;
    const count = 1 + all.findIndex((weight) => (mass += weight / total) >= 0.6);
    expect(count).toBeGreaterThan(100);
    expect([...tokens]).toEqual(order.slice(0, count).sort((a, b) => a - b));
    expect(weights).toHaveLength(count);
  });
});

describe('logProbabilities', () => {
  it('is the log of the softmax, whatever the size of the logits', () => {
    const of = logProbabilities(logits);
    probabilities.forEach((p, token) => expect(of(token)).toBeCloseTo(Math.log(p), 6));
    expect(logProbabilities(Float32Array.of(3e38, -3e38))(0)).toBe(0);
    expect(logProbabilities(Float32Array.of(-Infinity, 0))(0)).toBe(-Infinity);
    expect(() => logProbabilities(Float32Array.of(NaN, 0))).toThrow('the logits are not finite');
  });
});

describe('checkSampling', () => {
  it.each<[string, Partial<SamplingOptions>, string]>([
    ['a negative temperature', { temperature: -1 }, 'temperature -1: it must be at least 0'],
    ['no temperature', { temperature: NaN }, 'temperature NaN'],
    ['a nucleus of nothing', { topP: 0 }, 'top-p 0: it must be above 0 and at most 1'],
    ['half a token', { topK: 2.5 }, 'top-k 2.5: it must be a whole number from 1 on'],
    ['min-p above 1', { minP: 1.1 }, 'min-p 1.1: it must be from 0 to 1'],
    ['a penalty of 0', { repetitionPenalty: 0 }, 'repetition penalty 0: it must be above 0'],
  ])('refuses %s', (_, change, message) => {
    expect(() => checkSampling({ ...plain, ...change })).toThrow(message);
  });
});
