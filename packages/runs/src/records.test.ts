import { type Type, type } from 'arktype';
import { describe, expect, it } from 'vitest';
import { parseContexts, recordKinds, recordSchemas, resultDocumentSchema, runHeaderSchema } from './records.ts';
import { header, samples } from './samples.ts';

const errorOf = (schema: (value: unknown) => unknown, value: unknown): string => {
  const result = schema(value);
  return result instanceof type.errors ? result.summary : '';
};

describe.each(recordKinds)('the schema of %s', (kind) => {
  const schema = recordSchemas[kind] as unknown as Type<object>;

  it('takes a record as it is', () => {
    expect(schema(samples[kind])).toEqual(samples[kind]);
  });

  it('rejects an undeclared key by name', () => {
    expect(errorOf(schema, { ...samples[kind], surplus: 1 })).toContain('surplus');
  });

  it.each(Object.keys(samples[kind]))('rejects a record without %s', (key) => {
    const { [key]: _, ...rest } = samples[kind] as Record<string, unknown>;
    expect(errorOf(schema, rest)).toContain(key);
  });

  it.each(Object.keys(samples[kind]))('rejects a function or a list as %s', (key) => {
    if (!['group', 'candidates', 'losses'].includes(key)) {
      expect(errorOf(schema, { ...samples[kind], [key]: [] })).toContain(key);
    }
    expect(errorOf(schema, { ...samples[kind], [key]: () => 1 })).toContain(key);
  });
});

it('rejects numbers that JSON cannot hold', () => {
  for (const value of [Number.NaN, Infinity, -Infinity]) {
    expect(errorOf(recordSchemas.metrics, { ...samples.metrics, value })).toContain('value');
    expect(errorOf(recordSchemas.sft, { ...samples.sft, losses: [1, value] })).toContain('losses');
  }
});

it.each([
  ['self-edits', 'settings', { learningRate: 1e-4, epochs: 2 }, 'fast'],
  ['rewards', 'learningRate', 2e-4, Infinity],
  ['answers', 'score', 0.5, 1.5],
  ['answers', 'votes', ['a', 'b'], 'a'],
  ['selections', 'kept', ['0123456789abcdef'], null],
] as const)('takes in %s what may say more, %s, and nothing else under its name', (kind, key, value, other) => {
  const schema = recordSchemas[kind] as unknown as Type<object>;
  expect(schema({ ...samples[kind], [key]: value })).toEqual({ ...samples[kind], [key]: value });
  expect(errorOf(schema, { ...samples[kind], [key]: other })).toContain(key);
});

describe('contexts', () => {
  const context = { id: 'c', title: 't', text: 'x', questions: [{ question: 'q', answer: 'a', kind: 'k' }] };

  it('come back with what their domain made of them', () => {
    const contexts = [context, { ...context, data: { grid: [[0]] } }, { ...context, data: null }];
    expect(parseContexts(contexts, 'contexts.json')).toEqual(contexts);
  });

  it.each<[string, unknown, RegExp]>([
    ['no list', context, /^Cannot read here: must be an array/],
    ['a question without an answer', [{ ...context, questions: [{ question: 'q', kind: 'k' }] }], /\[0\]\.questions\[0\]\.answer/],
    ['a key nobody knows', [{ ...context, source: 'x' }], /source is not a known key/],
  ])('that are %s are refused by place', (_, value, message) => {
    expect(() => parseContexts(value, 'here')).toThrow(expect.objectContaining({ kind: 'data', message: expect.stringMatching(message) as string }) as Error);
  });
});

it('rejects undeclared keys inside a selection and a header', () => {
  const candidates = [{ selfEditId: 'a', reward: 1, note: '' }];
  expect(errorOf(recordSchemas.selections, { ...samples.selections, candidates })).toContain('note');
  const environment = { ...header.environment, host: 'x' };
  expect(errorOf(runHeaderSchema, { ...header, environment })).toContain('host');
});

it('takes a result document and any timing beside the total', () => {
  const document = {
    runId: 'r',
    dir: 'runs/r',
    preset: 'tiny',
    mode: 'corrected',
    seed: 0,
    rows: [{ condition: 'base', accuracy: 0.05, ci95: [0.02, 0.09], contexts: 32, questions: 384, repeats: 1 }],
    comparisons: [{ a: 'round-2', b: 'self-edit', difference: 0.1, ci95: [0.05, 0.15] }],
    timings: { totalSeconds: 10, roundSeconds: 3 },
  };
  expect(resultDocumentSchema(document)).toEqual(document);
  const rows = [{ ...document.rows[0], accuracy: 31 }];
  expect(errorOf(resultDocumentSchema, { ...document, rows })).toContain('accuracy');
  expect(errorOf(resultDocumentSchema, { ...document, timings: {} })).toContain('totalSeconds');
});
