/** From the rewards of the final evaluation to rows and paired differences with intervals over contexts. */

import { stream } from '@seal/files';
import type { Comparison, PooledDocument, ResultDocument, ResultRow, RewardRecord, RunHeader } from '@seal/runs';
import { bootstrapMean, mean } from './statistics.ts';

/** Mean reward over repeats of every context, by condition. */
type Scores = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Order of rows; rounds and their greedy edits come between the edits before RL and the controls. */
function order(condition: string): number {
  const fixed = ['base', 'passage', 'passage-matched', 'self-edit', 'round', 'self-edit-greedy', 'greedy', 'random-selection', 'oracle'];
  const round = /^round-(\d+)(-greedy)?$/.exec(condition);
  if (!round) return fixed.indexOf(condition) * 1_000;
  return fixed.indexOf(round[2] ? 'greedy' : 'round') * 1_000 + Number(round[1]);
}

function conditionsOf(rewards: readonly RewardRecord[]): string[] {
  const names = new Set(rewards.flatMap(({ condition }) => (condition === null ? [] : [condition])));
  return [...names].sort((a, b) => order(a) - order(b));
}

function scoresOf(rewards: readonly RewardRecord[]): Scores {
  const byCondition = Map.groupBy(rewards, ({ condition }) => condition ?? '');
  return new Map(
    [...byCondition].map(([condition, own]) => {
      const byContext = Map.groupBy(own, ({ contextId }) => contextId);
      return [condition, new Map([...byContext].map(([id, rs]) => [id, mean(rs.map(({ reward }) => reward))]))];
    }),
  );
}

/** Pairs to compare, the question of the whole product first. */
function pairs(conditions: readonly string[]): [a: string, b: string][] {
  const rounds = conditions.filter((name) => /^round-\d+$/.test(name));
  const last = rounds.at(-1);
  const wanted: [string | undefined, string][] = [
    [last, 'self-edit'],
    [last, 'passage'],
    [last, 'passage-matched'],
    ...rounds.slice(0, -1).map((round): [string, string] => [round, 'self-edit']),
    ['self-edit', 'passage'],
    ['passage', 'base'],
    ['random-selection', 'self-edit'],
    [last && `${last}-greedy`, 'self-edit-greedy'],
    ...(last ? ([['oracle', last]] as [string, string][]) : []),
  ];
  return wanted.filter((pair): pair is [string, string] => pair.every((name) => name !== undefined && conditions.includes(name)));
}

function summarise(runs: readonly { readonly seed: number; readonly rewards: readonly RewardRecord[] }[]) {
  const [first] = runs;
  if (!first) throw new RangeError('Cannot sum up: there are no runs');
  const conditions = conditionsOf(first.rewards);
  const scores = runs.map(({ rewards }) => scoresOf(rewards));
  const clusters = (of: (scores: Scores) => number[]) => scores.map(of);
  const draw = (...names: string[]) => stream(first.seed, 'bootstrap', ...names);
  const values = (own: Scores, condition: string) => [...(own.get(condition)?.values() ?? [])];
  const rows = conditions.map((condition): ResultRow => {
    const { mean: accuracy, ci95 } = bootstrapMean(clusters((s) => values(s, condition)), draw(condition));
    const records = runs.flatMap(({ rewards }) => rewards.filter((r) => r.condition === condition));
    const once = records.filter(({ repeat }) => repeat === 0);
    return {
      condition,
      accuracy,
      ci95,
      contexts: once.length,
      questions: once.reduce((sum, { questions }) => sum + questions, 0),
      repeats: new Set(records.map(({ repeat }) => repeat)).size,
    };
  });
  const comparisons = pairs(conditions).map(([a, b]): Comparison => {
    const differences = (own: Scores) =>
      [...(own.get(a) ?? [])].flatMap(([id, value]) => {
        const other = own.get(b)?.get(id);
        return other === undefined ? [] : [value - other];
      });
    const { mean: difference, ci95 } = bootstrapMean(clusters(differences), draw(a, b));
    return { a, b, difference, ci95 };
  });
  return { rows, comparisons };
}

/** What one run found. `rewards` are those of its final evaluation, `notes` what a reader must know besides. */
export function resultDocument(
  header: RunHeader,
  dir: string,
  rewards: readonly RewardRecord[],
  timings: ResultDocument['timings'],
  notes: readonly string[] = [],
): ResultDocument {
  const { runId, preset, mode, seed } = header;
  return { runId, dir, preset, mode, seed, ...summarise([{ seed, rewards }]), ...(notes.length > 0 && { notes: [...notes] }), timings };
}

/** What several runs that differ in their seed found together: seeds are resampled, then contexts within them. */
export function pooledDocument(
  runs: readonly { readonly document: ResultDocument; readonly rewards: readonly RewardRecord[] }[],
): PooledDocument {
  const [first] = runs;
  if (!first) throw new RangeError('Cannot pool: there are no runs');
  const pooled = summarise(runs.map(({ document, rewards }) => ({ seed: document.seed, rewards })));
  return { preset: first.document.preset, runs: runs.map(({ document }) => document), pooled };
}
