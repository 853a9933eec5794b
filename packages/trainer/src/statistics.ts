/** Statistics of rewards: means, paired differences and their intervals by bootstrap, and how noisy a reward is. */


import type { Random } from '@seal/files';
/** A mean and its 95 % percentile interval. */
export interface Interval {
  readonly mean: number;
  readonly ci95: [low: number, high: number];
}

/** Arithmetic mean; NaN of nothing. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Rewards are ratios of small counts: means closer than this differ by rounding alone. */
const ROUNDING = 1e-9;

/** Whether two mean rewards are the same number but for rounding. */
export function tie(a: number, b: number): boolean {
  return Math.abs(a - b) < ROUNDING;
}

/** Sample variance (n - 1); 0 for fewer than two values. */
export function variance(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
}

/**
 * Mean of units that are resampled (contexts), with the percentile bootstrap interval (Efron 1979). `clusters` holds one
 * list of units per seed: seeds are resampled first, then units within each. Throws RangeError without units.
 */
export function bootstrapMean(clusters: readonly (readonly number[])[], random: Random, resamples = 10_000): Interval {
  if (clusters.length === 0 || clusters.some((units) => units.length === 0)) {
    throw new RangeError('Cannot bootstrap: there are no values');
  }
  const means: number[] = [];
  for (let i = 0; i < resamples; i++) {
    let sum = 0;
    let count = 0;
    for (let c = 0; c < clusters.length; c++) {
      const units = (clusters.length === 1 ? clusters[0] : random.pick(clusters)) ?? [];
      for (let u = 0; u < units.length; u++) sum += random.pick(units);
      count += units.length;
    }
    means.push(sum / count);
  }
  means.sort((a, b) => a - b);
  return { mean: mean(clusters.flat()), ci95: [quantile(means, 0.025), quantile(means, 0.975)] };
}

/** Linear interpolation between order statistics (type 7 of Hyndman & Fan 1996). `sorted` ascends. */
export function quantile(sorted: readonly number[], probability: number): number {
  const position = (sorted.length - 1) * probability;
  const below = sorted[Math.floor(position)] ?? NaN;
  const above = sorted[Math.ceil(position)] ?? NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/** What rewards of several self-edits per context, each measured one or more times, say about selection. */
export interface RewardSpread {
  /** Standard deviation of an edit's reward over its repeats; null with one repeat. */
  readonly withinEdit: number | null;
  /** Standard deviation over the edits of a context, averaged as variance over contexts. */
  readonly betweenEdits: number;
  /** Share of contexts whose best reward is reached by more than one edit. */
  readonly tieRate: number;
  /** 1 - within variance of the mean / between variance, in [0, 1]; null with one repeat. */
  readonly reliability: number | null;
}

/** `rewards[context][edit][repeat]`; contexts with fewer than two edits are left out. */
export function rewardSpread(rewards: readonly (readonly (readonly number[])[])[]): RewardSpread {
  const contexts = rewards.filter((edits) => edits.length > 1);
  const repeated = contexts.flat().filter((repeats) => repeats.length > 1);
  const within = repeated.length > 0 ? mean(repeated.map(variance)) : null;
  const between = contexts.length > 0 ? mean(contexts.map((edits) => variance(edits.map(mean)))) : 0;
  const ties = contexts.filter((edits) => {
    const means = edits.map(mean);
    const best = Math.max(...means);
    return means.filter((value) => tie(value, best)).length > 1;
  });
  const repeats = repeated.length > 0 ? mean(repeated.map(({ length }) => length)) : 1;
  return {
    withinEdit: within === null ? null : Math.sqrt(within),
    betweenEdits: Math.sqrt(between),
    tieRate: contexts.length > 0 ? ties.length / contexts.length : 0,
    reliability: within === null || between === 0 ? null : Math.min(1, Math.max(0, 1 - within / repeats / between)),
  };
}
