/** The order of examples: every epoch all of them, the same from wherever it is asked. */

import { expect, it } from 'vitest';
import { batchOrder, stepsPerEpoch } from './fine-tuning.ts';

it.each([[7, 2], [6, 3], [1, 4], [5, 5], [9, 1]])('goes through %i documents in batches of %i', (count, batchSize) => {
  const perEpoch = stepsPerEpoch(count, batchSize);
  const order = batchOrder(count, batchSize, 3);
  for (let epoch = 0; epoch < 3; epoch++) {
    const batches = Array.from({ length: perEpoch }, (_, i) => order(epoch * perEpoch + i));
    expect(batches.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(batches.slice(0, -1).every(({ length }) => length === batchSize)).toBe(true);
  }
});

it('is the same from any step on, another in another epoch and for another seed', () => {
  const whole = batchOrder(20, 3, 1);
  const steps = Array.from({ length: 21 }, (_, step) => whole(step));
  const later = batchOrder(20, 3, 1);
  for (const step of [20, 3, 13]) expect(later(step)).toEqual(steps[step]);
  expect(steps.slice(0, 7)).not.toEqual(steps.slice(7, 14));
  expect(batchOrder(20, 3, 2)(0)).not.toEqual(steps[0]);
});
