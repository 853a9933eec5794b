import type { Numbers } from '../op.ts';

/** Where one low-rank matrix of every adapter lies in the arena (E, stride): at `offset`, row-major. */
export interface Place {
  readonly stride: number;
  readonly offset: number;
}

/** h[t, r] = scaling[e] * sum_k x[t, k] * A_e[r, k], for the tokens of every tile (adapter, start, end). */
export function project(
  { K, R, stride, offset, tiles: count }: Place & Record<'K' | 'R' | 'tiles', number>,
  x: Numbers,
  arena: Numbers,
  tiles: Numbers,
  scaling: Numbers,
  h: Float64Array,
): Float64Array {
  for (let tile = 0; tile < count; tile++) {
    const adapter = tiles[tile * 3];
    for (let t = tiles[tile * 3 + 1]; t < tiles[tile * 3 + 2]; t++) {
      for (let r = 0; r < R; r++) {
        let sum = 0;
        for (let k = 0; k < K; k++) sum += x[t * K + k] * arena[adapter * stride + offset + r * K + k];
        h[t * R + r] = scaling[adapter] * sum;
      }
    }
  }
  return h;
}

/** y[t, n] (+)= sum_k x[t, k] w[n, k] + sum_r h[t, r] B_e[r, n] + bias[n], e = blocks[t / 8]. */
export function forward(
  { T, K, N, R, stride, offset, accumulate, hasBias }: Fused,
  x: Numbers,
  w: Numbers,
  h: Numbers,
  arena: Numbers,
  blocks: Numbers,
  bias: Numbers,
  before: Float64Array,
): Float64Array {
  const y = accumulate ? before.slice() : new Float64Array(T * N);
  for (let t = 0; t < T; t++) {
    const lowRank = blocks[t >> 3] * stride + offset;
    for (let n = 0; n < N; n++) {
      if (hasBias) y[t * N + n] += bias[n];
      for (let k = 0; k < K; k++) y[t * N + n] += x[t * K + k] * w[n * K + k];
      for (let r = 0; r < R; r++) y[t * N + n] += h[t * R + r] * arena[lowRank + r * N + n];
    }
  }
  return y;
}

/** dx[t, k] (+)= sum_n dy[t, n] w[n, k] + sum_r g[t, r] A_e[r, k] + bias[k], e = blocks[t / 8]. */
export function backward(
  { T, K, N, R, stride, offset, accumulate, hasBias }: Fused,
  dy: Numbers,
  w: Numbers,
  g: Numbers,
  arena: Numbers,
  blocks: Numbers,
  bias: Numbers,
  before: Float64Array,
): Float64Array {
  const dx = accumulate ? before.slice() : new Float64Array(T * K);
  for (let t = 0; t < T; t++) {
    const lowRank = blocks[t >> 3] * stride + offset;
    for (let k = 0; k < K; k++) {
      if (hasBias) dx[t * K + k] += bias[k];
      for (let n = 0; n < N; n++) dx[t * K + k] += dy[t * N + n] * w[n * K + k];
      for (let r = 0; r < R; r++) dx[t * K + k] += g[t * R + r] * arena[lowRank + r * K + k];
    }
  }
  return dx;
}

/** dL_e[r, n] (+)= sum over the tokens t of segment e of h[t, r] d[t, n], at its place; the rest of the arena stays. */
export function gradient(
  { R, N, E, stride, offset, accumulate }: Place & Record<'R' | 'N' | 'E' | 'accumulate', number>,
  h: Numbers,
  d: Numbers,
  segments: Numbers,
  before: Float64Array,
): Float64Array {
  const arena = before.slice();
  for (let e = 0; e < E; e++) {
    for (let r = 0; r < R; r++) {
      for (let n = 0; n < N; n++) {
        const at = e * stride + offset + r * N + n;
        let sum = accumulate ? before[at] : 0;
        for (let t = segments[e * 2]; t < segments[e * 2 + 1]; t++) sum += h[t * R + r] * d[t * N + n];
        arena[at] = sum;
      }
    }
  }
  return arena;
}

type Fused = Place & Record<'T' | 'K' | 'N' | 'R' | 'accumulate' | 'hasBias', number>;
