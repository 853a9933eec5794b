import type { Numbers } from '../op.ts';

/** y[n] = x[index[n]]; x (any, C), index (N) -> y (N, C). */
export function gather(N: number, C: number, x: Numbers, index: Numbers) {
  const y = new Float64Array(N * C);
  for (let n = 0; n < N; n++) for (let c = 0; c < C; c++) y[n * C + c] = x[index[n] * C + c];
  return y;
}
