import type { Numbers } from '../op.ts';

/**
 * y = softmax(scale q keyCache^T) valueCache, one query a row over the first `length` rows of its slot, or the last
 * `window` of those where it is not 0.
 */
export function forward(
  { B, H, K, D, S, window, scale }: Readonly<Record<'B' | 'H' | 'K' | 'D' | 'S' | 'window' | 'scale', number>>,
  q: Numbers,
  keyCache: Numbers,
  valueCache: Numbers,
  slot: Numbers,
  length: Numbers,
): Float64Array {
  const y = new Float64Array(B * H * D);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      const query = (b * H + h) * D;
      const head = Math.floor((h * K) / H);
      const start = window === 0 ? 0 : Math.max(0, length[b] - window);
      const keys = Array.from({ length: length[b] - start }, (_, i) => ((slot[b] * S + start + i) * K + head) * D);
      const scores = keys.map((key) => {
        let score = 0;
        for (let d = 0; d < D; d++) score += scale * q[query + d] * keyCache[key + d];
        return score;
      });
      const most = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - most));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      keys.forEach((key, i) => {
        for (let d = 0; d < D; d++) y[query + d] += (weights[i] / total) * valueCache[key + d];
      });
    }
  }
  return y;
}
