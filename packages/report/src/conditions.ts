/** The conditions of the table, in words, and the paired differences that matter, in order. */
import type { Comparison, ResultRow } from '@seal/runs';
import { points } from './format.ts';

/** How a condition is drawn: what the model did before RL, after it, or something to compare with. */
export type Role = 'control' | 'before' | 'after' | 'ceiling';

const ROUND = /^round-(\d+)$/;
const GREEDY_ROUND = /^round-(\d+)-greedy$/;

/** The highest-numbered round with a row, such as `round-2`; null if no round was evaluated. */
export const lastRound = (rows: readonly Pick<ResultRow, 'condition'>[]): string | null => {
  const numbers = rows.flatMap(({ condition }) => ROUND.exec(condition)?.[1] ?? []).map(Number);
  return numbers.length === 0 ? null : `round-${Math.max(...numbers)}`;
};

const LABELS: Readonly<Record<string, string>> = {
  base: 'no adaptation',
  passage: 'passage only, same steps',
  'passage-matched': 'passage only, matched tokens',
  'self-edit': 'own self-edits, before RL',
  'self-edit-greedy': 'greedy self-edits, before RL',
  'random-selection': 'own self-edits, random selection',
  oracle: 'perfect self-edits, the ceiling',
};

/** A condition in words; an unknown one is its own name. */
export const label = (condition: string): string => {
  const round = ROUND.exec(condition)?.[1];
  if (round !== undefined) return `own self-edits, after round ${round}`;
  const greedy = GREEDY_ROUND.exec(condition)?.[1];
  if (greedy !== undefined) return `greedy self-edits, after round ${greedy}`;
  return LABELS[condition] ?? condition;
};

export const role = (condition: string): Role => {
  if (ROUND.test(condition) || GREEDY_ROUND.test(condition)) return 'after';
  if (condition === 'self-edit' || condition === 'self-edit-greedy') return 'before';
  return condition === 'oracle' ? 'ceiling' : 'control';
};

/** The comparison of `a` with `b`, from either direction, or null. */
export const findComparison = (comparisons: readonly Comparison[], a: string, b: string): Comparison | null => {
  const found = comparisons.find((one) => one.a === a && one.b === b);
  if (found !== undefined) return found;
  const reverse = comparisons.find((one) => one.a === b && one.b === a);
  if (reverse === undefined) return null;
  return { a, b, difference: -reverse.difference, ci95: [-reverse.ci95[1], -reverse.ci95[0]] };
};

/** The comparisons in the order they are read, the question of the whole product first and unlisted ones last. */
export const orderComparisons = (rows: readonly ResultRow[], comparisons: readonly Comparison[]): Comparison[] => {
  const last = lastRound(rows) ?? 'round-2';
  const rounds = rows.map(({ condition }) => condition).filter((name) => ROUND.test(name) && name !== last);
  const wanted: readonly (readonly [string, string])[] = [
    [last, 'self-edit'],
    [last, 'passage'],
    [last, 'passage-matched'],
    ...rounds.map((round) => [round, 'self-edit'] as const),
    ['random-selection', 'self-edit'],
    ['oracle', last],
    [`${last}-greedy`, 'self-edit-greedy'],
  ];
  const listed = wanted.flatMap(([a, b]) => findComparison(comparisons, a, b) ?? []);
  const isListed = ({ a, b }: Comparison): boolean =>
    wanted.some(([x, y]) => (x === a && y === b) || (x === b && y === a));
  return [...listed, ...comparisons.filter((one) => !isListed(one))];
};

/** Whether the 95 % interval of a difference excludes zero. */
export const isBeyondNoise = ({ ci95: [low, high] }: Comparison): boolean => low > 0 || high < 0;

/** The last round against the model before RL: what the run was made to find out. */
export const headline = (rows: readonly ResultRow[], comparisons: readonly Comparison[]): Comparison | null => {
  const last = lastRound(rows);
  return last === null ? null : findComparison(comparisons, last, 'self-edit');
};

/** One plain sentence saying whether the headline difference is beyond noise. */
export const verdict = (
  rows: readonly ResultRow[],
  comparisons: readonly Comparison[],
  minus: '-' | '−' = '−',
): string => {
  const found = headline(rows, comparisons);
  if (found === null)
    return 'No round of RL was compared with the self-edits before RL, so there is no difference to judge.';
  const [low, high] = found.ci95.map((end) => points(end, minus));
  const what = `${found.a} - ${found.b} is ${points(found.difference, minus)} percentage points`.replace(
    ' - ',
    ` ${minus} `,
  );
  return isBeyondNoise(found)
    ? `${what}; its 95 % interval, ${low} to ${high}, excludes zero: the difference is beyond noise.`
    : `${what}; its 95 % interval, ${low} to ${high}, includes zero: the difference is not beyond noise.`;
};
