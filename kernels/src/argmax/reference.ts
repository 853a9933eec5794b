import type { Numbers } from '../op.ts';

/** index[t] = the lowest v where x[t, v] is largest; x (T, V) -> index (T). */
export function argmax(T: number, V: number, x: Numbers) {
  const index = new Float64Array(T);
  for (let t = 0; t < T; t++) for (let v = 1; v < V; v++) if (x[t * V + v] > x[t * V + index[t]]) index[t] = v;
  return index;
}
