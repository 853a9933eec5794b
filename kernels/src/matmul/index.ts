/**
 * Matrix product in the three layouts that a linear layer needs: `nt` forward (weights are stored (out, in)), `nn` for
 * the gradient of the input, `tn` for the gradient of the weights.
 */

import { ceilDiv, defineOp, type AdapterProfile, type Numbers, type Sizes, type Variant } from '../op.ts';
import heldProductCode from './held-product.wgsl.ts';
import heldCode from './held.wgsl.ts';
import nnSubgroupCode from './nn-subgroup.wgsl.ts';
import ntSubgroupCode from './nt-subgroup.wgsl.ts';
import operandsCode from './operands.wgsl.ts';
import outerProductCode from './outer-product.wgsl.ts';
import { multiply, type Layout, type ProductSizes } from './reference.ts';
import { blocksPrelude } from './row-blocks.ts';
import {
  fullMatrixTile,
  largeMatrixTile,
  matrixTileWidth,
  matrixVariant,
  smallMatrixTile,
  type MatrixTile,
} from './subgroup-matrix-tile.ts';
import matrixTileCode from './subgroup-matrix-tile.wgsl.ts';
import matrixCode from './subgroup-matrix.wgsl.ts';
import tileCode from './tile.wgsl.ts';
import tnSubgroupCode from './tn-subgroup.wgsl.ts';
import {
  fillsGpu,
  largeTile,
  smallTile,
  thinTile,
  tileBytes,
  tileColumns,
  tilePrelude,
  tileRows,
  type TileShape,
} from './workgroup-tile.ts';
import workgroupOperandsCode from './workgroup-operands.wgsl.ts';
import workgroupTileCode from './workgroup-tile.wgsl.ts';
import workgroupCode from './workgroup.wgsl.ts';

type Field = keyof ProductSizes;

const subgroupCode = {
  nn: operandsCode + outerProductCode + nnSubgroupCode,
  nt: operandsCode + outerProductCode + ntSubgroupCode,
  tn: operandsCode + tnSubgroupCode,
};
const layoutNumber = { nn: 0, nt: 1, tn: 2 };

/** Whether rows of a and b, as they are stored, are whole vec4s. */
function inputsInVec4s(layout: Layout, { M, N, K, lda }: Sizes<Field>): boolean {
  const sizes = { nn: [K, N, lda], nt: [K, lda], tn: [M, N, lda] }[layout];
  return sizes.every((size) => size % 4 === 0);
}

/** Tiles in workgroup memory; `half` rounds a and b to f16 there. */
function workgroupTiles(layout: Layout, name: string, shape: TileShape, half: boolean): Variant<Field> {
  const operands = { leftAlongK: layout !== 'tn', rightAlongK: layout === 'nt', half };
  return {
    name,
    code: workgroupOperandsCode + workgroupTileCode + workgroupCode,
    prelude: (sizes) => `const LAYOUT = ${layoutNumber[layout]}u;\n` + tilePrelude(shape, operands, inputsInVec4s(layout, sizes)),
    workgroupBytes: () => tileBytes(shape, operands),
    workgroups: ({ M, N }) => [ceilDiv(N, tileColumns(shape)), ceilDiv(M, tileRows(shape))],
    ...(half && { needs: ['shader-f16'], halfOperands: ['a', 'b'] }),
  };
}

/** Tiles for matrix units. */
function matrixTiles(layout: Layout, name: string, tile: MatrixTile): Variant<Field> {
  const operands = { leftAlongK: layout !== 'tn', rightAlongK: layout === 'nt' };
  const constants = `const LAYOUT = ${layoutNumber[layout]}u;\n`;
  const width = matrixTileWidth(tile);
  return {
    ...matrixVariant(name, tile, operands, ['a', 'b'], constants, (sizes: Sizes<Field>) => inputsInVec4s(layout, sizes)),
    code: workgroupOperandsCode + matrixCode + matrixTileCode,
    workgroups: ({ M, N }) => [ceilDiv(N, width), ceilDiv(M, width)],
  };
}

function variants(layout: Layout): Variant<Field>[] {
  const inVec4s = ({ M, N, K, lda, ldc }: Sizes<Field>) => [N, layout === 'tn' ? M : K, lda, ldc].every((size) => size % 4 === 0);
  // Large tiles leave odd sizes to the small ones.
  const large = {
    supports: (_: AdapterProfile, sizes: Sizes<Field>) => inputsInVec4s(layout, sizes),
    suits: (_: AdapterProfile, { M, N }: Sizes<Field>) => fillsGpu(M, N),
  };
  const eightLanes = (profile: AdapterProfile, sizes: Sizes<Field>) => profile.subgroupSize === 8 && inVec4s(sizes);
  // Rows of at most 512 numbers, for four a lane then fill WGSL's 8 KiB of private memory; four blocks of columns use them.
  const held: Variant<Field> = {
    name: 'subgroup-8-held',
    needs: ['subgroups'],
    code: operandsCode + outerProductCode + heldProductCode + heldCode,
    prelude: ({ K }) => `const K4 = ${K / 4}u;\nconst TRANSPOSED = ${layout === 'nt'};\n`,
    supports: (profile, sizes) => eightLanes(profile, sizes) && sizes.K <= 512 && sizes.N >= 128,
    // Fewer rows are better off with the smaller tile that `nt` has for them.
    suits: (_, { M }) => layout !== 'nt' || M > 16,
    // A few row tiles share out their columns, so that every core has work.
    workgroups: ({ M, N }) => [Math.min(ceilDiv(N, 32), ceilDiv(8, ceilDiv(M, 32))), ceilDiv(M, 32)],
  };
  return [
    ...(layout === 'tn' ? [] : [held]),
    {
      name: 'subgroup-8',
      needs: ['subgroups'],
      code: subgroupCode[layout],
      prelude: ({ M }) => (layout === 'nt' ? blocksPrelude(M) : ''),
      supports: eightLanes,
      workgroups: ({ M, N }) => [ceilDiv(N, 32), ceilDiv(M, 32)],
    },
    { ...matrixTiles(layout, 'subgroup-matrix', largeMatrixTile), suits: large.suits },
    matrixTiles(layout, 'subgroup-matrix-small', smallMatrixTile),
    matrixTiles(layout, 'subgroup-matrix-f32', fullMatrixTile),
    { ...workgroupTiles(layout, 'workgroup-f16', largeTile, true), ...large },
    { ...workgroupTiles(layout, 'workgroup', largeTile, false), ...large },
    workgroupTiles(layout, 'workgroup-small', smallTile, false),
    { ...workgroupTiles(layout, 'workgroup-thin', thinTile, false), suits: (_, { M }) => M <= 32 },
    {
      name: 'tile',
      code: tileCode,
      constants: () => ({ LAYOUT: layoutNumber[layout] }),
      workgroups: ({ M, N }) => [ceilDiv(N, 64), ceilDiv(M, 32)],
    },
  ];
}

function matmul(layout: Layout, formula: string, gradient: (g: GradientOf) => { a: Float64Array; b: Float64Array }) {
  return defineOp({
    name: `matmul-${layout}`,
    formula,
    source: 'definition of the matrix product',
    params: { M: 'u32', N: 'u32', K: 'u32', accumulate: 'u32', hasBias: 'u32', lda: 'u32', ldc: 'u32' },
    inputs: {
      a: { type: 'f32', shape: ({ M, K, lda }) => (layout === 'tn' ? strided(K, M, lda) : strided(M, K, lda)) },
      b: { type: 'f32', shape: ({ N, K }) => (layout === 'nt' ? [N, K] : [K, N]) },
      bias: { type: 'f32', shape: ({ N, hasBias }) => [hasBias ? N : 0], optional: true },
    },
    outputs: { c: { type: 'f32', mode: 'update', shape: ({ M, N, ldc }) => strided(M, N, ldc) } },
    variants: variants(layout),
    reference: (sizes, { a, b, bias }, { c }) => ({ c: multiply(layout, sizes, a, b, bias, c) }),
    gradient: {
      of: ['a', 'b', 'bias'],
      reference: ({ M, N, K, hasBias, lda, ldc }, inputs, _, { c }) => {
        const ones = new Float64Array(M).fill(1);
        const times = (l: Layout, m: number, n: number, k: number, x: Numbers, y: Numbers) =>
          multiply(l, dense(l, m, n, k), x, y, ones, new Float64Array(m * n));
        const [rows, columns] = layout === 'tn' ? [K, M] : [M, K];
        const dc = gather(M, N, ldc, c);
        const { a, b } = gradient({ M, N, K, a: gather(rows, columns, lda, inputs.a), b: inputs.b, dc, times });
        return { a: spread(rows, columns, lda, a), b, bias: hasBias ? times('tn', 1, N, M, ones, dc) : new Float64Array(0) };
      },
    },
    cases: [
      dense(layout, 1, 1, 1),
      { ...dense(layout, 7, 33, 97), hasBias: 1 },
      { ...dense(layout, 33, 7, 129), accumulate: 1 },
      { ...dense(layout, 4, 4, 4), hasBias: 1 },
      { ...dense(layout, 36, 68, 100), accumulate: 1, hasBias: 1 },
      dense(layout, 97, 132, 64),
      { ...dense(layout, 8, 36, 128), hasBias: 1 },
      { ...dense(layout, 20, 140, 60), accumulate: 1 },
      dense(layout, 128, 96, 33),
      dense(layout, 132, 260, 20),
      { ...dense(layout, 36, 68, 100), lda: 128, ldc: 192, accumulate: 1 },
      { ...dense(layout, 33, 36, 64), lda: 68, ldc: 36, hasBias: 1 },
      { ...dense(layout, 7, 33, 9), lda: 11, ldc: 34 },
      { ...dense(layout, 75, 140, 64), lda: layout === 'tn' ? 80 : 68, ldc: 148, accumulate: 1, hasBias: 1 },
    ],
    tolerance: { floor: 2e-6, why: 'float32 sums of up to 129 products, about sqrt(K) roundings of 6e-8' },
  });
}

/** Sizes without gaps between rows. */
function dense(layout: Layout, M: number, N: number, K: number): ProductSizes {
  return { M, N, K, accumulate: 0, hasBias: 0, lda: layout === 'tn' ? M : K, ldc: N };
}

/** The shape of rows that are `stride` elements apart: the last one ends the buffer. */
function strided(rows: number, columns: number, stride: number): readonly number[] {
  return stride === columns ? [rows, columns] : [(rows - 1) * stride + columns];
}

/** Strided rows without their gaps. */
function gather(rows: number, columns: number, stride: number, values: Numbers): Float64Array {
  return Float64Array.from({ length: rows * columns }, (_, i) => values[Math.floor(i / columns) * stride + (i % columns)]);
}

/** Rows with gaps of zeros. */
function spread(rows: number, columns: number, stride: number, values: Float64Array): Float64Array {
  const result = new Float64Array((rows - 1) * stride + columns);
  values.forEach((value, i) => (result[Math.floor(i / columns) * stride + (i % columns)] = value));
  return result;
}

interface GradientOf {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly a: Numbers;
  readonly b: Numbers;
  readonly dc: Numbers;
  readonly times: (layout: Layout, m: number, n: number, k: number, x: Numbers, y: Numbers) => Float64Array;
}

/**
 * c = a b (+ bias, + c when accumulate). a (M, K), b (K, N), bias (N) -> c (M, N), all f32. In every layout `lda` and
 * `ldc` are BLAS's leading dimensions: the elements from one stored row of a, or of c, to the next. Larger ones than the
 * row pick a range of columns of a wider matrix, which starts where its binding does; what lies between stays.
 */
export const matmulNN = matmul('nn', 'c = a b', ({ M, N, K, a, b, dc, times }) => ({
  a: times('nt', M, K, N, dc, b),
  b: times('tn', K, N, M, a, dc),
}));

/** c = a b^T (+ bias, + c when accumulate). a (M, K), b (N, K), bias (N) -> c (M, N), all f32; `matmulNN` tells strides. */
export const matmulNT = matmul('nt', 'c = a b^T', ({ M, N, K, a, b, dc, times }) => ({
  a: times('nn', M, K, N, dc, b),
  b: times('tn', N, K, M, dc, a),
}));

/** c = a^T b (+ bias, + c when accumulate). a (K, M), b (K, N), bias (N) -> c (M, N), all f32; `matmulNN` tells strides. */
export const matmulTN = matmul('tn', 'c = a^T b', ({ M, N, K, a, b, dc, times }) => ({
  a: times('nt', K, M, N, b, dc),
  b: times('nn', K, N, M, a, dc),
}));
