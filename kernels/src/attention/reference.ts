import type { Numbers } from '../op.ts';

/**
 * Sizes of packed attention: T tokens, H query heads, K key/value heads, D numbers a head, keys of a sliding window or 0.
 */
export interface AttentionSizes {
  readonly T: number;
  readonly H: number;
  readonly K: number;
  readonly D: number;
  readonly window: number;
  readonly scale: number;
}

function dot(a: Numbers, aStart: number, b: Numbers, bStart: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[aStart + i] * b[bStart + i];
  return sum;
}

/** The first key that query t sees: the first of its sequence, or of the last `window` keys up to itself. */
function firstKey(bounds: Numbers, t: number, window: number): number {
  return window === 0 ? bounds[2 * t] : Math.max(bounds[2 * t], t - window + 1);
}

/** y = softmax(scale q k^T) v over the keys that each query sees; logSumExp = log sum exp(scale q k^T). */
export function forward({ T, H, K, D, window, scale }: AttentionSizes, q: Numbers, k: Numbers, v: Numbers, bounds: Numbers) {
  const y = new Float64Array(T * H * D);
  const logSumExp = new Float64Array(T * H);
  for (let t = 0; t < T; t++) {
    for (let h = 0; h < H; h++) {
      const query = (t * H + h) * D;
      const head = Math.floor((h * K) / H);
      const first = firstKey(bounds, t, window);
      const keys = Array.from({ length: t + 1 - first }, (_, i) => ((first + i) * K + head) * D);
      const scores = keys.map((key) => scale * dot(q, query, k, key, D));
      const most = Math.max(...scores);
      logSumExp[t * H + h] = most + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - most), 0));
      keys.forEach((key, i) => {
        const p = Math.exp(scores[i] - logSumExp[t * H + h]);
        for (let d = 0; d < D; d++) y[query + d] += p * v[key + d];
      });
    }
  }
  return { y, logSumExp };
}

/** stats = (logSumExp, delta), delta = sum over d of y dy. */
export function delta(T: number, H: number, D: number, y: Numbers, dy: Numbers, logSumExp: Numbers): Float64Array {
  const stats = new Float64Array(T * H * 2);
  for (let row = 0; row < T * H; row++) {
    stats[2 * row] = logSumExp[row];
    stats[2 * row + 1] = dot(y, row * D, dy, row * D, D);
  }
  return stats;
}

/** With p = exp(scale q k^T - logSumExp) and ds = scale p (dy v^T - delta): dq = ds k, dk = ds^T q, dv = p^T dy. */
export function backward(
  { T, H, K, D, window, scale }: AttentionSizes,
  q: Numbers,
  k: Numbers,
  v: Numbers,
  dy: Numbers,
  stats: Numbers,
  bounds: Numbers,
) {
  const dq = new Float64Array(T * H * D);
  const dk = new Float64Array(T * K * D);
  const dv = new Float64Array(T * K * D);
  for (let t = 0; t < T; t++) {
    for (let h = 0; h < H; h++) {
      const query = (t * H + h) * D;
      const head = Math.floor((h * K) / H);
      for (let s = firstKey(bounds, t, window); s <= t; s++) {
        const key = (s * K + head) * D;
        const p = Math.exp(scale * dot(q, query, k, key, D) - stats[2 * (t * H + h)]);
        const ds = scale * p * (dot(dy, query, v, key, D) - stats[2 * (t * H + h) + 1]);
        for (let d = 0; d < D; d++) dq[query + d] += ds * k[key + d];
        for (let d = 0; d < D; d++) dk[key + d] += ds * q[query + d];
        for (let d = 0; d < D; d++) dv[key + d] += p * dy[query + d];
      }
    }
  }
  return { dq, dk, dv };
}
