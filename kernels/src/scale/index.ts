/** Multiplication by one number, as families scale their embedding. */

import { invocationPerElement, vec4Layouts } from '../layout.ts';
import { defineOp } from '../op.ts';
import * as reference from './reference.ts';
import plainCode from './scale-plain.wgsl.ts';
import code from './scale.wgsl.ts';

const elements = ({ n }: { n: number }) => n;

/** y = factor x; its own gradient, of dy. x (n) f32 -> y (n) f32, overwritten; y is not x. */
export const scale = defineOp({
  name: 'scale',
  formula: 'y = factor x',
  source: 'definition',
  params: { n: 'u32', factor: 'f32' },
  inputs: { x: { type: 'f32', shape: ({ n }) => [n] } },
  outputs: { y: { type: 'f32', mode: 'overwrite', shape: ({ n }) => [n] } },
  variants: [
    ...vec4Layouts(elements).map((layout) => ({ ...layout, code })),
    { ...invocationPerElement(elements), code: plainCode },
  ],
  reference: ({ n, factor }, { x }) => ({ y: reference.scale(n, factor, x) }),
  gradient: { of: ['x'], reference: ({ n, factor }, _inputs, _outputs, { y }) => ({ x: reference.scale(n, factor, y) }) },
  cases: [
    { n: 1, factor: 8 },
    { n: 7, factor: -0.375 },
    { n: 97, factor: Math.fround(Math.sqrt(640)) },
    { n: 8_228, factor: Math.fround(Math.sqrt(33)) },
  ],
  tolerance: { floor: 1e-7, why: 'one rounding' },
});
