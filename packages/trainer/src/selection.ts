/** Which self-edit of a context is worth imitating. */

import type { Random } from '@seal/domains';
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

/** Groups of at most `size` in which no two conflict: each item joins the first group that will have it. */
export function groupWithoutConflicts<T>(items: readonly T[], size: number, conflicts: (a: T, b: T) => boolean): T[][] {
  const groups: T[][] = [];
  for (const item of items) {
    const open = groups.find((group) => group.length < size && !group.some((other) => conflicts(item, other)));
    if (open) open.push(item);
    else groups.push([item]);
  }
  return groups;
}
