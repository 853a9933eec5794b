/** The most likely token of each row: greedy decoding. */

import { invocationPerRow, subgroupPerRow } from '../layout.ts';
import { defineOp } from '../op.ts';
import plainCode from './argmax-plain.wgsl.ts';
import code from './argmax.wgsl.ts';
import { argmax as reference } from './reference.ts';

interface LogitSizes {
  readonly T: number;
  readonly V: number;
}

const rows = ({ T }: LogitSizes) => T;

/** index[t] = argmax over v of x[t, v], the lowest of equals. x (T, V) f32, finite -> index (T) u32, overwritten. */
export const argmax = defineOp({
  name: 'argmax',
  formula: 'index[t] = min { v : x[t, v] = max x[t] }',
  source: 'definition',
  params: { T: 'u32', V: 'u32' },
  inputs: {
    x: {
      type: 'f32',
      shape: ({ T, V }) => [T, V],
      /** Few different values, so that there are ties. */
      draw: ({ T, V }, uniform) => Float64Array.from({ length: T * V }, () => 1 + Math.floor(uniform() * 32)),
    },
  },
  outputs: { index: { type: 'u32', mode: 'overwrite', shape: ({ T }) => [T] } },
  variants: [
    { ...subgroupPerRow(rows, ({ V }) => V % 4 === 0), code },
    { ...invocationPerRow(rows), code: plainCode },
  ],
  reference: ({ T, V }, { x }) => ({ index: reference(T, V, x) }),
  gradient: { none: 'piecewise constant' },
  cases: [
    { T: 1, V: 4 },
    { T: 7, V: 33 },
    { T: 97, V: 7 },
    { T: 129, V: 100 },
  ],
  tolerance: { floor: 0, why: 'an index is exact' },
});
