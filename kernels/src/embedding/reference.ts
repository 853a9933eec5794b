import type { Numbers } from '../op.ts';

/** y[t] = weight[tokens[t] - first] where the table of V rows has that row; weight (V, C) -> y (T, C). */
export function forward(V: number, C: number, first: number, tokens: Numbers, weight: Numbers, before: Float64Array) {
  const y = before.slice();
  tokens.forEach((token, t) => {
    const row = token - first;
    if (row < 0 || row >= V) return;
    for (let c = 0; c < C; c++) y[t * C + c] = weight[row * C + c];
  });
  return y;
}

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
