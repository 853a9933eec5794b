/** Element-wise sum, as a residual connection uses it. */

import { invocationPerElement, vec4Layouts } from '../layout.ts';
import { defineOp } from '../op.ts';
import plainCode from './add-plain.wgsl.ts';
import code from './add.wgsl.ts';
import * as reference from './reference.ts';

const elements = ({ n }: { n: number }) => n;

/** y = a + b. a, b (n) f32 -> y (n) f32, overwritten; y is neither a nor b. */
export const add = defineOp({
  name: 'add',
  formula: 'y = a + b',
  source: 'definition',
  params: { n: 'u32' },
  inputs: {
    a: { type: 'f32', shape: ({ n }) => [n] },
    b: { type: 'f32', shape: ({ n }) => [n] },
  },
  outputs: { y: { type: 'f32', mode: 'overwrite', shape: ({ n }) => [n] } },
  variants: [
    ...vec4Layouts(elements).map((layout) => ({ ...layout, code })),
    { ...invocationPerElement(elements), code: plainCode },
  ],
  reference: ({ n }, { a, b }) => ({ y: reference.add(n, a, b) }),
  gradient: { of: ['a', 'b'], reference: (_sizes, _inputs, _outputs, { y }) => ({ a: y, b: y }) },
  cases: [{ n: 1 }, { n: 7 }, { n: 97 }, { n: 1_000 }, { n: 8_228 }],
  tolerance: { floor: 1e-7, why: 'one rounding' },
});
