import { type Type, type } from 'arktype';
import { describe, expect, it } from 'vitest';
import { recordKinds, recordSchemas, resultDocumentSchema, runHeaderSchema } from './records.ts';
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
