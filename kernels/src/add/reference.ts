import type { Numbers } from '../op.ts';

/** y = a + b. */
export function add(n: number, a: Numbers, b: Numbers) {
  const y = new Float64Array(n);
  for (let i = 0; i < n; i++) y[i] = a[i] + b[i];
  return y;
}
