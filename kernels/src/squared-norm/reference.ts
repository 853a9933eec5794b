import type { Numbers } from '../op.ts';

/** partial[e, b] = sum of x[e, i]^2 over chunk b of `chunk` elements; x (E, P) -> partial (E, B). */
export function partialSquares(E: number, P: number, B: number, chunk: number, x: Numbers) {
  const partial = new Float64Array(E * B);
  for (let e = 0; e < E; e++) for (let i = 0; i < P; i++) partial[e * B + Math.floor(i / chunk)] += x[e * P + i] ** 2;
  return partial;
}

/** squaredNorm[e] = sum of partial[e, b] over b. */
export function total(E: number, B: number, partial: Numbers) {
  const squaredNorm = new Float64Array(E);
  for (let e = 0; e < E; e++) for (let b = 0; b < B; b++) squaredNorm[e] += partial[e * B + b];
  return squaredNorm;
}
