import type { Numbers } from '../op.ts';

/** y = factor x. */
export function scale(n: number, factor: number, x: Numbers) {
  const y = new Float64Array(n);
  for (let i = 0; i < n; i++) y[i] = factor * x[i];
  return y;
}
