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
}

/** The kept candidate, or null, and why. */
export interface Choice {
  readonly kept: Candidate | null;
  readonly reason: string;
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
  if (eligible.length === 0) return { kept: null, reason: 'no self-edit could be trained on' };
  const best = Math.max(...eligible.map(({ rewards }) => mean(rewards)));
  const tied = eligible.filter(({ rewards }) => tie(mean(rewards), best));
  const kept = (rule.ties === 'first' ? tied[0] : random.pick(tied)) ?? null;
  const among = tied.length > 1 ? `, one of ${tied.length} that tie` : '';
  if (kept === null || rule.threshold === 'none') {
    return { kept, reason: `best of ${eligible.length} at ${best.toFixed(3)}${among}` };
  }
  const error = Math.sqrt(variance(kept.rewards) / kept.rewards.length);
  const bar = Math.max(...baselines);
  return best - error > bar && !tie(best - error, bar)
    ? { kept, reason: `best of ${eligible.length} at ${best.toFixed(3)}, beats the baselines' ${bar.toFixed(3)}${among}` }
    : { kept: null, reason: `best of ${eligible.length} at ${best.toFixed(3)} does not beat the baselines' ${bar.toFixed(3)}` };
}

/** A candidate drawn without looking at its reward: the control for selection. */
export function selectRandom(candidates: readonly Candidate[], random: Random): Choice {
  const eligible = candidates.filter((candidate) => candidate.eligible);
  if (eligible.length === 0) return { kept: null, reason: 'no self-edit could be trained on' };
  return { kept: random.pick(eligible), reason: `drawn from ${eligible.length} without looking at rewards` };
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
