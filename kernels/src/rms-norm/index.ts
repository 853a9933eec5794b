/** Root mean square layer norm (Zhang & Sennrich 2019, arXiv 1910.07467) and its gradients. */

import { invocationPerRow, rowsPerSubgroup, subgroupPerRow, workgroupPerRow } from '../layout.ts';
import { ceilDiv, defineOp } from '../op.ts';
import reductionCode from '../row-reduction.wgsl.ts';
import backwardPlainCode from './rms-norm-backward-plain.wgsl.ts';
import backwardWeightWorkgroupCode from './rms-norm-backward-weight-workgroup.wgsl.ts';
import backwardWeightCode from './rms-norm-backward-weight.wgsl.ts';
import backwardWorkgroupCode from './rms-norm-backward-workgroup.wgsl.ts';
import backwardCode from './rms-norm-backward.wgsl.ts';
import plainCode from './rms-norm-plain.wgsl.ts';
import workgroupCode from './rms-norm-workgroup.wgsl.ts';
import backwardRowsCode from './rms-norm-backward-rows.wgsl.ts';
import rowsCode from './rms-norm-rows.wgsl.ts';
import code from './rms-norm.wgsl.ts';
import * as reference from './reference.ts';

type RowSizes = { readonly T: number; readonly C: number };
const rows = ({ T }: RowSizes) => T;
const width = ({ C }: RowSizes) => C;

/**
 * y = x / sqrt(mean(x^2) + eps) * (offset + weight); an offset of 1 is for weights that are stored less 1. x (T, C) f32, weight (C) f32 -> y (T, C) f32, inverseRms (T) f32, both overwritten.
 */
export const rmsNorm = defineOp({
  name: 'rms-norm',
  formula: 'y = x / sqrt(mean(x^2) + eps) * (offset + weight)',
  source: 'Zhang & Sennrich 2019, arXiv 1910.07467, equation 4',
  params: { T: 'u32', C: 'u32', eps: 'f32', offset: 'f32' },
  inputs: {
    x: { type: 'f32', shape: ({ T, C }) => [T, C] },
    weight: { type: 'f32', shape: ({ C }) => [C] },
  },
  outputs: {
    y: { type: 'f32', mode: 'overwrite', shape: ({ T, C }) => [T, C] },
    inverseRms: { type: 'f32', mode: 'overwrite', shape: ({ T }) => [T] },
  },
  variants: [
    { ...rowsPerSubgroup(rows, width), code: rowsCode },
    { ...subgroupPerRow(rows, ({ C }) => C % 4 === 0), code },
    { ...workgroupPerRow(rows, width), code: reductionCode + workgroupCode },
    { ...invocationPerRow(rows), code: plainCode },
  ],
  reference: ({ T, C, eps, offset }, { x, weight }) => reference.forward(T, C, eps, offset, x, weight),
  gradient: {
    of: ['x', 'weight'],
    reference: ({ T, C, offset }, { x, weight }, { inverseRms }, dOutputs) => ({
      x: reference.backward(T, C, offset, x, weight, inverseRms, dOutputs.y, new Float64Array(T * C)),
      weight: reference.backwardWeight(T, C, x, inverseRms, dOutputs.y, new Float64Array(C)),
    }),
    through: ['y'],
  },
  cases: [
    { T: 1, C: 4, eps: 1e-5, offset: 0 },
    { T: 7, C: 33, eps: 1e-5, offset: 0 },
    { T: 33, C: 128, eps: 1e-6, offset: 0 },
    { T: 97, C: 7, eps: 1e-5, offset: 0 },
    { T: 129, C: 100, eps: 1e-5, offset: 0 },
    { T: 7 * 33, C: 64, eps: 1e-6, offset: 0 },
    { T: 3, C: 1_031, eps: 1e-5, offset: 0 },
    { T: 33, C: 128, eps: 1e-6, offset: 1 },
    { T: 7, C: 33, eps: 1e-6, offset: 1 },
    { T: 3, C: 1_031, eps: 1e-6, offset: 1 },
  ],
  tolerance: { floor: 1e-6, why: 'inverseSqrt may be off by 2 units in the last place' },
});

const backwardInputs = {
  inverseRms: {
    type: 'f32' as const,
    shape: ({ T }: { T: number }) => [T],
    draw: ({ T }: { T: number }, uniform: () => number) => Float64Array.from({ length: T }, () => 0.5 + uniform()),
  },
  dy: { type: 'f32' as const, shape: ({ T, C }: { T: number; C: number }) => [T, C] },
};

/**
 * dx += r g - x r^3 mean(g x), g = dy * (offset + weight), r = inverseRms. x, dy (T, C), weight (C), inverseRms (T) -> dx
 * (T, C).
 */
export const rmsNormBackward = defineOp({
  name: 'rms-norm-backward',
  formula: 'dx += r g - x r^3 mean(g x), g = dy * (offset + weight), r = inverseRms',
  source: 'derivative of rms-norm',
  params: { T: 'u32', C: 'u32', offset: 'f32' },
  inputs: {
    x: { type: 'f32', shape: ({ T, C }) => [T, C] },
    weight: { type: 'f32', shape: ({ C }) => [C] },
    ...backwardInputs,
  },
  outputs: { dx: { type: 'f32', mode: 'update', shape: ({ T, C }) => [T, C] } },
  variants: [
    { ...rowsPerSubgroup(rows, width), code: backwardRowsCode },
    { ...subgroupPerRow(rows, ({ C }) => C % 4 === 0), code: backwardCode },
    { ...workgroupPerRow(rows, width), code: reductionCode + backwardWorkgroupCode },
    { ...invocationPerRow(rows), code: backwardPlainCode },
  ],
  reference: ({ T, C, offset }, { x, weight, inverseRms, dy }, before) => ({
    dx: reference.backward(T, C, offset, x, weight, inverseRms, dy, before.dx),
  }),
  gradient: { none: 'second derivatives are not used' },
  cases: [
    { T: 1, C: 4, offset: 0 },
    { T: 7, C: 33, offset: 0 },
    { T: 33, C: 128, offset: 0 },
    { T: 97, C: 7, offset: 0 },
    { T: 129, C: 100, offset: 0 },
    { T: 7 * 33, C: 64, offset: 0 },
    { T: 3, C: 1_031, offset: 0 },
    { T: 33, C: 128, offset: 1 },
    { T: 7, C: 33, offset: 1 },
    { T: 3, C: 1_031, offset: 1 },
  ],
  tolerance: { floor: 1e-6, why: 'rounding of the rank-one correction' },
});

/** dweight += sum over t of dy x inverseRms. x, dy (T, C), inverseRms (T) -> dweight (C). Norms over heads have T H rows. */
export const rmsNormBackwardWeight = defineOp({
  name: 'rms-norm-backward-weight',
  formula: 'dweight += sum_t dy x inverseRms',
  source: 'derivative of rms-norm',
  params: { T: 'u32', C: 'u32' },
  inputs: { x: { type: 'f32', shape: ({ T, C }) => [T, C] }, ...backwardInputs },
  outputs: { dweight: { type: 'f32', mode: 'update', shape: ({ C }) => [C] } },
  variants: [
    {
      name: 'workgroup',
      code: backwardWeightWorkgroupCode,
      workgroupBytes: () => 1_024,
      workgroups: ({ C }) => [ceilDiv(C, 16)],
    },
    { name: 'plain', code: backwardWeightCode, workgroups: ({ C }) => [ceilDiv(C, 8)] },
  ],
  reference: ({ T, C }, { x, inverseRms, dy }, before) => ({
    dweight: reference.backwardWeight(T, C, x, inverseRms, dy, before.dweight),
  }),
  gradient: { none: 'second derivatives are not used' },
  cases: [
    { T: 1, C: 4 },
    { T: 7, C: 33 },
    { T: 129, C: 100 },
    { T: 7 * 33, C: 64 },
  ],
  tolerance: { floor: 1e-6, why: 'sums over rows' },
});
