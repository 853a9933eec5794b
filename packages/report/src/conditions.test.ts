import type { Comparison, ResultRow } from '@seal/runs';
import { describe, expect, it } from 'vitest';
import {
  findComparison,
  headline,
  isBeyondNoise,
  label,
  lastRound,
  orderComparisons,
  role,
  verdict,
} from './conditions.ts';

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

it('finds the last round by number, not by order or spelling', () => {
  expect(lastRound(['round-10', 'round-9', 'round-10-greedy', 'round-11-greedy'].map(row))).toBe('round-10');
  expect(lastRound([row('base')])).toBeNull();
});

it('puts conditions into words', () => {
  expect(label('base')).toBe('no adaptation');
  expect(label('round-3')).toBe('own self-edits, after round 3');
  expect(label('round-3-greedy')).toBe('greedy self-edits, after round 3');
  expect(label('something-new')).toBe('something-new');
  expect(['base', 'self-edit-greedy', 'round-2-greedy', 'oracle'].map(role)).toEqual([
    'control',
    'before',
    'after',
    'ceiling',
  ]);
});

describe('comparisons', () => {
  it('come in the order they are read, whatever the order they were made in; unlisted ones come last', () => {
    const made: readonly (readonly [string, string])[] = [
      ['passage', 'base'],
      ['round-2-greedy', 'self-edit-greedy'],
      ['oracle', 'round-2'],
      ['random-selection', 'self-edit'],
      ['round-1', 'self-edit'],
      ['round-2', 'passage-matched'],
      ['round-2', 'passage'],
      ['round-2', 'self-edit'],
    ];
    const ordered = orderComparisons(
      rows,
      made.map(([a, b]) => comparison(a, b)),
    );
    expect(ordered.map(({ a, b }) => `${a} - ${b}`)).toEqual([
      'round-2 - self-edit',
      'round-2 - passage',
      'round-2 - passage-matched',
      'round-1 - self-edit',
      'random-selection - self-edit',
      'oracle - round-2',
      'round-2-greedy - self-edit-greedy',
      'passage - base',
    ]);
  });

  it('are turned round where they were made the other way', () => {
    const found = findComparison([{ a: 'b', b: 'a', difference: -0.25, ci95: [-0.5, 0.125] }], 'a', 'b');
    expect(found).toEqual({ a: 'a', b: 'b', difference: 0.25, ci95: [-0.125, 0.5] });
    expect(orderComparisons(rows, [comparison('self-edit', 'round-2')])).toHaveLength(1);
    expect(findComparison([], 'a', 'b')).toBeNull();
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
    expect(verdict(rows, [one])).toContain(
      expected ? 'excludes zero: the difference is beyond noise' : 'is not beyond noise',
    );
  });

  it('without a round leave nothing to judge', () => {
    expect(headline([row('base')], [])).toBeNull();
    expect(verdict([row('base')], [])).toContain('there is no difference to judge');
  });
});
