/** Rows picked by an index; the gradient is scatter-rows. */

import { invocationPerElement, lanesPerRow } from '../layout.ts';
import { defineOp } from '../op.ts';
import { scatter } from '../scatter-rows/reference.ts';
import plainCode from './gather-rows-plain.wgsl.ts';
import code from './gather-rows.wgsl.ts';
import { gather } from './reference.ts';

interface RowSizes {
  readonly N: number;
  readonly T: number;
  readonly C: number;
}

const cases: readonly RowSizes[] = [
  { N: 1, T: 1, C: 4 },
  { N: 7, T: 33, C: 7 },
  { N: 33, T: 97, C: 128 },
  { N: 97, T: 129, C: 100 },
];

/** y[n] = x[index[n]]. index (N) u32, x (T, C) f32 -> y (N, C) f32, overwritten. */
export const gatherRows = defineOp({
  name: 'gather-rows',
  formula: 'y[n] = x[index[n]]',
  source: 'definition',
  params: { N: 'u32', T: 'u32', C: 'u32' },
  inputs: {
    index: {
      type: 'u32',
      shape: ({ N }) => [N],
      draw: ({ N, T }, uniform) => Uint32Array.from({ length: N }, () => Math.floor(uniform() * T)),
    },
    x: { type: 'f32', shape: ({ T, C }) => [T, C] },
  },
  outputs: { y: { type: 'f32', mode: 'overwrite', shape: ({ N, C }) => [N, C] } },
  variants: [
    { ...lanesPerRow(({ N }: RowSizes) => N, ({ C }) => C % 4 === 0), code },
    { ...invocationPerElement(({ N, C }: RowSizes) => N * C), code: plainCode },
  ],
  reference: ({ N, C }, inputs) => ({ y: gather(N, C, inputs.x, inputs.index) }),
  gradient: {
    of: ['x'],
    reference: ({ N, T, C }, inputs, _, dOutputs) => ({
      x: scatter(N, C, dOutputs.y, inputs.index, new Float64Array(T * C)),
    }),
  },
  cases,
  tolerance: { floor: 0, why: 'a copy is exact' },
});
