/** The rows of a table in words, and the paired differences that matter. */
import {
  type Comparison,
  conditionName,
  labelOf,
  lastRoundOf,
  parseCondition,
  PASSAGE_TERMS,
  type ResultRow,
  type Role,
  roleOf,
  type Terms,
} from '@seal/runs';
import { points } from './format.ts';

/** The part of a result document that is a table; of several runs, what they gave together. */
export interface Table {
  readonly rows: readonly ResultRow[];
  readonly comparisons: readonly Comparison[];
  readonly terms?: Terms | undefined;
}

/** What the table's domain calls things. */
export function termsOf({ terms }: Pick<Table, 'terms'>): Terms {
  return terms ?? PASSAGE_TERMS;
}

/** The rows that are looked up one by one, under the names they have in records. */
export interface Names {
  readonly base: string;
  readonly control: string;
  readonly before: string;
  readonly beforeGreedy: string;
  /** After the last round that has a row; null without one. */
  readonly after: string | null;
  readonly afterGreedy: string | null;
  readonly oracle: string;
  /** Number of the last round that has a row. */
  readonly lastRound: number | null;
}

export function namesOf(table: Pick<Table, 'rows' | 'terms'>): Names {
  const terms = termsOf(table);
  const name = (kind: 'base' | 'control' | 'self-edit' | 'oracle', greedy = false) => conditionName({ kind, round: null, greedy }, terms);
  const lastRound = lastRoundOf(table.rows.flatMap(({ condition }) => parseCondition(condition, terms) ?? []));
  const after = (greedy: boolean) => (lastRound === null ? null : conditionName({ kind: 'round', round: lastRound, greedy }, terms));
  return {
    base: name('base'),
    control: name('control'),
    before: name('self-edit'),
    beforeGreedy: name('self-edit', true),
    after: after(false),
    afterGreedy: after(true),
    oracle: name('oracle'),
    lastRound,
  };
}

/** A condition in words; an unknown one is its own name. */
export function label(name: string, terms: Terms): string {
  const condition = parseCondition(name, terms);
  return condition === null ? name : labelOf(condition, terms);
}

/** How a condition is drawn; an unknown one as something to compare with. */
export function role(name: string, terms: Terms): Role {
  const condition = parseCondition(name, terms);
  return condition === null ? 'control' : roleOf(condition);
}

/** The comparison of `a` with `b`, from either direction, or null. */
export function findComparison(comparisons: readonly Comparison[], a: string, b: string): Comparison | null {
  const found = comparisons.find((one) => one.a === a && one.b === b);
  if (found !== undefined) return found;
  const reverse = comparisons.find((one) => one.a === b && one.b === a);
  if (reverse === undefined) return null;
  return { a, b, difference: -reverse.difference, ci95: [-reverse.ci95[1], -reverse.ci95[0]] };
}

/** Whether the 95 % interval of a difference excludes zero. */
export function isBeyondNoise({ ci95: [low, high] }: Comparison): boolean {
  return low > 0 || high < 0;
}

/** The last round against the model before RL: what the run was made to find out. */
export function headline(table: Table): Comparison | null {
  const { before, after } = namesOf(table);
  return after === null ? null : findComparison(table.comparisons, after, before);
}

/** The same for the likeliest self-edits. */
export function greedyHeadline(table: Table): Comparison | null {
  const { beforeGreedy, afterGreedy } = namesOf(table);
  return afterGreedy === null ? null : findComparison(table.comparisons, afterGreedy, beforeGreedy);
}

/** One plain sentence saying whether the headline difference is beyond noise. */
export function verdict(table: Table, minus: '-' | '−' = '−'): string {
  const found = headline(table);
  if (found === null) return 'No round of RL was compared with the self-edits before RL, so there is no difference to judge.';
  const [low, high] = found.ci95.map((end) => points(end, minus));
  const what = `${found.a} ${minus} ${found.b} is ${points(found.difference, minus)} percentage points`;
  return isBeyondNoise(found)
    ? `${what}; its 95 % interval, ${low} to ${high}, excludes zero: the difference is beyond noise.`
    : `${what}; its 95 % interval, ${low} to ${high}, includes zero: the difference is not beyond noise.`;
}
