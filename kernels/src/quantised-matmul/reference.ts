import { unpack } from '../dequantise/reference.ts';
import { multiply } from '../matmul/reference.ts';
import type { Numbers } from '../op.ts';

/** Sizes of c = a W^T + bias with W (N, K) in `format`; `ldc` as in the products of float32. */
export type QuantisedProductSizes = Readonly<Record<'M' | 'N' | 'K' | 'format' | 'hasBias' | 'ldc', number>>;

/** c = a W^T + bias over the weights that the quantised rows stand for. */
export function forward(
  { format, ...sizes }: QuantisedProductSizes,
  a: Numbers,
  data: Numbers,
  scales: Numbers,
  bias: Numbers,
  before: Float64Array,
): Float64Array {
  const w = unpack(sizes.N, sizes.K, format, data, scales);
  return multiply('nt', { ...sizes, accumulate: 0, lda: sizes.K }, a, w, bias, before);
}

/** da = dc W. */
export function backward({ M, N, K, format, ldc }: QuantisedProductSizes, data: Numbers, scales: Numbers, dc: Numbers): Float64Array {
  const w = unpack(N, K, format, data, scales);
  const sizes = { M, N: K, K: N, accumulate: 0, hasBias: 0, lda: ldc, ldc: K };
  return multiply('nn', sizes, dc, w, new Float64Array(0), new Float64Array(M * K));
}
