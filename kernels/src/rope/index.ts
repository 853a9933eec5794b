/** Rotary position embedding (Su et al. 2021, arXiv 2104.09864) on Hugging Face's pairs, and its gradient. */

import { invocationPerElement, lanesPerRow } from '../layout.ts';
import { defineOp, type AdapterProfile } from '../op.ts';
import plainCode from './rope-plain.wgsl.ts';
import code from './rope.wgsl.ts';
import { rotate } from './reference.ts';

interface RopeSizes {
  readonly T: number;
  readonly H: number;
  readonly D: number;
  readonly P: number;
}

const params = { T: 'u32', H: 'u32', D: 'u32', P: 'u32' } as const;
const heads = { type: 'f32' as const, shape: ({ T, H, D }: RopeSizes) => [T, H * D] };
const positions = {
  type: 'u32' as const,
  shape: ({ T }: RopeSizes) => [T],
  draw: ({ T, P }: RopeSizes, uniform: () => number) =>
    Uint32Array.from({ length: T }, () => Math.floor(uniform() * P)),
};
const cosSin = {
  type: 'f32' as const,
  shape: ({ P, D }: RopeSizes) => [P, D],
  draw: ({ P, D }: RopeSizes) => Float64Array.from(ropeTable(P, ropeFrequencies(D, 10_000))),
};

const variants = (sign: 1 | -1) => {
  const vec4 = lanesPerRow(({ T }: RopeSizes) => T, ({ D }) => D % 8 === 0);
  const plain = invocationPerElement(({ T, H, D }: RopeSizes) => (T * H * D) / 2);
  return [
    {
      ...vec4,
      code,
      constants: (sizes: RopeSizes, profile: AdapterProfile) => ({ ...vec4.constants(sizes, profile), SIGN: sign }),
    },
    { ...plain, constants: () => ({ SIGN: sign }), code: plainCode },
  ];
};

const cases: readonly RopeSizes[] = [
  { T: 1, H: 1, D: 2, P: 1 },
  { T: 7, H: 3, D: 6, P: 33 },
  { T: 33, H: 4, D: 32, P: 64 },
  { T: 97, H: 1, D: 8, P: 7 },
  { T: 129, H: 3, D: 24, P: 129 },
];

/** Angles per position theta^(-2i/D) of the D/2 pairs of a head, float64. */
export function ropeFrequencies(D: number, theta: number): Float64Array {
  return Float64Array.from({ length: D / 2 }, (_, i) => theta ** ((-2 * i) / D));
}

/** Table cosSin (P, D) f32: of each position first the D/2 cosines, then the D/2 sines of position * frequency. */
export function ropeTable(P: number, frequencies: Float64Array): Float32Array {
  const half = frequencies.length;
  const table = new Float32Array(P * half * 2);
  for (let p = 0; p < P; p++) {
    for (let i = 0; i < half; i++) {
      const angle = p * frequencies[i];
      table[p * half * 2 + i] = Math.cos(angle);
      table[p * half * 2 + half + i] = Math.sin(angle);
    }
  }
  return table;
}

/**
 * With c and s the cosines and sines at the row's position, in every head y[i] = x[i] c - x[i + D/2] s and
 * y[i + D/2] = x[i + D/2] c + x[i] s. positions (T) u32 below P, cosSin (P, D) f32 as `ropeTable` makes it, x (T, H D)
 * f32 -> y (T, H D) f32, overwritten. D is even.
 */
export const rope = defineOp({
  name: 'rope',
  formula: 'y = x cos + rotateHalf(x) sin',
  source: 'Su et al. 2021, arXiv 2104.09864, equation 34, with the pairs (i, i + D/2)',
  params,
  inputs: { positions, cosSin, x: heads },
  outputs: { y: { ...heads, mode: 'overwrite' } },
  variants: variants(1),
  reference: ({ T, H, D }, inputs) => ({ y: rotate(T, H, D, 1, inputs.x, inputs.positions, inputs.cosSin) }),
  gradient: {
    of: ['x'],
    reference: ({ T, H, D }, inputs, _, dOutputs) => ({
      x: rotate(T, H, D, -1, dOutputs.y, inputs.positions, inputs.cosSin),
    }),
  },
  cases,
  tolerance: { floor: 2e-7, why: 'two products and a sum, fused or not' },
});

/**
 * dx is dy turned back by the same angles. positions (T) u32, cosSin (P, D) f32, dy (T, H D) f32 -> dx (T, H D) f32,
 * overwritten.
 */
export const ropeBackward = defineOp({
  name: 'rope-backward',
  formula: 'dx = dy cos - rotateHalf(dy) sin',
  source: 'derivative of rope: a rotation is undone by its transpose',
  params,
  inputs: { positions, cosSin, dy: heads },
  outputs: { dx: { ...heads, mode: 'overwrite' } },
  variants: variants(-1),
  reference: ({ T, H, D }, inputs) => ({ dx: rotate(T, H, D, -1, inputs.dy, inputs.positions, inputs.cosSin) }),
  gradient: { none: 'second derivatives are not used' },
  cases,
  tolerance: { floor: 2e-7, why: 'two products and a sum, fused or not' },
});
