import { describe, expect, it } from 'vitest';
import {
  compareConditions,
  type Condition,
  conditionName,
  labelOf,
  lastRoundOf,
  pairsOf,
  parseCondition,
  pluralOf,
  roleOf,
} from './conditions.ts';
import type { Terms } from './records.ts';

const NAMES = [
  'base', 'reading', 'passage', 'passage-matched', 'self-edit', 'round-1', 'round-2', 'round-10', 'self-edit-greedy', 'round-2-greedy', 'round-10-greedy', 'random-selection', 'oracle',
];
const PUZZLES: Terms = { context: 'puzzle', base: { name: 'in-context', label: 'no training' }, control: { name: 'default', label: 'default training' } };
const parse = (name: string, terms?: Terms): Condition => {
  const condition = parseCondition(name, terms);
  if (condition === null) throw new Error(`${name} is no condition`);
  return condition;
};

describe('names', () => {
  it.each(NAMES)('%s comes back as it was', (name) => {
    expect(conditionName(parse(name))).toBe(name);
  });

  it('say what was measured', () => {
    expect(parse('passage-matched')).toEqual({ kind: 'control-matched', round: null, greedy: false });
    expect(parse('round-12-greedy')).toEqual({ kind: 'round', round: 12, greedy: true });
    expect(parse('self-edit-greedy')).toEqual({ kind: 'self-edit', round: null, greedy: true });
  });

  it.each(['', 'winner', 'round-', 'round-02', 'round-1-greedy-greedy', 'base-greedy', 'oracle-greedy', 'greedy', 'Base', 'round-1e3'])('%j is none', (name) => {
    expect(parseCondition(name)).toBeNull();
  });

  it('of another domain are its own, and those of passages mean nothing to it', () => {
    const own = NAMES.map((name) => conditionName(parse(name), PUZZLES));
    expect(own.slice(0, 5)).toEqual(['in-context', 'reading', 'default', 'default-matched', 'self-edit']);
    expect(own.map((name) => parse(name, PUZZLES))).toEqual(NAMES.map((name) => parse(name)));
    expect(parseCondition('passage', PUZZLES)).toBeNull();
    expect(labelOf(parse('default', PUZZLES), PUZZLES)).toBe('default training, same steps');
  });
});

it('orders rows as the table is read, by number of the round', () => {
  const conditions = NAMES.toReversed().map((name) => parse(name));
  expect(conditions.toSorted(compareConditions).map((one) => conditionName(one))).toEqual(NAMES);
  expect(lastRoundOf(conditions)).toBe(10);
  expect(lastRoundOf([parse('base'), parse('round-3-greedy')])).toBeNull();
});

it('pairs what was measured, the question of the product first', () => {
  const pairs = (names: readonly string[]) => pairsOf(names.map((name) => parse(name))).map((pair) => pair.map((one) => conditionName(one)).join(' - '));
  expect(pairs(NAMES.toReversed())).toEqual([
    'round-10 - self-edit',
    'round-10 - passage',
    'round-10 - passage-matched',
    'round-1 - self-edit',
    'round-2 - self-edit',
    'self-edit - passage',
    'passage - base',
    'random-selection - self-edit',
    'round-10-greedy - self-edit-greedy',
    'oracle - round-10',
  ]);
  expect(pairs(['base', 'self-edit', 'oracle', 'self-edit-greedy'])).toEqual([]);
});

it('has words and a role for every condition', () => {
  expect(['base', 'passage', 'passage-matched', 'self-edit', 'round-3', 'round-3-greedy'].map((name) => labelOf(parse(name)))).toEqual([
    'no adaptation',
    'passage only, same steps',
    'passage only, matched tokens',
    'own self-edits, before RL',
    'own self-edits, after round 3',
    'greedy self-edits, after round 3',
  ]);
  expect(['base', 'passage', 'random-selection', 'self-edit-greedy', 'round-2', 'oracle'].map((name) => roleOf(parse(name)))).toEqual([
    'control', 'control', 'control', 'before', 'after', 'ceiling',
  ]);
});

it('makes several of a noun', () => {
  expect(['passage', 'story', 'day', 'class', 'box'].map(pluralOf)).toEqual(['passages', 'stories', 'days', 'classes', 'boxes']);
});
