/** Weighted next-token loss and its gradient in one op. */

import { invocationPerRow, rowsPerSubgroup, subgroupPerRow, workgroupPerRow } from '../layout.ts';
import { defineOp } from '../op.ts';
import reductionCode from '../row-reduction.wgsl.ts';
import plainCode from './cross-entropy-plain.wgsl.ts';
import workgroupCode from './cross-entropy-workgroup.wgsl.ts';
import rowsCode from './cross-entropy-rows.wgsl.ts';
import code from './cross-entropy.wgsl.ts';
import operandsCode from './operands.wgsl.ts';
import { crossEntropy as reference } from './reference.ts';

interface LogitSizes {
  readonly T: number;
  readonly V: number;
}

const rows = ({ T }: LogitSizes) => T;

/**
 * loss[t] = -weight[t] log softmax(logits[t])[targets[t]]; logits become weight (softmax(logits) - onehot(targets)),
 * which is the gradient of the sum of `loss`: at a vocabulary of 151,936 a second array of that size would be felt. A
 * row of weight 0 gives zeros whatever it holds; a row that is not finite gives a loss that is not finite. targets (T)
 * u32 below V, weight (T) f32 -> loss (T) f32, overwritten; logits (T, V) f32, in place.
 */
export const crossEntropy = defineOp({
  name: 'cross-entropy',
  formula: 'loss = -weight log softmax(logits)[target], logits = weight (softmax(logits) - onehot(target))',
  source: 'definition, with the maximum subtracted',
  params: { T: 'u32', V: 'u32' },
  inputs: {
    targets: {
      type: 'u32',
      shape: ({ T }) => [T],
      draw: ({ T, V }, uniform) => Uint32Array.from({ length: T }, () => Math.floor(uniform() * V)),
    },
    weight: {
      type: 'f32',
      shape: ({ T }) => [T],
      draw: ({ T }, uniform) => Float64Array.from({ length: T }, (_, t) => (t % 3 === 2 ? 0 : uniform())),
    },
  },
  outputs: {
    loss: { type: 'f32', mode: 'overwrite', shape: ({ T }) => [T] },
    logits: {
      type: 'f32',
      mode: 'update',
      shape: ({ T, V }) => [T, V],
      draw: ({ T, V }, uniform) => Float64Array.from({ length: T * V }, () => 20 * uniform() - 5),
    },
  },
  variants: [
    { ...rowsPerSubgroup(rows, ({ V }: LogitSizes) => V), code: operandsCode + rowsCode },
    { ...subgroupPerRow(rows, ({ V }) => V % 4 === 0), code: operandsCode + code },
    { ...workgroupPerRow(rows, ({ V }) => V), code: operandsCode + reductionCode + workgroupCode },
    { ...invocationPerRow(rows), code: operandsCode + plainCode },
  ],
  reference: ({ T, V }, { targets, weight }, { logits }) => {
    const { loss, dLogits } = reference(T, V, logits, targets, weight);
    return { loss, logits: dLogits };
  },
  gradient: { none: 'it gives its own; cross-entropy.test.ts checks that by central differences' },
  cases: [
    { T: 1, V: 4 },
    { T: 7, V: 33 },
    { T: 33, V: 128 },
    { T: 3, V: 50_004 },
    { T: 129, V: 100 },
  ],
  tolerance: { floor: 3e-6, why: 'exp may be off by 3 + 2|x| units in the last place, and a long row sums many' },
});
