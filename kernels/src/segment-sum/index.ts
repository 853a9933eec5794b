/** One sum per adapter over its stretch of tokens, in a fixed order. */

import { invocationPerRow, subgroupPerRow } from '../layout.ts';
import { defineOp } from '../op.ts';
import plainCode from './segment-sum-plain.wgsl.ts';
import code from './segment-sum.wgsl.ts';
import { segmentSum as reference } from './reference.ts';

interface SegmentSizes {
  readonly T: number;
  readonly E: number;
}

const rows = ({ E }: SegmentSizes) => E;

/**
 * sums[e] = sum of x[t] for t in segments[e] = [start, end); an empty segment gives 0. x (T) f32, segments (E, 2) u32
 * -> sums (E) f32, overwritten; the same bits every time on one adapter.
 */
export const segmentSum = defineOp({
  name: 'segment-sum',
  formula: 'sums[e] = sum of x[t] over segments[e][0] <= t < segments[e][1]',
  source: 'definition',
  params: { T: 'u32', E: 'u32' },
  inputs: {
    x: { type: 'f32', shape: ({ T }) => [T] },
    segments: {
      type: 'u32',
      shape: ({ E }) => [E, 2],
      draw: ({ T, E }, uniform) => {
        const cuts = Uint32Array.from({ length: E + 1 }, () => Math.floor(uniform() * (T + 1))).sort();
        return Uint32Array.from({ length: E * 2 }, (_, i) => cuts[(i + 1) >> 1]);
      },
    },
  },
  outputs: { sums: { type: 'f32', mode: 'overwrite', shape: ({ E }) => [E] } },
  variants: [
    { ...subgroupPerRow(rows), code },
    { ...invocationPerRow(rows), code: plainCode },
  ],
  reference: ({ E }, { x, segments }) => ({ sums: reference(E, x, segments) }),
  gradient: {
    of: ['x'],
    reference: ({ T, E }, { segments }, _, { sums }) => {
      const x = new Float64Array(T);
      for (let e = 0; e < E; e++) for (let t = segments[2 * e]; t < segments[2 * e + 1]; t++) x[t] += sums[e];
      return { x };
    },
  },
  cases: [
    { T: 1, E: 1 },
    { T: 33, E: 7 },
    { T: 97, E: 129 },
    { T: 1_000, E: 3 },
  ],
  tolerance: { floor: 2e-6, why: 'sums of many numbers of both signs' },
});
