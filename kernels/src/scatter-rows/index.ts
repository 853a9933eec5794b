/** Rows added to where an index says: the gradient of gather-rows. */

import { gather } from '../gather-rows/reference.ts';
import { invocationPerElement, lanesPerRow } from '../layout.ts';
import { defineOp } from '../op.ts';
import plainCode from './scatter-rows-plain.wgsl.ts';
import code from './scatter-rows.wgsl.ts';
import { scatter } from './reference.ts';

interface RowSizes {
  readonly N: number;
  readonly T: number;
  readonly C: number;
}

/** N different rows out of T, in a random order. */
const drawDistinct = ({ N, T }: RowSizes, uniform: () => number) => {
  const rows = Uint32Array.from({ length: T }, (_, t) => t);
  for (let n = 0; n < N; n++) {
    const other = n + Math.floor(uniform() * (T - n));
    [rows[n], rows[other]] = [rows[other], rows[n]];
  }
  return rows.slice(0, N);
};

/** dx[index[n]] += dy[n]; no index may occur twice. index (N) u32, dy (N, C) f32 -> dx (T, C) f32, accumulated. */
export const scatterRows = defineOp({
  name: 'scatter-rows',
  formula: 'dx[index[n]] += dy[n], indices distinct',
  source: 'derivative of gather-rows',
  params: { N: 'u32', T: 'u32', C: 'u32' },
  inputs: {
    index: { type: 'u32', shape: ({ N }) => [N], draw: drawDistinct },
    dy: { type: 'f32', shape: ({ N, C }) => [N, C] },
  },
  outputs: { dx: { type: 'f32', mode: 'update', shape: ({ T, C }) => [T, C] } },
  variants: [
    { ...lanesPerRow(({ N }: RowSizes) => N, ({ C }) => C % 4 === 0), code },
    { ...invocationPerElement(({ N, C }: RowSizes) => N * C), code: plainCode },
  ],
  reference: ({ N, C }, { index, dy }, before) => ({ dx: scatter(N, C, dy, index, before.dx) }),
  gradient: {
    of: ['dy'],
    reference: ({ N, C }, { index }, _, { dx }) => ({ dy: gather(N, C, dx, index) }),
  },
  cases: [
    { N: 1, T: 1, C: 4 },
    { N: 7, T: 33, C: 7 },
    { N: 33, T: 97, C: 128 },
    { N: 97, T: 129, C: 100 },
  ],
  tolerance: { floor: 1e-7, why: 'one rounding' },
});
