import type { Numbers } from '../op.ts';

export type Layout = 'nn' | 'nt' | 'tn';

/** C = accumulate * C + A' B' + bias with A' (M, K) and B' (K, N), stored transposed where the layout says t. */
export function multiply(
  layout: Layout,
  { M, N, K, accumulate, hasBias }: Record<'M' | 'N' | 'K' | 'accumulate' | 'hasBias', number>,
  a: Numbers,
  b: Numbers,
  bias: Numbers,
  before: Float64Array,
): Float64Array {
  const c = new Float64Array(M * N);
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      let sum = accumulate ? before[m * N + n] : 0;
      if (hasBias) sum += bias[n];
      for (let k = 0; k < K; k++) {
        const left = layout === 'tn' ? a[k * M + m] : a[m * K + k];
        const right = layout === 'nt' ? b[n * K + k] : b[k * N + n];
        sum += left * right;
      }
      c[m * N + n] = sum;
    }
  }
  return c;
}
