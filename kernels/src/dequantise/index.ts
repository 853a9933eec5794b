/** Quantised weights back to float32. */

import { defineOp, ceilDiv, fold, type AdapterProfile } from '../op.ts';
import formatCode from '../weight-format.wgsl.ts';
import { BLOCK_CASES, formatPrelude, quantisedWeights } from '../weight-operands.ts';
import plainCode from './dequantise-plain.wgsl.ts';
import runCode from './dequantise-run.wgsl.ts';
import code from './dequantise.wgsl.ts';
import { unpack } from './reference.ts';

type Rows = Readonly<Record<'N' | 'K' | 'format', number>>;

const inVec4s = ({ K }: Rows) => K % 4 === 0;

/**
 * y = the weights that rows of K hold in format `format` of `HELD_FORMATS`; weight-format.ts tells the layout. data u32
 * (N, words), scales u32 (N, scaleWords), left out for f16 -> y (N, K) f32, overwritten.
 */
export const dequantise = defineOp({
  name: 'dequantise',
  formula: 'y = minimum + scale q',
  source: 'Dettmers et al. 2023, arXiv 2305.14314, section 2, with asymmetric steps',
  params: { N: 'u32', K: 'u32', format: 'u32' },
  inputs: quantisedWeights(({ N }: Rows) => N, ({ K }) => K),
  outputs: { y: { type: 'f32', mode: 'overwrite', shape: ({ N, K }) => [N, K] } },
  variants: [
    {
      name: 'vec4-run',
      code: formatCode + runCode,
      prelude: formatPrelude,
      supports: ({ subgroupSize }: AdapterProfile, sizes) => subgroupSize !== null && subgroupSize <= 8 && inVec4s(sizes),
      workgroups: ({ N, K }) => fold(ceilDiv(N * ceilDiv(K, 64), 64)),
    },
    {
      name: 'vec4',
      code: formatCode + code,
      prelude: formatPrelude,
      supports: (_, sizes) => inVec4s(sizes),
      workgroups: ({ N, K }) => fold(ceilDiv(N * (K / 4), 64)),
    },
    { name: 'plain', code: formatCode + plainCode, prelude: formatPrelude, workgroups: ({ N, K }) => fold(ceilDiv(N * K, 64)) },
  ],
  reference: ({ N, K, format }, { data, scales }) => ({ y: unpack(N, K, format, data, scales) }),
  gradient: { none: 'quantised weights are frozen' },
  cases: [
    ...[0, 1, 2].flatMap((format) => [
      { N: 1, K: 1, format },
      { N: 33, K: 97, format },
      { N: 7, K: 68, format },
      { N: 129, K: 192, format },
    ]),
    ...BLOCK_CASES.map((format) => ({ N: 65, K: 132, format })),
  ],
  tolerance: { floor: 6e-8, why: 'a sum is rounded to float32 once' },
});
