/**
 * The rows of the table as data: what a model was trained on before it was asked. Records and result documents hold their
 * names, and nothing else knows how a name is spelled.
 */
import type { Terms } from './records.ts';

/**
 * - `base`: no adaptation
 * - `reading`: no adaptation, the context in sight
 * - `control`: what the domain trains on without a self-edit
 * - `control-matched`: the same in as many tokens as the last round
 * - `self-edit`: the model's own, before RL
 * - `round`: the model's own, after a round of RL
 * - `random-selection`: after rounds that kept without looking at rewards
 * - `oracle`: perfect self-edits
 */
export type ConditionKind = 'base' | 'reading' | 'control' | 'control-matched' | 'self-edit' | 'round' | 'random-selection' | 'oracle';

export interface Condition {
  readonly kind: ConditionKind;
  /** Of kind `round`; null for the others. */
  readonly round: number | null;
  /** The likeliest self-edits instead of sampled ones; only of kinds `self-edit` and `round`. */
  readonly greedy: boolean;
}

/** The condition of rewards of kept self-edits that were measured once more. It is no row. */
export const WINNER = 'winner';

/** The terms of knowledge incorporation, which records without any have. */
export const PASSAGE_TERMS: Terms = {
  context: 'passage',
  base: { name: 'base', label: 'no adaptation' },
  control: { name: 'passage', label: 'passage only' },
};

/** Kinds in the order of rows; greedy self-edits stand behind the sampled ones of all rounds. */
const ROWS = ['base', 'reading', 'control', 'control-matched', 'self-edit', 'round', 'self-edit greedy', 'round greedy', 'random-selection', 'oracle'];

/** The name of a condition in records and documents, such as `round-2-greedy`. */
export function conditionName({ kind, round, greedy }: Condition, terms: Terms = PASSAGE_TERMS): string {
  const end = greedy ? '-greedy' : '';
  switch (kind) {
    case 'base':
      return terms.base.name;
    case 'control':
      return terms.control.name;
    case 'control-matched':
      return `${terms.control.name}-matched`;
    case 'round':
      return `round-${round ?? 0}${end}`;
    default:
      return `${kind}${end}`;
  }
}

/** The condition of a name, null where it is none's. */
export function parseCondition(name: string, terms: Terms = PASSAGE_TERMS): Condition | null {
  const greedy = name.endsWith('-greedy');
  const round = /^round-(\d+)/.exec(name)?.[1];
  const candidates: Condition[] = [
    ...(['base', 'reading', 'control', 'control-matched', 'random-selection', 'oracle'] as const).map((kind) => ({ kind, round: null, greedy: false })),
    { kind: 'self-edit', round: null, greedy },
    { kind: 'round', round: Number(round ?? 0), greedy },
  ];
  return candidates.find((candidate) => conditionName(candidate, terms) === name) ?? null;
}

/** Negative where the row of `a` stands above that of `b`. */
export function compareConditions(a: Condition, b: Condition): number {
  const place = ({ kind, greedy }: Condition): number => ROWS.indexOf(greedy ? `${kind} greedy` : kind);
  return place(a) - place(b) || (a.round ?? 0) - (b.round ?? 0);
}

/** The last round of RL that has a row, null without one. */
export function lastRoundOf(conditions: readonly Condition[]): number | null {
  const rounds = conditions.flatMap(({ kind, round, greedy }) => (kind === 'round' && !greedy && round !== null ? [round] : []));
  return rounds.length === 0 ? null : Math.max(...rounds);
}

/** Pairs to compare of what was measured, the question of the whole product first. */
export function pairsOf(conditions: readonly Condition[]): (readonly [Condition, Condition])[] {
  const find = (kind: ConditionKind, { round = null, greedy = false }: { round?: number | null; greedy?: boolean } = {}) =>
    conditions.find((one) => one.kind === kind && one.round === round && one.greedy === greedy);
  const rounds = conditions.filter(({ kind, greedy }) => kind === 'round' && !greedy).toSorted(compareConditions);
  const last = rounds.at(-1);
  const edit = find('self-edit');
  const wanted: (readonly [Condition | undefined, Condition | undefined])[] = [
    [last, edit],
    [last, find('control')],
    [last, find('control-matched')],
    ...rounds.slice(0, -1).map((round) => [round, edit] as const),
    [edit, find('control')],
    [find('control'), find('base')],
    [find('random-selection'), edit],
    [last && find('round', { round: last.round, greedy: true }), find('self-edit', { greedy: true })],
    [find('oracle'), last],
  ];
  return wanted.flatMap(([a, b]) => (a && b ? [[a, b] as const] : []));
}

/** A condition in words. */
export function labelOf({ kind, round, greedy }: Condition, terms: Terms = PASSAGE_TERMS): string {
  const edits = greedy ? 'greedy self-edits' : 'own self-edits';
  switch (kind) {
    case 'base':
      return terms.base.label;
    case 'reading':
      return `${terms.base.label}, ${terms.context} in the prompt`;
    case 'control':
      return `${terms.control.label}, same steps`;
    case 'control-matched':
      return `${terms.control.label}, matched tokens`;
    case 'self-edit':
      return `${edits}, before RL`;
    case 'round':
      return `${edits}, after round ${round ?? 0}`;
    case 'random-selection':
      return 'own self-edits, random selection';
    case 'oracle':
      return 'perfect self-edits, the ceiling';
  }
}

/** How a condition is drawn: what the model did before RL, after it, or something to compare with. */
export type Role = 'control' | 'before' | 'after' | 'ceiling';

export function roleOf({ kind }: Condition): Role {
  switch (kind) {
    case 'self-edit':
      return 'before';
    case 'round':
      return 'after';
    case 'oracle':
    case 'reading':
      return 'ceiling';
    default:
      return 'control';
  }
}

/** Several of a noun: `passages`, `puzzles`, `stories`. */
export function pluralOf(noun: string): string {
  if (/[^aeiou]y$/.test(noun)) return `${noun.slice(0, -1)}ies`;
  return /(?:s|x|z|ch|sh)$/.test(noun) ? `${noun}es` : `${noun}s`;
}
