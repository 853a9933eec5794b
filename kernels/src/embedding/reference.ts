import type { Numbers } from '../op.ts';

/** dweight[v] += sum of dy[order[k]] over k in starts[v] .. starts[v + 1]; dy (T, C) -> dweight (V, C). */
export function backward(
  V: number,
  C: number,
  order: Numbers,
  starts: Numbers,
  dy: Numbers,
  before: Float64Array,
) {
  const dweight = before.slice();
  for (let v = 0; v < V; v++) {
    for (let k = starts[v]; k < starts[v + 1]; k++) {
      for (let c = 0; c < C; c++) dweight[v * C + c] += dy[order[k] * C + c];
    }
  }
  return dweight;
}
