import type { Numbers } from '../op.ts';

/** cache[destination[n]] = rows[source[n]] for every n whose rows both exist. */
export function write(
  { T, N, W, R }: Readonly<Record<'T' | 'N' | 'W' | 'R', number>>,
  rows: Numbers,
  source: Numbers,
  destination: Numbers,
  before: Float64Array,
): Float64Array {
  const cache = before.slice();
  for (let n = 0; n < N; n++) {
    if (source[n] >= T || destination[n] >= R) continue;
    for (let w = 0; w < W; w++) cache[destination[n] * W + w] = rows[source[n] * W + w];
  }
  return cache;
}
