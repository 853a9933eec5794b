import type { Numbers } from '../op.ts';

/**
 * Turns each pair (x[i], x[i + D/2]) of every head by the angle of its position, or back by it where `sign` is -1.
 * x (T, H, D), positions (T), cosSin (P, D) -> y (T, H, D).
 */
export function rotate(
  T: number,
  H: number,
  D: number,
  sign: 1 | -1,
  x: Numbers,
  positions: Numbers,
  cosSin: Numbers,
) {
  const y = new Float64Array(T * H * D);
  const half = D / 2;
  for (let t = 0; t < T; t++) {
    for (let h = 0; h < H; h++) {
      for (let i = 0; i < half; i++) {
        const at = (t * H + h) * D + i;
        const cos = cosSin[positions[t] * D + i];
        const sin = sign * cosSin[positions[t] * D + half + i];
        y[at] = x[at] * cos - x[at + half] * sin;
        y[at + half] = x[at + half] * cos + x[at] * sin;
      }
    }
  }
  return y;
}
