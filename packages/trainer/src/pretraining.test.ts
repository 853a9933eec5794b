import { expect, it } from 'vitest';
import { learningRateAt } from './pretraining.ts';

const settings = {
  steps: 100,
  tokensPerStep: 8,
  learningRate: 2,
  warmUpSteps: 10,
  constantShare: 0.6,
  finalShare: 0.02,
  weightDecay: 0,
};

it('warms up linearly, stays, and falls along half a cosine', () => {
  expect(learningRateAt(0, settings)).toBeCloseTo(0.2, 12);
  expect(learningRateAt(4, settings)).toBeCloseTo(1, 12);
  expect(learningRateAt(9, settings)).toBe(2);
  expect([10, 35, 59, 60].map((step) => learningRateAt(step, settings))).toEqual([2, 2, 2, 2]);
  // Half way down: the mean of the first and the last rate.
  expect(learningRateAt(80, settings)).toBeCloseTo((2 + 0.04) / 2, 12);
  expect(learningRateAt(100, settings)).toBeCloseTo(0.04, 12);
});

it('never rises after the warm-up and never reaches zero', () => {
  const rates = Array.from({ length: settings.steps }, (_, step) => learningRateAt(step, settings));
  for (let step = settings.warmUpSteps; step < rates.length; step++) {
    expect(rates[step] ?? NaN).toBeLessThanOrEqual(rates[step - 1] ?? NaN);
  }
  expect(Math.min(...rates)).toBeGreaterThan(0);
});
