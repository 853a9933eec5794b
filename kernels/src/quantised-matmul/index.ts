/** Product of a few rows with quantised weights, which are converted where they are multiplied: decoding reads them as they are stored. */

import outerProductCode from '../matmul/outer-product.wgsl.ts';
import { blocksPrelude } from '../matmul/row-blocks.ts';
import { thinTile, tileBytes, tileColumns, tilePrelude, tileRows } from '../matmul/workgroup-tile.ts';
import workgroupTileCode from '../matmul/workgroup-tile.wgsl.ts';
import workgroupCode from '../matmul/workgroup.wgsl.ts';
import { ceilDiv, defineOp, type AdapterProfile } from '../op.ts';
import formatCode from '../weight-format.wgsl.ts';
import { BLOCK_CASES, formatPrelude, quantisedWeights } from '../weight-operands.ts';
import plainCode from './plain.wgsl.ts';
import { backward, forward, type QuantisedProductSizes } from './reference.ts';
import subgroupCode from './subgroup.wgsl.ts';
import workgroupOperandsCode from './workgroup-operands.wgsl.ts';

const alongK = { leftAlongK: true, rightAlongK: true, half: false };

/**
 * c = a W^T (+ bias). a (M, K), W (N, K) in format `format` of `HELD_FORMATS`: data u32 (N, words), scales u32
 * (N, scaleWords), left out for f16; bias (N) -> c (M, N) f32, overwritten, rows `ldc` apart; what lies between stays.
 * Weights are converted for every 8 to 32 rows anew: many rows take `dequantise` and `matmulNT`.
 */
export const quantisedMatmulNT = defineOp({
  name: 'quantised-matmul-nt',
  formula: 'c = a W^T + bias, W = minimum + scale q',
  source: 'Dettmers et al. 2023, arXiv 2305.14314, equation 5, with asymmetric steps and no adapter',
  params: { M: 'u32', N: 'u32', K: 'u32', format: 'u32', hasBias: 'u32', ldc: 'u32' },
  inputs: {
    a: { type: 'f32', shape: ({ M, K }) => [M, K] },
    ...quantisedWeights(({ N }: QuantisedProductSizes) => N, ({ K }) => K),
    bias: { type: 'f32', shape: ({ N, hasBias }) => [hasBias ? N : 0], optional: true },
  },
  outputs: {
    c: { type: 'f32', mode: 'update', shape: ({ M, N, ldc }) => (ldc === N ? [M, N] : [(M - 1) * ldc + N]) },
  },
  variants: [
    {
      name: 'subgroup-8',
      needs: ['subgroups'],
      code: formatCode + outerProductCode + subgroupCode,
      prelude: (sizes) => formatPrelude(sizes) + blocksPrelude(sizes.M),
      supports: ({ subgroupSize }: AdapterProfile, { N, K, ldc }) =>
        subgroupSize === 8 && [N, K, ldc].every((size) => size % 4 === 0),
      workgroups: ({ N, ...sizes }: QuantisedProductSizes) => [ceilDiv(N, 32), ceilDiv(sizes.M, 32)],
    },
    {
      name: 'workgroup-thin',
      code: formatCode + workgroupOperandsCode + workgroupTileCode + workgroupCode,
      prelude: (sizes) => formatPrelude(sizes) + tilePrelude(thinTile, alongK, sizes.K % 4 === 0),
      workgroupBytes: () => tileBytes(thinTile, alongK),
      workgroups: ({ M, N }) => [ceilDiv(N, tileColumns(thinTile)), ceilDiv(M, tileRows(thinTile))],
    },
    {
      name: 'plain',
      code: formatCode + plainCode,
      prelude: formatPrelude,
      workgroups: ({ M, N }) => [ceilDiv(N, 64), ceilDiv(M, 4)],
    },
  ],
  reference: (sizes, { a, data, scales, bias }, { c }) => ({ c: forward(sizes, a, data, scales, bias, c) }),
  gradient: {
    of: ['a'],
    reference: (sizes, { data, scales }, _, { c }) => ({ a: backward(sizes, data, scales, c) }),
  },
  cases: [
    ...[0, 1, 2].flatMap((format) => [
      { M: 7, N: 33, K: 97, hasBias: 0, ldc: 33, format },
      { M: 5, N: 68, K: 132, hasBias: 1, ldc: 68, format },
      { M: 1, N: 96, K: 64, hasBias: 0, ldc: 96, format },
      { M: 33, N: 36, K: 200, hasBias: 1, ldc: 40, format },
    ]),
    ...BLOCK_CASES.map((format) => ({ M: 5, N: 36, K: 136, hasBias: 0, ldc: 36, format })),
  ],
  tolerance: { floor: 2e-6, why: 'float32 sums of up to 200 products, about sqrt(K) roundings of 6e-8' },
});
