import type { Numbers } from '../op.ts';

/** sums[n] (+)= sum over t of x[t, n]; x (T, N) -> sums (N). */
export function columnSum(T: number, N: number, accumulate: number, x: Numbers, before: Float64Array): Float64Array {
  const sums = accumulate ? before.slice() : new Float64Array(N);
  for (let t = 0; t < T; t++) for (let n = 0; n < N; n++) sums[n] += x[t * N + n];
  return sums;
}
