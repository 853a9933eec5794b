import { describe, expect, it } from 'vitest';
import type { RewardRecord, RunHeader } from '@seal/runs';
import { pooledDocument, resultDocument } from './table.ts';

const header = (seed: number): RunHeader => ({
  runId: `run-${seed}`,
  createdAt: '2026-01-01T00:00:00.000Z',
  preset: 'tiny',
  mode: 'corrected',
  seed,
  config: {},
  environment: { runtime: 'test', adapter: 'test', packageVersion: '0' },
  modelDigest: '0'.repeat(64),
});

const reward = (condition: string, contextId: string, correct: number, repeat = 0): RewardRecord => ({
  key: `${condition}/${contextId}/${repeat}`,
  round: 0,
  phase: 'evaluate',
  condition,
  contextId,
  selfEditId: null,
  group: [contextId],
  adapterDigest: null,
  correct,
  questions: 4,
  reward: correct / 4,
  repeat,
  steps: 1,
  trainedTokens: 1,
  firstLoss: 1,
  lastLoss: 1,
  status: 'ok',
  cause: null,
});

const document = (rewards: RewardRecord[], seed = 0) => resultDocument(header(seed), '/run', rewards, { totalSeconds: 1 });

describe('resultDocument', () => {
  it('averages repeats within a context before contexts, and counts each once', () => {
    const { rows } = document([reward('passage', 'a', 0, 0), reward('passage', 'a', 4, 1), reward('passage', 'b', 4, 0), reward('passage', 'b', 4, 1)]);
    expect(rows).toEqual([
      { condition: 'passage', accuracy: 0.75, ci95: [0.5, 1], contexts: 2, questions: 8, repeats: 2 },
    ]);
  });

  it('pairs by context: a difference that is the same everywhere has no uncertainty', () => {
    const scores = { a: 0, b: 1, c: 3 };
    const rewards = Object.entries(scores).flatMap(([id, base]) => [reward('self-edit', id, base), reward('round-2', id, base + 1), reward('round-1', id, base)]);
    const { comparisons } = document(rewards);
    expect(comparisons[0]).toEqual({ a: 'round-2', b: 'self-edit', difference: 0.25, ci95: [0.25, 0.25] });
    expect(comparisons).toContainEqual({ a: 'round-1', b: 'self-edit', difference: 0, ci95: [0, 0] });
  });

  it('orders the rows as the table is read, ten rounds included', () => {
    const names = ['oracle', 'round-10', 'round-2', 'base', 'round-10-greedy', 'self-edit', 'random-selection', 'passage-matched', 'self-edit-greedy', 'passage'];
    const { rows } = document(names.map((name) => reward(name, 'a', 1)));
    expect(rows.map(({ condition }) => condition)).toEqual([
      'base', 'passage', 'passage-matched', 'self-edit', 'round-2', 'round-10', 'self-edit-greedy', 'round-10-greedy', 'random-selection', 'oracle',
    ]);
  });

  it('calls rows what the domain calls them, and says so', () => {
    const terms = { context: 'puzzle', base: { name: 'in-context', label: 'no training' }, control: { name: 'default', label: 'default training' } };
    const rewards = ['default', 'in-context', 'self-edit'].map((name) => reward(name, 'a', 1));
    const { rows, comparisons, terms: own } = resultDocument({ ...header(0), terms }, '/run', rewards, { totalSeconds: 1 });
    expect(rows.map(({ condition }) => condition)).toEqual(['in-context', 'default', 'self-edit']);
    expect(comparisons.map(({ a, b }) => `${a} - ${b}`)).toEqual(['self-edit - default', 'default - in-context']);
    expect(own).toEqual(terms);
    expect(document([reward('base', 'a', 1)])).not.toHaveProperty('terms');
  });

  it('compares only what was measured', () => {
    expect(document([reward('base', 'a', 1), reward('passage', 'a', 2)]).comparisons).toEqual([
      { a: 'passage', b: 'base', difference: 0.25, ci95: [0.25, 0.25] },
    ]);
  });
});

describe('pooledDocument', () => {
  it('keeps every seed, and its intervals know that seeds differ', () => {
    const runs = [0, 4].map((correct, seed) => {
      const rewards = ['a', 'b'].map((id) => reward('passage', id, correct));
      return { document: document(rewards, seed), rewards };
    });
    const { preset, runs: kept, pooled } = pooledDocument(runs);
    expect(preset).toBe('tiny');
    expect(kept.map(({ rows }) => rows[0]?.ci95)).toEqual([[0, 0], [1, 1]]);
    expect(pooled.rows).toEqual([{ condition: 'passage', accuracy: 0.5, ci95: [0, 1], contexts: 4, questions: 16, repeats: 1 }]);
  });

  it('refuses nothing at all', () => {
    expect(() => pooledDocument([])).toThrow('there are no runs');
  });
});
