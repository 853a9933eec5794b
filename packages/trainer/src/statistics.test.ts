import { expect, it } from 'vitest';
import { stream } from '@seal/files';
import { bootstrapMean, mean, quantile, rewardSpread, variance } from './statistics.ts';

const draw = () => stream(1, 'test');

it('takes quantiles as type 7 of Hyndman & Fan, the default of R and NumPy', () => {
  const ten = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  expect([0, 0.25, 0.5, 0.75, 1].map((p) => quantile(ten, p))).toEqual([1, 3.25, 5.5, 7.75, 10]);
  expect(quantile([1, 2, 3, 4], 0.1)).toBeCloseTo(1.3, 12);
  // The example of numpy.percentile.
  expect(quantile([1, 2, 3, 4, 7, 10], 0.5)).toBe(3.5);
  expect(quantile([7], 0.025)).toBe(7);
});

it('takes the variance over n - 1', () => {
  expect(variance([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(32 / 7, 12);
  expect(variance([3])).toBe(0);
  expect(mean([1, 2, 6])).toBe(3);
});

it('bootstraps the mean of many values to the interval of the central limit theorem', () => {
  const random = stream(3, 'values');
  const values = Array.from({ length: 500 }, () => 10 + 2 * random.normal());
  const { mean: centre, ci95 } = bootstrapMean([values], draw());
  const half = 1.96 * Math.sqrt(variance(values) / values.length);
  expect(centre).toBeCloseTo(mean(values), 12);
  expect(ci95[0]).toBeCloseTo(centre - half, 1);
  expect(ci95[1]).toBeCloseTo(centre + half, 1);
  expect((ci95[1] - ci95[0]) / (2 * half)).toBeCloseTo(1, 1);
});

it('bootstraps a share to the quantiles of its binomial distribution', () => {
  const values = Array.from({ length: 50 }, (_, i) => Number(i < 20));
  // qbinom(c(0.025, 0.975), 50, 0.4) is 13 and 27; the steps are 0.02 wide.
  const { ci95 } = bootstrapMean([values], draw());
  expect(Math.abs(ci95[0] - 0.26)).toBeLessThanOrEqual(0.0201);
  expect(Math.abs(ci95[1] - 0.54)).toBeLessThanOrEqual(0.0201);
});

it('resamples seeds as well as what is in them', () => {
  // Nothing varies within a seed, so one seed alone would give an interval of no width.
  expect(bootstrapMean([[0, 0, 0]], draw()).ci95).toEqual([0, 0]);
  const { mean: centre, ci95 } = bootstrapMean([[0, 0, 0], [1, 1, 1]], draw());
  expect(centre).toBe(0.5);
  expect(ci95).toEqual([0, 1]);
});

it('gives the same interval for the same draws and refuses to bootstrap nothing', () => {
  const values = [0.1, 0.7, 0.4, 0.9];
  expect(bootstrapMean([values], draw())).toEqual(bootstrapMean([values], draw()));
  expect(() => bootstrapMean([], draw())).toThrow(RangeError);
  expect(() => bootstrapMean([[1], []], draw())).toThrow('there are no values');
});

it('measures the spread of rewards as worked out by hand', () => {
  // Context 1: means 0.5 and 1, variance 0.125; context 2: a tie; the third has one edit and is left out.
  const spread = rewardSpread([[[0, 1], [1, 1]], [[0.5, 0.5], [0.5, 0.5]], [[1, 1]]]);
  expect(spread.withinEdit).toBeCloseTo(Math.sqrt(0.5 / 4), 12);
  expect(spread.betweenEdits).toBeCloseTo(Math.sqrt(0.125 / 2), 12);
  expect(spread.tieRate).toBe(0.5);
  // Half of the within variance is noise in a mean of two: 0.0625 of 0.0625.
  expect(spread.reliability).toBeCloseTo(0, 12);
});

it('has no within-edit spread and no reliability from one repeat', () => {
  expect(rewardSpread([[[0], [1]]])).toEqual({ withinEdit: null, betweenEdits: Math.sqrt(0.5), tieRate: 0, reliability: null });
  expect(rewardSpread([])).toEqual({ withinEdit: null, betweenEdits: 0, tieRate: 0, reliability: null });
});

it('counts means that differ by rounding alone as ties', () => {
  expect(0.1 + 0.2).not.toBe(0.15 + 0.15);
  expect(rewardSpread([[[0.1, 0.2], [0.15, 0.15]]]).tieRate).toBe(1);
});
