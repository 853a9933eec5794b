/** Token embedding from a table of quantised weights. */

import { ceilDiv, defineOp, fold } from '../op.ts';
import formatCode from '../weight-format.wgsl.ts';
import { BLOCK_CASES, formatPrelude, quantisedWeights } from '../weight-operands.ts';
import plainCode from './quantised-embedding-plain.wgsl.ts';
import code from './quantised-embedding.wgsl.ts';
import { forward } from './reference.ts';

type Table = Readonly<Record<'T' | 'V' | 'C' | 'first' | 'format', number>>;

/**
 * y[t] = W[tokens[t] - first] for the tokens first .. first + V - 1; y stays where the token is another one, as in
 * `embedding`. tokens (T) u32, W (V, C) in format `format` of `HELD_FORMATS`: data u32 (V, words), scales u32
 * (V, scaleWords), left out for f16 -> y (T, C) f32.
 */
export const quantisedEmbedding = defineOp({
  name: 'quantised-embedding',
  formula: 'y[t] = W[tokens[t] - first], W = minimum + scale q',
  source: 'definition',
  params: { T: 'u32', V: 'u32', C: 'u32', first: 'u32', format: 'u32' },
  inputs: {
    tokens: {
      type: 'u32',
      shape: ({ T }) => [T],
      // Below, within and above a table that does not start at 0.
      draw: ({ T, V, first }, uniform) =>
        Uint32Array.from({ length: T }, () => Math.floor(uniform() * (first > 0 ? first + V + 9 : V))),
    },
    ...quantisedWeights(({ V }: Table) => V, ({ C }) => C),
  },
  outputs: { y: { type: 'f32', mode: 'update', shape: ({ T, C }) => [T, C] } },
  variants: [
    {
      name: 'vec4',
      code: formatCode + code,
      prelude: formatPrelude,
      supports: (_, { C }) => C % 4 === 0,
      workgroups: ({ T, C }) => fold(ceilDiv(T * (C / 4), 64)),
    },
    { name: 'plain', code: formatCode + plainCode, prelude: formatPrelude, workgroups: ({ T, C }) => fold(ceilDiv(T * C, 64)) },
  ],
  reference: (sizes, { tokens, data, scales }, { y }) => ({ y: forward(sizes, tokens, data, scales, y) }),
  gradient: { none: 'quantised weights are frozen' },
  cases: [
    ...[0, 1, 2].flatMap((format) => [
      { T: 7, V: 33, C: 97, first: 0, format },
      { T: 129, V: 33, C: 68, first: 20, format },
      { T: 33, V: 7, C: 7, first: 11, format },
    ]),
    ...BLOCK_CASES.map((format) => ({ T: 65, V: 33, C: 132, first: 3, format })),
  ],
  tolerance: { floor: 6e-8, why: 'a sum is rounded to float32 once' },
});
