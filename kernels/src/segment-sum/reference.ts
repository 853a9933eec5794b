import type { Numbers } from '../op.ts';

/** sums[e] = sum of x[t] over segments[e] = [start, end); x (T), segments (E, 2) -> sums (E). */
export function segmentSum(E: number, x: Numbers, segments: Numbers) {
  const sums = new Float64Array(E);
  for (let e = 0; e < E; e++) for (let t = segments[2 * e]; t < segments[2 * e + 1]; t++) sums[e] += x[t];
  return sums;
}
