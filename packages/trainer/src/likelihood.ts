/**
 * Reward by likelihood: what training gained on the mean log-probability a token of the gold answers, and how far that
 * can be trusted. It needs no decoding, and where few answers come out right it still tells one self-edit from another.
 */

import type { LikelihoodMeasure, RewardRecord } from '@seal/runs';
import { mean, rewardSpread } from './statistics.ts';

/** How much more likely, in nats a token, an adapter finds the gold answers; null where one of both was not scored. */
export function gainOf(reward: RewardRecord, base: number | null): number | null {
  return reward.likelihood === undefined || base === null ? null : reward.likelihood - base;
}

/** Ranks from 1, equal values sharing the mean of theirs. */
function ranks(values: readonly number[]): number[] {
  const order = [...values.keys()].sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const result: number[] = [];
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && values[order[to] ?? 0] === values[order[from] ?? 0]) to++;
    for (const place of order.slice(from, to)) result[place] = (from + to + 1) / 2;
    from = to;
  }
  return result;
}

/** Spearman's rank correlation: Pearson's of the ranks, ties in the middle. Null where either side does not vary. */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number | null {
  const [x, y] = [ranks(a), ranks(b)];
  const [mx, my] = [mean(x), mean(y)];
  const sum = (of: (i: number) => number) => x.reduce((all, _, i) => all + of(i), 0);
  const dx = (i: number) => (x[i] ?? 0) - mx;
  const dy = (i: number) => (y[i] ?? 0) - my;
  const norm = Math.sqrt(sum((i) => dx(i) ** 2) * sum((i) => dy(i) ** 2));
  return norm > 0 ? sum((i) => dx(i) * dy(i)) / norm : null;
}

/**
 * What a run's rewards say of the likelihood as a reward, null where none was scored. Reliability is that of the rounds'
 * mean over repeats, which differ in the seed of the inner loop alone; agreement is the rank correlation with the share of
 * written answers that are right, among the adapters of one context, averaged over the contexts where both vary.
 */
export function likelihoodMeasure(rewards: readonly RewardRecord[]): LikelihoodMeasure | null {
  const scored = rewards.filter(({ likelihood, steps }) => likelihood !== undefined && steps > 0);
  if (scored.length === 0) return null;
  const written = scored.filter(({ questions }) => questions > 0);
  const byContext = [...Map.groupBy(written, ({ phase, round, contextId }) => JSON.stringify([phase, phase === 'evaluate' ? 0 : round, contextId])).values()];
  const correlations = byContext.flatMap((own) => rankCorrelation(own.map(({ likelihood = 0 }) => likelihood), own.map(({ reward }) => reward)) ?? []);
  const rounds = scored.filter(({ phase, condition }) => phase === 'rl' && condition === null);
  const reliability = (records: readonly RewardRecord[], of: (reward: RewardRecord) => number) => {
    const contexts = [...Map.groupBy(records, ({ round, contextId }) => JSON.stringify([round, contextId])).values()];
    return rewardSpread(contexts.map((own) => [...Map.groupBy(own, ({ selfEditId }) => selfEditId).values()].map((repeats) => repeats.map(of)))).reliability;
  };
  return {
    reliability: reliability(rounds, ({ likelihood = 0 }) => likelihood),
    accuracyReliability: reliability(rounds.filter(({ questions }) => questions > 0), ({ reward }) => reward),
    repeats: new Set(rounds.map(({ repeat }) => repeat)).size,
    agreement: correlations.length > 0 ? mean(correlations) : null,
    agreementContexts: correlations.length,
  };
}
