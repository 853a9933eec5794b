/** The gated unit of Gemma's feed-forward layer (Shazeer 2020, arXiv 2002.05202), with GELU by its tanh, and its gradient. */

import { invocationPerElement, vec4Layouts } from '../layout.ts';
import { defineOp } from '../op.ts';
import backwardPlainCode from './geglu-backward-plain.wgsl.ts';
import backwardCode from './geglu-backward.wgsl.ts';
import plainCode from './geglu-plain.wgsl.ts';
import code from './geglu.wgsl.ts';
import * as reference from './reference.ts';

interface UnitSizes {
  readonly T: number;
  readonly F: number;
}

const params = { T: 'u32', F: 'u32' } as const;
const elements = ({ T, F }: UnitSizes) => T * F;
const operand = { type: 'f32' as const, shape: ({ T, F }: UnitSizes) => [T, F] };
const result = { ...operand, mode: 'overwrite' as const };
/** Wide enough for both tails, and for the bound of 10 beyond them. */
const gate = {
  ...operand,
  draw: ({ T, F }: UnitSizes, uniform: () => number) => Float64Array.from({ length: T * F }, () => 24 * uniform() - 12),
};
const cases: readonly UnitSizes[] = [
  { T: 1, F: 1 },
  { T: 7, F: 33 },
  { T: 33, F: 128 },
  { T: 129, F: 100 },
];

/**
 * y = gelu(gate) * up with gelu(x) = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, which others call
 * `gelu_pytorch_tanh`. gate, up (T, F) f32 -> y (T, F) f32, overwritten.
 */
export const geglu = defineOp({
  name: 'geglu',
  formula: 'y = gelu(gate) up, gelu(x) = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2',
  source: 'Shazeer 2020, arXiv 2002.05202, equation 6 without the projections; Hendrycks & Gimpel 2016, arXiv 1606.08415, section 2',
  params,
  inputs: { gate, up: operand },
  outputs: { y: result },
  variants: [
    ...vec4Layouts(elements).map((layout) => ({ ...layout, code })),
    { ...invocationPerElement(elements), code: plainCode },
  ],
  reference: ({ T, F }, inputs) => ({ y: reference.forward(T * F, inputs.gate, inputs.up) }),
  gradient: {
    of: ['gate', 'up'],
    reference: ({ T, F }, inputs, _, dOutputs) => {
      const { dgate, dup } = reference.backward(T * F, inputs.gate, inputs.up, dOutputs.y);
      return { gate: dgate, up: dup };
    },
  },
  cases,
  tolerance: { floor: 1e-6, why: 'exp may be off by 3 + 2|x| units in the last place' },
});

/** gate, up, dy (T, F) f32 -> dgate, dup (T, F) f32, both overwritten. */
export const gegluBackward = defineOp({
  name: 'geglu-backward',
  formula: "dgate = dy up s (1 + gate (1 - s) 2 u'), dup = dy gate s, s = sigmoid(2 u), u = sqrt(2 / pi) (gate + 0.044715 gate^3)",
  source: 'derivative of geglu',
  params,
  inputs: { gate, up: operand, dy: operand },
  outputs: { dgate: result, dup: result },
  variants: [
    ...vec4Layouts(elements).map((layout) => ({ ...layout, code: backwardCode })),
    { ...invocationPerElement(elements), code: backwardPlainCode },
  ],
  reference: ({ T, F }, inputs) => reference.backward(T * F, inputs.gate, inputs.up, inputs.dy),
  gradient: { none: 'second derivatives are not used' },
  cases,
  tolerance: { floor: 1e-6, why: 'exp may be off by 3 + 2|x| units in the last place' },
});
