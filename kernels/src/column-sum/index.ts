/** Sums of columns: the gradient of a linear layer's bias. */

import { ceilDiv, defineOp } from '../op.ts';
import plainCode from './column-sum-plain.wgsl.ts';
import code from './column-sum.wgsl.ts';
import { columnSum as reference } from './reference.ts';

/**
 * sums[n] (+)= sum over t of x[t, n]. x (T, N) f32 -> sums (N) f32, added to when accumulate, else overwritten; the same
 * bits every time on one adapter. For the gradient of a bias x is dy.
 */
export const columnSum = defineOp({
  name: 'column-sum',
  formula: 'sums[n] = sum_t x[t, n]',
  source: 'derivative of y = x + bias by the bias',
  params: { T: 'u32', N: 'u32', accumulate: 'u32' },
  inputs: { x: { type: 'f32', shape: ({ T, N }) => [T, N] } },
  outputs: { sums: { type: 'f32', mode: 'update', shape: ({ N }) => [N] } },
  variants: [
    {
      name: 'workgroup',
      code,
      workgroupBytes: () => 1_024,
      workgroups: ({ N }) => [ceilDiv(N, 16)],
    },
    { name: 'plain', code: plainCode, workgroups: ({ N }) => [ceilDiv(N, 8)] },
  ],
  reference: ({ T, N, accumulate }, { x }, { sums }) => ({ sums: reference(T, N, accumulate, x, sums) }),
  gradient: {
    of: ['x'],
    reference: ({ T, N }, _inputs, _outputs, { sums }) => ({ x: Float64Array.from({ length: T * N }, (_, i) => sums[i % N]) }),
  },
  cases: [
    { T: 1, N: 1, accumulate: 0 },
    { T: 7, N: 33, accumulate: 1 },
    { T: 129, N: 97, accumulate: 0 },
    { T: 1_000, N: 36, accumulate: 1 },
  ],
  tolerance: { floor: 2e-6, why: 'sums of up to a thousand numbers of both signs' },
});
