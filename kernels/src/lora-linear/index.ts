/**
 * A linear layer with packed LoRA adapters (Hu et al. 2021, arXiv 2106.09685): E adapters over one frozen weight.
 *
 * Tokens of adapter e are one segment that starts at a multiple of 8. Low-rank matrices of adapter e lie in row e of an
 * arena (E, stride), each at its own `offset`: A (R, K) as PEFT stores it, B (R, N) transposed, so that forward and
 * backward are the same four ops with A and B exchanged:
 *
 *     h  = scaling x A^T        lora-linear-project          g  = scaling dy B^T      lora-linear-project
 *     y  = x W^T + h B          lora-linear                  dx = dy W + g A          lora-linear-backward
 *                                                            dB = h^T dy, dA = g^T x  lora-linear-gradient
 *
 * A smaller rank than R is a matrix whose other rows are zero: their gradients are zero too.
 */

import { ceilDiv, defineOp, type AdapterProfile, type Numbers, type Sizes, type Variant } from '../op.ts';
import {
  fillsGpu,
  largeTile,
  projectionTile,
  rankTile,
  smallTile,
  thinTile,
  tileBytes,
  tileColumns,
  tilePrelude,
  tileRows,
  type TileShape,
} from '../matmul/workgroup-tile.ts';
import {
  fullMatrixTile,
  largeMatrixTile,
  matrixTileWidth,
  matrixVariant,
  smallMatrixTile,
  type MatrixTile,
} from '../matmul/subgroup-matrix-tile.ts';
import matrixTileCode from '../matmul/subgroup-matrix-tile.wgsl.ts';
import workgroupTileCode from '../matmul/workgroup-tile.wgsl.ts';
import heldProductCode from '../matmul/held-product.wgsl.ts';
import outerProductCode from '../matmul/outer-product.wgsl.ts';
import { blocksPrelude } from '../matmul/row-blocks.ts';
import backwardCode from './backward.wgsl.ts';
import forwardCode from './forward.wgsl.ts';
import fusedPlainCode from './fused-plain.wgsl.ts';
import fusedCode from './fused.wgsl.ts';
import gradientPlainCode from './gradient-plain.wgsl.ts';
import gradientCode from './gradient.wgsl.ts';
import heldCode from './held.wgsl.ts';
import projectPlainCode from './project-plain.wgsl.ts';
import projectCode from './project.wgsl.ts';
import * as reference from './reference.ts';
import workgroupFusedCode from './workgroup-fused.wgsl.ts';
import workgroupGradientCode from './workgroup-gradient.wgsl.ts';
import matrixCode from './subgroup-matrix.wgsl.ts';
import workgroupOperandsCode from './workgroup-operands.wgsl.ts';
import workgroupProjectCode from './workgroup-project.wgsl.ts';

const source = 'Hu et al. 2021, arXiv 2106.09685, section 4.1; packing as in LoRAFusion, arXiv 2510.00206';
const inVec4s = (...sizes: number[]) => sizes.every((size) => size % 4 === 0);
const eightLanes = (profile: AdapterProfile, ...sizes: number[]) => profile.subgroupSize === 8 && inVec4s(...sizes);

/** Segments for tests: E adapters share T tokens, each from a multiple of 8 on, some empty, none beyond T. */
function drawSegments({ T, E }: { T: number; E: number }): Uint32Array {
  const width = Math.ceil(T / E / 8) * 8;
  return Uint32Array.from({ length: E * 2 }, (_, i) => {
    const start = Math.min((i >> 1) * width, T);
    return i % 2 === 0 ? start : Math.min(Math.max(start, start + width - 3 * (i >> 1)), T);
  });
}

/** The projection's work list: at most 32 tokens of one adapter each. */
function drawTiles({ T, E, tiles }: { T: number; E: number; tiles: number }): Uint32Array {
  const segments = drawSegments({ T, E });
  const list: number[] = [];
  for (let e = 0; e < E; e++) {
    for (let start = segments[e * 2]; start < segments[e * 2 + 1]; start += 32) {
      list.push(e, start, Math.min(start + 32, segments[e * 2 + 1]));
    }
  }
  while (list.length < tiles * 3) list.push(0, 0, Math.min(T, 1));
  return Uint32Array.from(list.slice(0, tiles * 3));
}

/**
 * h = scaling x A_e^T over a list of tiles (adapter, start, end) of at most 32 tokens, end exclusive.
 * x (T, K), arena (E, stride) with A_e (R, K) at offset, tiles u32 (tiles, 3), scaling (E) -> h (T, R); tokens in no
 * tile keep their h.
 */
export const loraProject = defineOp({
  name: 'lora-linear-project',
  formula: 'h = scaling x A_e^T',
  source,
  params: { T: 'u32', K: 'u32', R: 'u32', E: 'u32', stride: 'u32', offset: 'u32', tiles: 'u32' },
  inputs: {
    x: { type: 'f32', shape: ({ T, K }) => [T, K] },
    arena: { type: 'f32', shape: ({ E, stride }) => [E, stride] },
    tiles: { type: 'u32', shape: ({ tiles }) => [tiles, 3], draw: drawTiles },
    scaling: { type: 'f32', shape: ({ E }) => [E] },
  },
  outputs: { h: { type: 'f32', mode: 'update', shape: ({ T, R }) => [T, R] } },
  variants: [
    {
      name: 'subgroup-8',
      needs: ['subgroups'],
      code: outerProductCode + projectCode,
      supports: (profile, { K, R, stride, offset }) => eightLanes(profile, K, R, stride, offset),
      workgroups: ({ tiles, R }) => [tiles, ceilDiv(R, 16)],
    },
    {
      name: 'workgroup',
      code: workgroupTileCode + workgroupProjectCode,
      prelude: ({ K, R, stride, offset }) => tilePrelude(projectionTile, alongK, inVec4s(K, R, stride, offset)),
      workgroupBytes: () => tileBytes(projectionTile, alongK),
      workgroups: ({ tiles, R }) => [tiles, ceilDiv(R, tileColumns(projectionTile))],
    },
    { name: 'plain', code: projectPlainCode, workgroups: ({ tiles, R }) => [tiles, ceilDiv(R, 2)] },
  ],
  reference: (sizes, { x, arena, tiles, scaling }, { h }) => ({
    h: reference.project(sizes, x, arena, tiles, scaling, h.slice()),
  }),
  gradient: {
    of: ['x', 'arena'],
    reference: (sizes, { x, arena, tiles, scaling }, _, { h: dh }) => projectGradient(sizes, x, arena, tiles, scaling, dh),
  },
  cases: [
    { T: 1, K: 1, R: 1, E: 1, stride: 7, offset: 3, tiles: 1 },
    { T: 33, K: 7, R: 3, E: 2, stride: 33, offset: 5, tiles: 3 },
    { T: 97, K: 32, R: 4, E: 3, stride: 200, offset: 8, tiles: 6 },
    { T: 129, K: 36, R: 16, E: 2, stride: 600, offset: 12, tiles: 5 },
    { T: 64, K: 64, R: 20, E: 5, stride: 1_300, offset: 0, tiles: 5 },
  ],
  tolerance: { floor: 1e-6, why: 'float32 sums of up to 64 products' },
});

function projectGradient(
  { T, K, R, E, stride, offset, tiles: count }: Sizes<'T' | 'K' | 'R' | 'E' | 'stride' | 'offset' | 'tiles'>,
  x: Numbers,
  arena: Numbers,
  tiles: Numbers,
  scaling: Numbers,
  dh: Numbers,
) {
  // Later tiles overwrite earlier ones, so a token's derivative comes through the last tile that holds it.
  const owner = new Int32Array(T).fill(-1);
  for (let tile = 0; tile < count; tile++) {
    for (let t = tiles[tile * 3 + 1]; t < tiles[tile * 3 + 2]; t++) owner[t] = tiles[tile * 3];
  }
  const dx = new Float64Array(T * K);
  const dArena = new Float64Array(E * stride);
  for (let t = 0; t < T; t++) {
    if (owner[t] < 0) continue;
    for (let r = 0; r < R; r++) {
      for (let k = 0; k < K; k++) {
        const at = owner[t] * stride + offset + r * K + k;
        dx[t * K + k] += scaling[owner[t]] * dh[t * R + r] * arena[at];
        dArena[at] += scaling[owner[t]] * dh[t * R + r] * x[t * K + k];
      }
    }
  }
  return { x: dx, arena: dArena };
}

const alongK = { leftAlongK: true, rightAlongK: true, half: false };
const acrossK = { leftAlongK: false, rightAlongK: false, half: false };

const fusedParams = {
  T: 'u32',
  K: 'u32',
  N: 'u32',
  R: 'u32',
  E: 'u32',
  stride: 'u32',
  offset: 'u32',
  accumulate: 'u32',
  hasBias: 'u32',
} as const;
type FusedField = keyof typeof fusedParams;

/**
 * The fused tiles with their rows held in private memory: four rows of X and H a lane fill at most WGSL's 8 KiB of it, and
 * four blocks of columns use them.
 */
const holdingRows = (backward: boolean) => {
  const inner = ({ K, N }: Sizes<FusedField>) => (backward ? N : K);
  const width = ({ K, N }: Sizes<FusedField>) => (backward ? K : N);
  return {
    name: 'subgroup-8-held',
    needs: ['subgroups'] as const,
    code: outerProductCode + heldProductCode + fusedCode + heldCode,
    prelude: (sizes: Sizes<FusedField>) =>
      `${blocksPrelude(sizes.T)}const INNER4 = ${Math.max(inner(sizes) / 4, 1)}u;\nconst RANK4 = ${Math.max(sizes.R / 4, 1)}u;\n` +
      `const WIDTH_FIRST = ${!backward};\n`,
    supports: (profile: AdapterProfile, sizes: Sizes<FusedField>) =>
      eightLanes(profile, sizes.K, sizes.N, sizes.R, sizes.stride, sizes.offset) &&
      inner(sizes) + sizes.R <= 512 &&
      width(sizes) >= 128,
    // Fewer rows are better off with the smaller tile that the other form has for them.
    suits: (_: AdapterProfile, { T }: Sizes<FusedField>) => T > 16,
    // A few row tiles share out their columns, so that every core has work.
    workgroups: (sizes: Sizes<FusedField>) => {
      const rows = ceilDiv(sizes.T, 32);
      return [Math.min(ceilDiv(width(sizes), 32), ceilDiv(8, rows)), rows] as const;
    },
  };
};

const fusedCases: readonly Sizes<FusedField>[] = [
  { T: 1, K: 1, N: 1, R: 1, E: 1, stride: 9, offset: 1, accumulate: 0, hasBias: 0 },
  { T: 33, K: 7, N: 33, R: 3, E: 3, stride: 150, offset: 7, accumulate: 1, hasBias: 1 },
  { T: 97, K: 12, N: 36, R: 4, E: 2, stride: 400, offset: 16, accumulate: 0, hasBias: 1 },
  { T: 40, K: 68, N: 32, R: 16, E: 5, stride: 1_200, offset: 4, accumulate: 1, hasBias: 0 },
  { T: 129, K: 32, N: 64, R: 8, E: 4, stride: 600, offset: 0, accumulate: 0, hasBias: 0 },
  { T: 5, K: 64, N: 36, R: 8, E: 2, stride: 900, offset: 4, accumulate: 0, hasBias: 1 },
  { T: 20, K: 36, N: 132, R: 4, E: 2, stride: 700, offset: 8, accumulate: 1, hasBias: 0 },
  { T: 70, K: 36, N: 40, R: 12, E: 1, stride: 1_000, offset: 8, accumulate: 1, hasBias: 1 },
  { T: 75, K: 132, N: 140, R: 8, E: 3, stride: 1_200, offset: 4, accumulate: 1, hasBias: 1 },
  { T: 40, K: 128, N: 132, R: 0, E: 1, stride: 4, offset: 0, accumulate: 0, hasBias: 0 },
  { T: 40, K: 0, N: 36, R: 4, E: 2, stride: 400, offset: 16, accumulate: 1, hasBias: 0 },
];

const allInVec4s = ({ K, N, R, stride, offset }: Sizes<FusedField>) => inVec4s(K, N, R, stride, offset);

/**
 * Tiles in workgroup memory and for matrix units, in order of preference. Forward both operands of the base product lie along the inner size,
 * backward W lies across it. `operands` are those of the base product, which the f16 form rounds; the low-rank term is f32.
 * Large tiles leave odd sizes to the small ones.
 */
function gpuTiles(backward: boolean, operands: readonly string[]): Variant<FusedField>[] {
  const width = ({ K, N }: Sizes<FusedField>) => (backward ? K : N);
  const tiles = (name: string, shape: TileShape, half: boolean): Variant<FusedField> => {
    const layout = { leftAlongK: true, rightAlongK: !backward, half };
    return {
      name,
      code: workgroupOperandsCode + workgroupTileCode + workgroupFusedCode,
      prelude: (sizes) => `const BACKWARD = ${backward};\n` + tilePrelude(shape, layout, allInVec4s(sizes)),
      workgroupBytes: () => tileBytes(shape, layout),
      workgroups: (sizes) => [ceilDiv(width(sizes), tileColumns(shape)), ceilDiv(sizes.T, tileRows(shape))],
      ...(half && { needs: ['shader-f16'], halfOperands: operands }),
    };
  };
  const large = {
    supports: (_: AdapterProfile, sizes: Sizes<FusedField>) => allInVec4s(sizes),
    suits: (_: AdapterProfile, sizes: Sizes<FusedField>) => fillsGpu(sizes.T, width(sizes)),
  };
  const matrices = (name: string, tile: MatrixTile): Variant<FusedField> => ({
    ...matrixVariant(
      name,
      tile,
      { leftAlongK: true, rightAlongK: !backward },
      operands,
      `const BACKWARD = ${backward};\n`,
      allInVec4s,
    ),
    code: workgroupOperandsCode + matrixCode + matrixTileCode,
    workgroups: (sizes) => [ceilDiv(width(sizes), matrixTileWidth(tile)), ceilDiv(sizes.T, matrixTileWidth(tile))],
  });
  return [
    { ...matrices('subgroup-matrix', largeMatrixTile), suits: large.suits },
    matrices('subgroup-matrix-small', smallMatrixTile),
    matrices('subgroup-matrix-f32', fullMatrixTile),
    { ...tiles('workgroup-f16', largeTile, true), ...large },
    { ...tiles('workgroup', largeTile, false), ...large },
    tiles('workgroup-small', smallTile, false),
    { ...tiles('workgroup-thin', thinTile, false), suits: (_, { T }) => T <= 32 },
  ];
}

const drawBlocks = ({ T, E }: { T: number; E: number }, uniform: () => number) =>
  Uint32Array.from({ length: ceilDiv(T, 8) }, () => Math.floor(uniform() * E));

const lowRankInputs = {
  arena: { type: 'f32' as const, shape: ({ E, stride }: { E: number; stride: number }) => [E, stride] },
  blocks: { type: 'u32' as const, shape: ({ T }: { T: number }) => [ceilDiv(T, 8)], draw: drawBlocks },
};

/**
 * y (+)= x W^T + h B_e + bias, e = blocks[t / 8]. x (T, K), w (N, K), h (T, R), arena (E, stride) with B_e (R, N) at
 * offset, blocks u32 (ceil(T / 8)), bias (N) when hasBias -> y (T, N), added to when accumulate, else overwritten.
 * Where K is 0 the base product is left out, x and w may be any buffer.
 */
export const loraLinear = defineOp({
  name: 'lora-linear',
  formula: 'y = x W^T + h B_e + bias',
  source,
  params: fusedParams,
  inputs: {
    x: { type: 'f32', shape: ({ T, K }) => [T, K] },
    w: { type: 'f32', shape: ({ N, K }) => [N, K] },
    h: { type: 'f32', shape: ({ T, R }) => [T, R] },
    ...lowRankInputs,
    bias: { type: 'f32', shape: ({ N, hasBias }) => [hasBias ? N : 0], optional: true },
  },
  outputs: { y: { type: 'f32', mode: 'update', shape: ({ T, N }) => [T, N] } },
  variants: [
    holdingRows(false),
    {
      name: 'subgroup-8',
      needs: ['subgroups'],
      code: outerProductCode + fusedCode + forwardCode,
      prelude: ({ T }) => blocksPrelude(T),
      supports: (profile, { K, N, R, stride, offset }) => eightLanes(profile, K, N, R, stride, offset),
      workgroups: ({ T, N }) => [ceilDiv(N, 32), ceilDiv(T, 32)],
    },
    ...gpuTiles(false, ['x', 'w']),
    {
      name: 'plain',
      code: fusedPlainCode,
      constants: () => ({ BACKWARD: 0 }),
      workgroups: ({ T, N }) => [ceilDiv(N, 64), ceilDiv(T, 8)],
    },
  ],
  reference: (sizes, { x, w, h, arena, blocks, bias }, { y }) => ({
    y: reference.forward(sizes, x, w, h, arena, blocks, bias, y),
  }),
  gradient: {
    of: ['x', 'h'],
    reference: (sizes, { w, arena, blocks }, _, { y: dy }) => {
      const { T, K, N, R, stride, offset } = sizes;
      const none = new Float64Array(T * Math.max(R, 1));
      const plain = { ...sizes, accumulate: 0, hasBias: 0 };
      const dh = new Float64Array(T * R);
      for (let t = 0; t < T; t++) {
        const b = blocks[t >> 3] * stride + offset;
        for (let r = 0; r < R; r++) {
          for (let n = 0; n < N; n++) dh[t * R + r] += dy[t * N + n] * arena[b + r * N + n];
        }
      }
      return { x: reference.backward({ ...plain, R: 0 }, dy, w, none, arena, blocks, none, new Float64Array(T * K)), h: dh };
    },
  },
  cases: fusedCases,
  tolerance: { floor: 1e-6, why: 'float32 sums of up to 84 products' },
});

/**
 * dx (+)= dy W + g A_e, e = blocks[t / 8]. dy (T, N), w (N, K), g (T, R), arena (E, stride) with A_e (R, K) at offset,
 * blocks u32 (ceil(T / 8)) -> dx (T, K), added to when accumulate, else overwritten. `bias` (K) is not used in training.
 */
export const loraLinearBackward = defineOp({
  name: 'lora-linear-backward',
  formula: 'dx = dy W + g A_e',
  source,
  params: fusedParams,
  inputs: {
    dy: { type: 'f32', shape: ({ T, N }) => [T, N] },
    w: { type: 'f32', shape: ({ N, K }) => [N, K] },
    g: { type: 'f32', shape: ({ T, R }) => [T, R] },
    ...lowRankInputs,
    bias: { type: 'f32', shape: ({ K, hasBias }) => [hasBias ? K : 0], optional: true },
  },
  outputs: { dx: { type: 'f32', mode: 'update', shape: ({ T, K }) => [T, K] } },
  variants: [
    holdingRows(true),
    {
      name: 'subgroup-8',
      needs: ['subgroups'],
      code: outerProductCode + fusedCode + backwardCode,
      prelude: ({ T }) => blocksPrelude(T),
      supports: (profile, { K, N, R, stride, offset }) => eightLanes(profile, K, N, R, stride, offset),
      workgroups: ({ T, K }) => [ceilDiv(K, 32), ceilDiv(T, 32)],
    },
    ...gpuTiles(true, ['dy', 'w']),
    {
      name: 'plain',
      code: fusedPlainCode,
      constants: () => ({ BACKWARD: 1 }),
      workgroups: ({ T, K }) => [ceilDiv(K, 64), ceilDiv(T, 8)],
    },
  ],
  reference: (sizes, { dy, w, g, arena, blocks, bias }, { dx }) => ({
    dx: reference.backward(sizes, dy, w, g, arena, blocks, bias, dx),
  }),
  gradient: { none: 'second derivatives are not used' },
  cases: fusedCases.map((sizes) => ({ ...sizes, K: sizes.N, N: sizes.K })),
  tolerance: { floor: 1e-6, why: 'float32 sums of up to 84 products' },
});

/**
 * dL_e (+)= sum over segment e of h[t]^T d[t], e = 0 .. E-1; an empty segment gives zeros. h (T, R), d (T, N), segments u32
 * (E, 2) [start, end) -> arena (E, stride): the R * N numbers at offset are overwritten, or where accumulate the sum goes
 * on from them token by token, to the bits of one call over all tokens; the rest stays. For dB pass h and dy, for dA pass
 * g and x.
 */
export const loraGradient = defineOp({
  name: 'lora-linear-gradient',
  formula: 'dL_e = sum_{t in e} h[t]^T d[t]',
  source,
  params: { T: 'u32', R: 'u32', N: 'u32', E: 'u32', stride: 'u32', offset: 'u32', accumulate: 'u32' },
  inputs: {
    h: { type: 'f32', shape: ({ T, R }) => [T, R] },
    d: { type: 'f32', shape: ({ T, N }) => [T, N] },
    segments: { type: 'u32', shape: ({ E }) => [E, 2], draw: drawSegments },
  },
  outputs: { arena: { type: 'f32', mode: 'update', shape: ({ E, stride }) => [E, stride] } },
  variants: [
    {
      name: 'subgroup-8',
      needs: ['subgroups'],
      code: gradientCode,
      supports: (profile, { N, R, stride, offset }) => eightLanes(profile, N, R, stride, offset),
      workgroups: ({ N, R, E }) => [ceilDiv(N, 32), ceilDiv(R, 16), E],
    },
    {
      name: 'workgroup',
      code: workgroupTileCode + workgroupGradientCode,
      prelude: ({ N, R, stride, offset }) => tilePrelude(rankTile, acrossK, inVec4s(N, R, stride, offset)),
      workgroupBytes: () => tileBytes(rankTile, acrossK),
      workgroups: ({ N, R, E }) => [ceilDiv(N, tileColumns(rankTile)), ceilDiv(R, tileRows(rankTile)), E],
    },
    { name: 'plain', code: gradientPlainCode, workgroups: ({ N, R, E }) => [ceilDiv(N, 32), ceilDiv(R, 2), E] },
  ],
  reference: (sizes, { h, d, segments }, { arena }) => ({ arena: reference.gradient(sizes, h, d, segments, arena) }),
  gradient: { none: 'itself a gradient; lora-linear and lora-linear-project check it through theirs' },
  cases: [
    { T: 1, R: 1, N: 1, E: 1, stride: 5, offset: 2, accumulate: 0 },
    { T: 33, R: 3, N: 7, E: 2, stride: 33, offset: 5, accumulate: 0 },
    { T: 33, R: 3, N: 7, E: 2, stride: 33, offset: 5, accumulate: 1 },
    { T: 97, R: 4, N: 36, E: 3, stride: 200, offset: 8, accumulate: 1 },
    { T: 129, R: 16, N: 32, E: 2, stride: 600, offset: 12, accumulate: 0 },
    { T: 64, R: 20, N: 64, E: 5, stride: 1_300, offset: 0, accumulate: 0 },
    { T: 64, R: 20, N: 64, E: 5, stride: 1_300, offset: 0, accumulate: 1 },
  ],
  tolerance: { floor: 1e-6, why: 'float32 sums over at most 72 tokens' },
});
