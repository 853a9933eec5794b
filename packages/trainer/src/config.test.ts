import { describe, expect, it } from 'vitest';
import { parseSealConfig } from './config.ts';
import { presets, resolveConfig } from './presets.ts';

/** The preset with one value replaced, by path. */
function withValue(path: string, value: unknown): unknown {
  const config = structuredClone(presets.tiny) as unknown as Record<string, unknown>;
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  const place = keys.reduce((object, key) => object[key] as Record<string, unknown>, config);
  if (value === undefined) delete place[last];
  else place[last] = value;
  return config;
}

const problem = (path: string, value: unknown): string => {
  try {
    parseSealConfig(withValue(path, value), 'x.json');
    return 'accepted';
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError);
    return (error as RangeError).message;
  }
};

const numbers = [
  'inner.lora.rank', 'inner.lora.alpha', 'inner.learningRate', 'inner.steps', 'inner.documentsPerStep', 'inner.contextsPerAdapter',
  'inner.packSize', 'inner.tokensPerStep', 'inner.maxAnswerTokens', 'outer.contexts', 'outer.samples', 'outer.temperature',
  'outer.topP', 'outer.maxSelfEditTokens', 'outer.repeats', 'outer.sft.lora.rank', 'outer.sft.learningRate', 'outer.sft.epochs',
  'outer.sft.batchSize', 'outer.sft.tokensPerStep', 'evaluation.contexts', 'evaluation.repeats',
];

describe('every number of the configuration', () => {
  it.each(numbers)('%s refuses zero, negative, absurd and non-finite values and says which key', (path) => {
    for (const value of [0, -1, NaN, Infinity, -Infinity, 1e300, '3', null]) {
      const message = problem(path, value);
      expect(message, String(value)).toMatch(/^Cannot use x\.json: /);
      expect(message, String(value)).toContain(path);
      expect(message, String(value)).not.toMatch(/\n|◦/);
    }
  });

  it('that counts something refuses a fraction', () => {
    for (const path of ['inner.steps', 'outer.rounds', 'evaluation.contexts']) expect(problem(path, 1.5)).toContain('integer');
  });

  it('shows the value and the bound', () => {
    expect(problem('inner.steps', -3)).toBe('Cannot use x.json: inner.steps must be at least 1 (was -3)');
    expect(problem('outer.topP', 1.2)).toContain('outer.topP must be at most 1 (was 1.2)');
    expect(problem('inner.tokensPerStep', 100)).toContain('inner.tokensPerStep must be a multiple of 8 (was 100)');
    expect(problem('outer.samples', Infinity)).toContain('outer.samples (Infinity) must be an integer and at most 10000');
  });

  it('that may be zero is accepted at zero', () => {
    for (const path of ['outer.rounds', 'inner.replayPerStep']) {
      expect(problem(path, 0)).toBe('accepted');
      expect(problem(path, -1)).toContain(path);
    }
  });
});

describe('keys', () => {
  it('that are unknown are named with those there are', () => {
    const message = problem('inner.stepz', 3);
    expect(message).toContain('inner.stepz is not a key; there are');
    expect(message).toContain('steps');
    expect(problem('outer.selection.tie', 'first')).toContain('there are threshold, ties');
    expect(problem('iner', {})).toContain('there are evaluation, inner, keepAdapters, outer');
  });

  it('that are missing or hold no such word are named', () => {
    expect(problem('outer.samples', undefined)).toContain('outer.samples must be');
    expect(problem('outer.selection.ties', 'last')).toContain('outer.selection.ties must be "first" or "random" (was "last")');
    expect(problem('inner.lora.targets', 'q')).toContain('inner.lora.targets');
  });
});

describe('resolveConfig', () => {
  it('lays nested values over the preset and leaves the rest and the preset itself alone', () => {
    const before = structuredClone(presets.tiny);
    const config = resolveConfig('tiny', 'corrected', { inner: { steps: 7 }, outer: { sft: { epochs: 2 } } }, 'x.json');
    expect(config).toEqual({
      ...before,
      inner: { ...before.inner, steps: 7 },
      outer: { ...before.outer, sft: { ...before.outer.sft, epochs: 2 } },
    });
    expect(presets.tiny).toEqual(before);
    expect(resolveConfig('tiny', 'corrected', undefined, 'x.json')).toEqual(before);
  });

  it('repeats in paper mode what the reference does, unless told otherwise', () => {
    const paper = resolveConfig('tiny', 'paper', undefined, 'x.json');
    expect(paper.inner).toMatchObject({ trainOnPadding: true, lora: { targets: 'q,v' } });
    expect(paper.outer.selection).toEqual({ threshold: 'none', ties: 'first' });
    expect(resolveConfig('tiny', 'paper', { inner: { trainOnPadding: false } }, 'x.json').inner.trainOnPadding).toBe(false);
    expect(resolveConfig('tiny', 'corrected', undefined, 'x.json').inner.trainOnPadding).toBe(false);
  });

  it('takes recomputed activations where they are asked for, and says nothing of them else', () => {
    const config = resolveConfig('squad', 'corrected', { inner: { recompute: true }, outer: { sft: { recompute: true } } }, 'x.json');
    expect([config.inner.recompute, config.outer.sft.recompute]).toEqual([true, true]);
    for (const preset of Object.values(presets)) expect(JSON.stringify(preset)).not.toContain('recompute');
    expect(problem('inner.recompute', 1)).toContain('inner.recompute');
  });

  it('refuses what is no object, and the key of a prototype', () => {
    for (const value of [null, 3, [], 'inner']) expect(() => resolveConfig('tiny', 'paper', value, 'x.json')).toThrow('expected an object');
    expect(() => resolveConfig('tiny', 'paper', { inner: 3 }, 'x.json')).toThrow('expected an object, got 3');
    const planted: unknown = JSON.parse('{"__proto__": {"inner": 1}}');
    expect(() => resolveConfig('tiny', 'paper', planted, 'x.json')).toThrow(RangeError);
  });
});
