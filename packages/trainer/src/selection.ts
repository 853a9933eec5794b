/** Which self-edit of a context is worth imitating. */

import type { Random } from '@seal/files';
import { mean, tie, variance } from './statistics.ts';

/** A self-edit and its reward in every repeat. */
export interface Candidate {
  readonly selfEditId: string;
  readonly rewards: readonly number[];
  /** False where the edit could not be parsed or its adapter broke: it is measured but never kept. */
  readonly eligible: boolean;
}

/** How to choose. */
export interface SelectionRule {
  readonly threshold: 'none' | 'beats-baselines';
  readonly ties: 'first' | 'random';
  /** The best, which is so unless said, or every one that is worth keeping. */
  readonly keep?: 'best' | 'all';
}

/** The kept candidates, the best first, and why. */
export interface Choice {
  readonly kept: readonly Candidate[];
  readonly reason: string;
}

/** What rewards of a context must exceed by more than noise. */
function beats({ rewards }: Candidate, bar: number): boolean {
  const reward = mean(rewards);
  const error = Math.sqrt(variance(rewards) / rewards.length);
  return reward - error > bar && !tie(reward - error, bar);
}

/** What a rule keeps of the candidates of a context. */
export function select(candidates: readonly Candidate[], rule: SelectionRule, baselines: readonly number[], random: Random): Choice {
  return rule.keep === 'all' ? selectAll(candidates, rule, baselines) : selectBest(candidates, rule, baselines, random);
}

/**
 * Every candidate with a reward above 0 or, with `beats-baselines`, above every baseline's by more than one standard error of
 * its mean; the best first. Where an answer is right or not, these are all that led to a right one.
 */
export function selectAll(candidates: readonly Candidate[], rule: SelectionRule, baselines: readonly number[]): Choice {
  const eligible = candidates.filter((candidate) => candidate.eligible);
  if (eligible.length === 0) return { kept: [], reason: 'no self-edit could be trained on' };
  const bar = rule.threshold === 'none' ? 0 : Math.max(0, ...baselines);
  const kept = eligible.filter((one) => (rule.threshold === 'none' ? mean(one.rewards) > 0 : beats(one, bar)));
  const what = rule.threshold === 'none' ? 'a reward above 0' : `a reward that beats the baselines' ${bar.toFixed(3)}`;
  return {
    kept: kept.toSorted((a, b) => mean(b.rewards) - mean(a.rewards)),
    reason: kept.length > 0 ? `${kept.length} of ${eligible.length} with ${what}` : `none of ${eligible.length} has ${what}`,
  };
}

/**
 * The candidate with the highest mean reward. With `beats-baselines` it must exceed every baseline's reward by more than
 * one standard error of its mean (which one repeat cannot give: then it must exceed them). `ties: 'first'` is what the
 * reference does; otherwise `random` decides.
 */
export function selectBest(
  candidates: readonly Candidate[],
  rule: SelectionRule,
  baselines: readonly number[],
  random: Random,
): Choice {
  const eligible = candidates.filter((candidate) => candidate.eligible);
  if (eligible.length === 0) return { kept: [], reason: 'no self-edit could be trained on' };
  const best = Math.max(...eligible.map(({ rewards }) => mean(rewards)));
  const tied = eligible.filter(({ rewards }) => tie(mean(rewards), best));
  const kept = (rule.ties === 'first' ? tied[0] : random.pick(tied)) ?? null;
  const among = tied.length > 1 ? `, one of ${tied.length} that tie` : '';
  if (kept === null || rule.threshold === 'none') {
    return { kept: kept === null ? [] : [kept], reason: `best of ${eligible.length} at ${best.toFixed(3)}${among}` };
  }
  const bar = Math.max(...baselines);
  return beats(kept, bar)
    ? { kept: [kept], reason: `best of ${eligible.length} at ${best.toFixed(3)}, beats the baselines' ${bar.toFixed(3)}${among}` }
    : { kept: [], reason: `best of ${eligible.length} at ${best.toFixed(3)} does not beat the baselines' ${bar.toFixed(3)}` };
}

/** Candidates drawn without looking at their rewards, `count` of them or all: the control for selection. */
export function selectRandom(candidates: readonly Candidate[], random: Random, count = 1): Choice {
  const eligible = candidates.filter((candidate) => candidate.eligible);
  if (eligible.length === 0) return { kept: [], reason: 'no self-edit could be trained on' };
  const kept = count === 1 ? [random.pick(eligible)] : random.shuffle(eligible).slice(0, count);
  return { kept, reason: `drawn from ${eligible.length} without looking at rewards` };
}

/**
 * Groups of at most `size` in which no two conflict, as even as can be had quickly: items with the most conflicts first,
 * each into the smallest group that will have it, a further group only when none will (Welsh & Powell 1967, with room
 * for `size`). Groups and their items keep the order of `items`.
 */
export function groupWithoutConflicts<T>(items: readonly T[], size: number, conflicts: (a: T, b: T) => boolean): T[][] {
  const clashes = items.map((item) => items.filter((other) => other !== item && conflicts(item, other)));
  const order = [...items.keys()].sort((a, b) => (clashes[b]?.length ?? 0) - (clashes[a]?.length ?? 0) || a - b);
  const groups: number[][] = Array.from({ length: Math.ceil(items.length / size) }, () => []);
  for (const index of order) {
    const clash = new Set(clashes[index]);
    const open = groups.filter((group) => group.length < size && !group.some((other) => clash.has(items[other] as T)));
    const smallest = open.toSorted((a, b) => a.length - b.length)[0];
    if (smallest) smallest.push(index);
    else groups.push([index]);
  }
  const ordered = groups.map((group) => group.toSorted((a, b) => a - b)).sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
  return ordered.map((group) => group.map((index) => items[index] as T));
}
