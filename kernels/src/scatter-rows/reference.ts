import type { Numbers } from '../op.ts';

/** dx[index[n]] += dy[n]; dy (N, C), index (N) -> dx. */
export function scatter(N: number, C: number, dy: Numbers, index: Numbers, before: Float64Array) {
  const dx = before.slice();
  for (let n = 0; n < N; n++) for (let c = 0; c < C; c++) dx[index[n] * C + c] += dy[n * C + c];
  return dx;
}
