/** The gradient that the op leaves in the place of its logits: the reference's, against central differences. */

import { expect, it } from 'vitest';
import { crossEntropy } from './reference.ts';

it('leaves the derivative of the summed loss', () => {
  const [T, V] = [5, 11];
  const logits = Float64Array.from({ length: T * V }, (_, i) => 6 * Math.sin(1 + 7 * i));
  const targets = Uint32Array.from({ length: T }, (_, t) => (3 * t) % V);
  const weight = Float64Array.from({ length: T }, (_, t) => (t === 2 ? 0 : 0.3 + 0.2 * t));
  const total = (values: Float64Array) => crossEntropy(T, V, values, targets, weight).loss.reduce((sum, loss) => sum + loss, 0);
  const { dLogits } = crossEntropy(T, V, logits, targets, weight);
  const scale = Math.max(...dLogits.map(Math.abs));
  const step = 1e-5;
  dLogits.forEach((derivative, i) => {
    const moved = (by: number) => logits.map((value, j) => (j === i ? value + by : value));
    const numeric = (total(moved(step)) - total(moved(-step))) / (2 * step);
    expect(Math.abs(numeric - derivative) / scale, `logit ${i}`).toBeLessThan(1e-6);
  });
});
