/** From the rewards of the final evaluation to rows and paired differences with intervals over contexts. */

import { stream } from '@seal/files';
import {
  compareConditions,
  conditionName,
  pairsOf,
  parseCondition,
  PASSAGE_TERMS,
  type Comparison,
  type Condition,
  type LikelihoodMeasure,
  type PooledDocument,
  type ResultDocument,
  type ResultRow,
  type RewardRecord,
  type RunHeader,
  type Terms,
} from '@seal/runs';
import { bootstrapMean, mean } from './statistics.ts';

/** Mean reward over repeats of every context, by condition. */
type Scores = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** What was measured, in the order of rows. */
function conditionsOf(rewards: readonly RewardRecord[], terms: Terms): Condition[] {
  const names = new Set(rewards.map(({ condition }) => condition));
  const conditions = [...names].flatMap((name) => {
    if (name === null) return [];
    const condition = parseCondition(name, terms);
    if (!condition) throw new RangeError(`Cannot sum up: ${JSON.stringify(name)} is no row of the table`);
    return [condition];
  });
  return conditions.sort(compareConditions);
}

function scoresOf(rewards: readonly RewardRecord[], of: (reward: RewardRecord) => number): Scores {
  const byCondition = Map.groupBy(rewards, ({ condition }) => condition ?? '');
  return new Map(
    [...byCondition].map(([condition, own]) => {
      const byContext = Map.groupBy(own, ({ contextId }) => contextId);
      return [condition, new Map([...byContext].map(([id, rs]) => [id, mean(rs.map(of))]))];
    }),
  );
}

function summarise(runs: readonly { readonly seed: number; readonly rewards: readonly RewardRecord[] }[], terms: Terms = PASSAGE_TERMS) {
  const [first] = runs;
  if (!first) throw new RangeError('Cannot sum up: there are no runs');
  const conditions = conditionsOf(first.rewards, terms);
  const scores = runs.map(({ rewards }) => scoresOf(rewards, ({ reward }) => reward));
  const likelihoods = runs.map(({ rewards }) => scoresOf(rewards.filter(({ likelihood }) => likelihood !== undefined), ({ likelihood = NaN }) => likelihood));
  const clusters = (of: (scores: Scores) => number[]) => scores.map(of);
  const draw = (...names: string[]) => stream(first.seed, 'bootstrap', ...names);
  const values = (own: Scores, condition: string) => [...(own.get(condition)?.values() ?? [])];
  const rows = conditions.map((row): ResultRow => {
    const condition = conditionName(row, terms);
    const { mean: accuracy, ci95 } = bootstrapMean(clusters((s) => values(s, condition)), draw(condition));
    const records = runs.flatMap(({ rewards }) => rewards.filter((r) => r.condition === condition));
    const scored = likelihoods.map((own) => values(own, condition));
    const once = records.filter(({ repeat }) => repeat === 0);
    return {
      condition,
      accuracy,
      ci95,
      contexts: once.length,
      questions: once.reduce((sum, { questions }) => sum + questions, 0),
      repeats: new Set(records.map(({ repeat }) => repeat)).size,
      ...(scored.every(({ length }) => length > 0) && { likelihood: bootstrapMean(scored, draw('likelihood', condition)) }),
    };
  });
  const comparisons = pairsOf(conditions).map((pair): Comparison => {
    const [a, b] = [conditionName(pair[0], terms), conditionName(pair[1], terms)];
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

/** What one run found. `rewards` are those of its final evaluation, `notes` what a reader must know besides, `likelihood` what all rewards say of it. */
export function resultDocument(
  header: RunHeader,
  dir: string,
  rewards: readonly RewardRecord[],
  timings: ResultDocument['timings'],
  notes: readonly string[] = [],
  likelihood: LikelihoodMeasure | null = null,
): ResultDocument {
  const { runId, preset, mode, seed, terms } = header;
  const summary = summarise([{ seed, rewards }], terms);
  return { runId, dir, preset, mode, seed, ...summary, ...(terms && { terms }), ...(likelihood && { likelihood }), ...(notes.length > 0 && { notes: [...notes] }), timings };
}

/** What several runs that differ in their seed found together: seeds are resampled, then contexts within them. */
export function pooledDocument(
  runs: readonly { readonly document: ResultDocument; readonly rewards: readonly RewardRecord[] }[],
): PooledDocument {
  const [first] = runs;
  if (!first) throw new RangeError('Cannot pool: there are no runs');
  const pooled = summarise(runs.map(({ document, rewards }) => ({ seed: document.seed, rewards })), first.document.terms);
  return { preset: first.document.preset, runs: runs.map(({ document }) => document), pooled };
}
