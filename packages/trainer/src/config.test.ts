import { describe, expect, it } from 'vitest';
import { PROJECTIONS } from '@seal/model';
import { loraConfig, parseSealConfig, resolveConfig } from './config.ts';
import { config as base } from './fixture.ts';

/** The fixture with one value replaced, by path. */
function withValue(path: string, value: unknown): unknown {
  const config = structuredClone(base) as unknown as Record<string, unknown>;
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

describe('what may be chosen', () => {
  it('is a list of linear layers, some layers of the model, a schedule, a warm-up and what is kept', () => {
    for (const targets of [['q_proj'], ['down_proj', 'k_proj'], 'all', 'q,v']) expect(problem('inner.lora.targets', targets)).toBe('accepted');
    for (const targets of [[], ['c_attn'], ['self_attn.q_proj'], 'q_proj']) expect(problem('inner.lora.targets', targets), String(targets)).toContain('inner.lora.targets');
    for (const layers of [[0], [1, 3]]) expect(problem('inner.lora.layers', layers)).toBe('accepted');
    for (const layers of [[], [-1], [0.5], [10_000], 'all', 3]) expect(problem('outer.sft.lora.layers', layers), String(layers)).toContain('outer.sft.lora.layers');
    for (const schedule of ['constant', 'linear', 'cosine']) expect(problem('inner.schedule', schedule)).toBe('accepted');
    expect(problem('inner.schedule', 'polynomial')).toContain('inner.schedule must be');
    for (const steps of [0, 10]) expect(problem('inner.warmUpSteps', steps)).toBe('accepted');
    for (const steps of [-1, 1.5, 1e6]) expect(problem('inner.warmUpSteps', steps)).toContain('inner.warmUpSteps');
    for (const keep of ['best', 'all']) expect(problem('outer.selection.keep', keep)).toBe('accepted');
    expect(problem('outer.selection.keep', 'worst')).toContain('outer.selection.keep must be');
  });

  it('is a reward by likelihood, which alone may leave answers unwritten', () => {
    const outer = (change: object) => () => parseSealConfig({ ...base, outer: { ...base.outer, ...change } }, 'the test');
    expect(outer({ reward: 'likelihood', answers: 'skipped' })().outer).toMatchObject({ reward: 'likelihood', answers: 'skipped' });
    expect(outer({ reward: 'f1' })).toThrow("outer.reward must be");
    expect(outer({ answers: 'skipped' })).toThrow("Cannot use the test: outer.answers is obeyed where outer.reward is 'likelihood' alone; leave it out");
  });

  it('is an answer as long as a self-edit', () => {
    for (const path of ['inner.maxAnswerTokens', 'outer.maxSelfEditTokens']) {
      expect(problem(path, 16_384)).toBe('accepted');
      expect(problem(path, 16_385)).toContain(`${path} must be at most 16384`);
    }
  });
});

describe('loraConfig', () => {
  const names = (targets: 'all' | 'q,v' | string[]) => loraConfig({ rank: 2, alpha: 4, targets }).targets;

  it('takes targets in the order of the model, whichever order they are named in', () => {
    expect(names('all')).toEqual(PROJECTIONS);
    expect(names('q,v')).toEqual(['self_attn.q_proj', 'self_attn.v_proj']);
    expect(names(['down_proj', 'q_proj', 'down_proj'])).toEqual(['self_attn.q_proj', 'mlp.down_proj']);
  });

  it('takes layers in their order, each once, and says nothing of them where all are adapted', () => {
    expect(loraConfig({ rank: 2, alpha: 4, targets: 'q,v', layers: [3, 1, 3] }).layers).toEqual([1, 3]);
    expect(loraConfig({ rank: 2, alpha: 4, targets: 'q,v' })).not.toHaveProperty('layers');
  });
});

describe('resolveConfig', () => {
  it('lays nested values over the configuration and leaves the rest and that itself alone', () => {
    const before = structuredClone(base);
    const config = resolveConfig(base, 'corrected', { inner: { steps: 7 }, outer: { sft: { epochs: 5 } } }, 'x.json');
    expect(config).toEqual({
      ...before,
      inner: { ...before.inner, steps: 7 },
      outer: { ...before.outer, sft: { ...before.outer.sft, epochs: 5 } },
    });
    expect(base).toEqual(before);
    expect(resolveConfig(base, 'corrected', undefined, 'x.json')).toEqual(before);
  });

  it('repeats in paper mode what the reference does, unless told otherwise', () => {
    const paper = resolveConfig(base, 'paper', undefined, 'x.json');
    expect(paper.inner).toMatchObject({ trainOnPadding: true, lora: { targets: 'q,v' } });
    expect(paper.outer.selection).toEqual({ threshold: 'none', ties: 'first' });
    const keeping = { ...base, outer: { ...base.outer, selection: { ...base.outer.selection, keep: 'all' as const } } };
    expect(resolveConfig(keeping, 'paper', undefined, 'x.json').outer.selection).toEqual({ threshold: 'none', ties: 'first', keep: 'all' });
    expect(resolveConfig(base, 'paper', { inner: { trainOnPadding: false } }, 'x.json').inner.trainOnPadding).toBe(false);
    expect(resolveConfig(base, 'corrected', undefined, 'x.json').inner.trainOnPadding).toBe(false);
  });

  it('takes recomputed activations where they are asked for', () => {
    const config = resolveConfig(base, 'corrected', { inner: { recompute: true }, outer: { sft: { recompute: true } } }, 'x.json');
    expect([config.inner.recompute, config.outer.sft.recompute]).toEqual([true, true]);
    expect(problem('inner.recompute', 1)).toContain('inner.recompute');
  });

  it('refuses what is no object, and the key of a prototype', () => {
    for (const value of [null, 3, [], 'inner']) expect(() => resolveConfig(base, 'paper', value, 'x.json')).toThrow('expected an object');
    expect(() => resolveConfig(base, 'paper', { inner: 3 }, 'x.json')).toThrow('expected an object, got 3');
    const planted: unknown = JSON.parse('{"__proto__": {"inner": 1}}');
    expect(() => resolveConfig(base, 'paper', planted, 'x.json')).toThrow(RangeError);
  });
});
