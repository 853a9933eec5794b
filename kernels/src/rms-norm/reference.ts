import type { Numbers } from '../op.ts';

/** y = x / sqrt(mean(x^2) + eps) * (offset + weight); x (T, C), weight (C) -> y (T, C), inverseRms (T). */
export function forward(T: number, C: number, eps: number, offset: number, x: Numbers, weight: Numbers) {
  const y = new Float64Array(T * C);
  const inverseRms = new Float64Array(T);
  for (let t = 0; t < T; t++) {
    let squares = 0;
    for (let c = 0; c < C; c++) squares += x[t * C + c] ** 2;
    inverseRms[t] = 1 / Math.sqrt(squares / C + eps);
    for (let c = 0; c < C; c++) y[t * C + c] = x[t * C + c] * inverseRms[t] * (offset + weight[c]);
  }
  return { y, inverseRms };
}

/** dx += r g - x r^3 mean(g x), with g = dy * (offset + weight) and r = inverseRms. */
export function backward(
  T: number,
  C: number,
  offset: number,
  x: Numbers,
  weight: Numbers,
  inverseRms: Numbers,
  dy: Numbers,
  before: Float64Array,
) {
  const dx = before.slice();
  for (let t = 0; t < T; t++) {
    let mean = 0;
    for (let c = 0; c < C; c++) mean += (dy[t * C + c] * (offset + weight[c]) * x[t * C + c]) / C;
    const r = inverseRms[t];
    for (let c = 0; c < C; c++) {
      dx[t * C + c] += r * dy[t * C + c] * (offset + weight[c]) - r ** 3 * mean * x[t * C + c];
    }
  }
  return dx;
}

/** dweight += sum over t of dy x inverseRms. */
export function backwardWeight(
  T: number,
  C: number,
  x: Numbers,
  inverseRms: Numbers,
  dy: Numbers,
  before: Float64Array,
) {
  const dweight = before.slice();
  for (let t = 0; t < T; t++) {
    for (let c = 0; c < C; c++) dweight[c] += dy[t * C + c] * x[t * C + c] * inverseRms[t];
  }
  return dweight;
}
