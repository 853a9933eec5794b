import { PASSAGE_TERMS, type Comparison, type ResultRow } from '@seal/runs';
import { describe, expect, it } from 'vitest';
import { findComparison, greedyHeadline, headline, isBeyondNoise, label, namesOf, role, verdict } from './conditions.ts';

const row = (condition: string): ResultRow => ({
  condition,
  accuracy: 0.5,
  ci95: [0.4, 0.6],
  contexts: 8,
  questions: 96,
  repeats: 1,
});
const comparison = (a: string, b: string, low = 0.05, high = 0.15): Comparison => ({
  a,
  b,
  difference: (low + high) / 2,
  ci95: [low, high],
});
const rows = ['base', 'self-edit', 'round-1', 'round-2', 'round-2-greedy'].map(row);

const table = (...comparisons: Comparison[]) => ({ rows, comparisons });

it('finds the last round by number, not by order or spelling', () => {
  const last = (...names: string[]) => namesOf({ rows: names.map(row) });
  expect(last('round-10', 'round-9', 'round-10-greedy', 'round-11-greedy')).toMatchObject({ after: 'round-10', afterGreedy: 'round-10-greedy', lastRound: 10 });
  expect(last('base')).toMatchObject({ after: null, afterGreedy: null, lastRound: null, base: 'base', control: 'passage' });
});

it('puts conditions into words', () => {
  expect(label('base', PASSAGE_TERMS)).toBe('no adaptation');
  expect(label('round-3-greedy', PASSAGE_TERMS)).toBe('greedy self-edits, after round 3');
  expect(label('something-new', PASSAGE_TERMS)).toBe('something-new');
  expect(['oracle', 'something-new'].map((name) => role(name, PASSAGE_TERMS))).toEqual(['ceiling', 'control']);
});

describe('comparisons', () => {
  it('are turned round where they were made the other way', () => {
    const found = findComparison([{ a: 'b', b: 'a', difference: -0.25, ci95: [-0.5, 0.125] }], 'a', 'b');
    expect(found).toEqual({ a: 'a', b: 'b', difference: 0.25, ci95: [-0.125, 0.5] });
    expect(findComparison([], 'a', 'b')).toBeNull();
  });

  it('are judged by the last round, sampled and greedy', () => {
    const own = table(comparison('round-1', 'self-edit'), comparison('round-2-greedy', 'self-edit-greedy'), comparison('self-edit', 'round-2'));
    expect(headline(own)).toMatchObject({ a: 'round-2', b: 'self-edit', difference: -0.1 });
    expect(greedyHeadline(own)).toMatchObject({ a: 'round-2-greedy', difference: 0.1 });
  });

  it.each([
    [0.01, 0.2, true],
    [-0.2, -0.01, true],
    [-0.01, 0.2, false],
    [0, 0.2, false],
    [-0.2, 0, false],
  ])('with the interval %d to %d are beyond noise: %s', (low, high, expected) => {
    const one = comparison('round-2', 'self-edit', low, high);
    expect(isBeyondNoise(one)).toBe(expected);
    expect(verdict(table(one))).toContain(
      expected ? 'excludes zero: the difference is beyond noise' : 'is not beyond noise',
    );
  });

  it('without a round leave nothing to judge', () => {
    const none = { rows: [row('base')], comparisons: [] };
    expect(headline(none)).toBeNull();
    expect(verdict(none)).toContain('there is no difference to judge');
  });
});
