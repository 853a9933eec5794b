import type { Numbers } from '../op.ts';

export type Layout = 'nn' | 'nt' | 'tn';

/** Sizes of a product. `lda` and `ldc` are the elements from one row of A (as stored) and of C to the next. */
export type ProductSizes = Readonly<Record<'M' | 'N' | 'K' | 'accumulate' | 'hasBias' | 'lda' | 'ldc', number>>;

/**
 * C = accumulate * C + A' B' + bias with A' (M, K) and B' (K, N), stored transposed where the layout says t. What lies
 * between the rows of C stays.
 */
export function multiply(
  layout: Layout,
  { M, N, K, accumulate, hasBias, lda, ldc }: ProductSizes,
  a: Numbers,
  b: Numbers,
  bias: Numbers,
  before: Float64Array,
): Float64Array {
  const c = before.slice();
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      let sum = accumulate ? before[m * ldc + n] : 0;
      if (hasBias) sum += bias[n];
      for (let k = 0; k < K; k++) {
        const left = layout === 'tn' ? a[k * lda + m] : a[m * lda + k];
        const right = layout === 'nt' ? b[n * K + k] : b[k * N + n];
        sum += left * right;
      }
      c[m * ldc + n] = sum;
    }
  }
  return c;
}
