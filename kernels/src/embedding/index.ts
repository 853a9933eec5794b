/** Token embedding: a row of the table for each token, and the gradient of the table without atomics. */

import { invocationPerElement, lanesPerRow } from '../layout.ts';
import { defineOp } from '../op.ts';
import backwardPlainCode from './embedding-backward-plain.wgsl.ts';
import backwardCode from './embedding-backward.wgsl.ts';
import plainCode from './embedding-plain.wgsl.ts';
import code from './embedding.wgsl.ts';
import { occurrencesOf } from './occurrences.ts';
import * as reference from './reference.ts';

export { occurrencesOf, type Occurrences } from './occurrences.ts';

interface TableSizes {
  readonly T: number;
  readonly V: number;
  readonly C: number;
}

const drawTokens = ({ T, V }: TableSizes, uniform: () => number) =>
  Uint32Array.from({ length: T }, () => Math.floor(uniform() * V));

const cases: readonly TableSizes[] = [
  { T: 1, V: 1, C: 4 },
  { T: 7, V: 33, C: 7 },
  { T: 129, V: 33, C: 128 },
  { T: 97, V: 129, C: 100 },
];

/**
 * y[t] = weight[tokens[t] - first] for the tokens first .. first + V - 1; y stays where the token is another one, so that
 * a table in several parts is read part by part. tokens (T) u32, weight (V, C) f32 -> y (T, C) f32.
 */
export const embedding = defineOp({
  name: 'embedding',
  formula: 'y[t] = weight[tokens[t] - first]',
  source: 'definition',
  params: { T: 'u32', V: 'u32', C: 'u32', first: 'u32' },
  inputs: {
    tokens: {
      type: 'u32',
      shape: ({ T }) => [T],
      // Below, within and above a table that does not start at 0.
      draw: ({ first, ...sizes }, uniform) => drawTokens({ ...sizes, V: first > 0 ? first + sizes.V + 9 : sizes.V }, uniform),
    },
    weight: { type: 'f32', shape: ({ V, C }) => [V, C] },
  },
  outputs: { y: { type: 'f32', mode: 'update', shape: ({ T, C }) => [T, C] } },
  variants: [
    { ...lanesPerRow(({ T }: TableSizes) => T, ({ C }) => C % 4 === 0), code },
    { ...invocationPerElement(({ T, C }: TableSizes) => T * C), code: plainCode },
  ],
  reference: ({ V, C, first }, { tokens, weight }, { y }) => ({ y: reference.forward(V, C, first, tokens, weight, y) }),
  gradient: {
    of: ['weight'],
    reference: ({ V, C, first }, { tokens }, _, dOutputs) => {
      const { order, starts } = occurrencesOf(tokens, first + V + 9);
      const within = starts.subarray(first, first + V + 1);
      return { weight: reference.backward(V, C, order, within, dOutputs.y, new Float64Array(V * C)) };
    },
  },
  cases: [...cases.map((sizes) => ({ ...sizes, first: 0 })), { T: 129, V: 33, C: 8, first: 20 }, { T: 33, V: 7, C: 7, first: 11 }],
  tolerance: { floor: 0, why: 'a copy is exact' },
});

/**
 * dweight[v] += sum of dy[order[k]] for k in starts[v] .. starts[v + 1]; `occurrencesOf` makes order and starts, and
 * positions it does not list count for nothing, so that a range of `starts` serves a part of the table. order (T) u32, starts (V + 1) u32, dy (T, C) f32 -> dweight (V, C)
 * f32, accumulated in a fixed order.
 */
export const embeddingBackward = defineOp({
  name: 'embedding-backward',
  formula: 'dweight[v] += sum of dy[t] over t with tokens[t] = v',
  source: 'derivative of embedding',
  params: { T: 'u32', V: 'u32', C: 'u32' },
  inputs: {
    order: {
      type: 'u32',
      shape: ({ T }) => [T],
      draw: (sizes, uniform) => occurrencesOf(drawTokens(sizes, uniform), sizes.V).order,
    },
    starts: {
      type: 'u32',
      shape: ({ V }) => [V + 1],
      draw: (sizes, uniform) => occurrencesOf(drawTokens(sizes, uniform), sizes.V).starts,
    },
    dy: { type: 'f32', shape: ({ T, C }) => [T, C] },
  },
  outputs: { dweight: { type: 'f32', mode: 'update', shape: ({ V, C }) => [V, C] } },
  variants: [
    { ...lanesPerRow(({ V }: TableSizes) => V, ({ C }) => C % 4 === 0), code: backwardCode },
    { ...invocationPerElement(({ V, C }: TableSizes) => V * C), code: backwardPlainCode },
  ],
  reference: ({ V, C }, { order, starts, dy }, before) => ({
    dweight: reference.backward(V, C, order, starts, dy, before.dweight),
  }),
  gradient: { none: 'second derivatives are not used' },
  cases,
  tolerance: { floor: 1e-6, why: 'sums over the occurrences of a token' },
});
