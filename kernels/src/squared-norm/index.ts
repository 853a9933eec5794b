/** Squared L2 norm of each adapter's gradient, in two ops: sums of chunks, then one sum per adapter. */

import { invocationPerRow, subgroupPerRow } from '../layout.ts';
import { ceilDiv, defineOp } from '../op.ts';
import plainCode from './squared-norm-plain.wgsl.ts';
import totalPlainCode from './squared-norm-total-plain.wgsl.ts';
import totalCode from './squared-norm-total.wgsl.ts';
import code from './squared-norm.wgsl.ts';
import * as reference from './reference.ts';

/** Elements of one chunk; the WGSL holds the same number. */
const CHUNK = 4_096;

/** B, the number of partial sums of an arena of P parameters an adapter. */
export function normChunks(P: number): number {
  return ceilDiv(P, CHUNK);
}

interface ArenaSizes {
  readonly E: number;
  readonly P: number;
  readonly B: number;
}

const chunks = ({ E, B }: ArenaSizes) => E * B;

/**
 * partial[e, b] = sum of squares of the b-th 4,096 elements of adapter e. x (E, P) f32 -> partial (E, B) f32 with
 * B = normChunks(P), overwritten.
 */
export const squaredNorm = defineOp({
  name: 'squared-norm',
  formula: 'partial[e, b] = sum of x[e, i]^2 over 4096 b <= i < 4096 (b + 1)',
  source: 'definition',
  params: { E: 'u32', P: 'u32', B: 'u32' },
  inputs: { x: { type: 'f32', shape: ({ E, P }) => [E, P] } },
  outputs: { partial: { type: 'f32', mode: 'overwrite', shape: ({ E, B }) => [E, B] } },
  variants: [
    { ...subgroupPerRow(chunks, ({ P }) => P % 4 === 0), code },
    { ...invocationPerRow(chunks), code: plainCode },
  ],
  reference: ({ E, P, B }, { x }) => ({ partial: reference.partialSquares(E, P, B, CHUNK, x) }),
  gradient: { none: 'clipping is not differentiated through' },
  cases: [
    { E: 1, P: 1, B: 1 },
    { E: 7, P: 33, B: 1 },
    { E: 3, P: 4_097, B: 2 },
    { E: 3, P: 12_292, B: 4 },
  ],
  tolerance: { floor: 2e-6, why: 'sums of up to 4,096 squares' },
});

/** squaredNorm[e] = sum of partial[e, b] over b. partial (E, B) f32 -> squaredNorm (E) f32, overwritten. */
export const squaredNormTotal = defineOp({
  name: 'squared-norm-total',
  formula: 'squaredNorm[e] = sum of partial[e, b] over b',
  source: 'definition',
  params: { E: 'u32', B: 'u32' },
  inputs: {
    partial: {
      type: 'f32',
      shape: ({ E, B }) => [E, B],
      draw: ({ E, B }, uniform) => Float64Array.from({ length: E * B }, () => uniform()),
    },
  },
  outputs: { squaredNorm: { type: 'f32', mode: 'overwrite', shape: ({ E }) => [E] } },
  variants: [
    { ...subgroupPerRow(({ E }: { E: number }) => E), code: totalCode },
    { ...invocationPerRow(({ E }: { E: number }) => E), code: totalPlainCode },
  ],
  reference: ({ E, B }, { partial }) => ({ squaredNorm: reference.total(E, B, partial) }),
  gradient: { none: 'clipping is not differentiated through' },
  cases: [
    { E: 1, B: 1 },
    { E: 7, B: 33 },
    { E: 129, B: 97 },
    { E: 3, B: 1_000 },
  ],
  tolerance: { floor: 2e-6, why: 'sums of positive numbers' },
});
