/** What is measured: ops at the shapes of the tiny model's training step, shapes to compare at, and on GPUs larger ones. */

import {
  adamw,
  attention,
  attentionBackwardKeyValue,
  attentionBackwardQuery,
  attentionDelta,
  crossEntropy,
  dequantise,
  loraGradient,
  loraLinear,
  loraLinearBackward,
  loraProject,
  matmulNN,
  matmulNT,
  matmulTN,
  quantisedMatmulNT,
  rmsNorm,
  rmsNormBackward,
  swiglu,
  swigluBackward,
  WEIGHT_FORMATS,
  type AnyOp,
  type Numbers,
  type Sizes,
  type Variant,
} from '@seal/kernels';
import plainTileNN from './plain-tile-nn.wgsl.ts';
import plainTileNT from './plain-tile-nt.wgsl.ts';
import plainTileTN from './plain-tile-tn.wgsl.ts';

/** One op at one shape. */
export interface BenchCase {
  readonly op: AnyOp;
  readonly layout: Layout | null;
  /** Sizes as a reader wants them, `512x512x512` for matmul (M x N x K). */
  readonly shape: string;
  readonly sizes: Sizes<string>;
  /** Inputs that must not be drawn as the conformance suite draws them. */
  readonly inputs: Readonly<Record<string, Numbers>>;
  /** Additions, multiplications and function calls that the formula needs. */
  readonly flops: number;
  /** Elements of an array whose copy the op is compared with. */
  readonly copied?: number;
  /** The same for other libraries. */
  readonly problem?: Problem;
  /** Other libraries take turns where they are there. */
  readonly compared?: true;
  /** Too large for a float64 reference: variants are held to the last one, which smaller cases hold to the reference. */
  readonly large?: true;
  /** The whole backward pass is measured against the forward pass too. */
  readonly passes?: true;
}

/** What another library is asked to compute, with the case's own numbers. */
export type Problem =
  | { readonly kind: 'matmul'; readonly layout: Layout; readonly M: number; readonly N: number; readonly K: number }
  /** y = x W^T + h B_e, T / E tokens an adapter. */
  | { readonly kind: 'lora-linear'; readonly T: number; readonly K: number; readonly N: number; readonly R: number; readonly E: number }
  /** Causal, one sequence, as many key/value heads as query heads. */
  | { readonly kind: 'attention'; readonly T: number; readonly H: number; readonly D: number; readonly scale: number }
  | { readonly kind: 'rms-norm'; readonly T: number; readonly C: number; readonly eps: number };

/** Name of the variant that matmul rows are compared with. */
export const PLAIN_TILE = 'plain-tile';

/** Which operands of a matmul are stored transposed. */
export type Layout = 'nn' | 'nt' | 'tn';
const matmuls = {
  nn: withPlainTile(matmulNN, plainTileNN),
  nt: withPlainTile(matmulNT, plainTileNT),
  tn: withPlainTile(matmulTN, plainTileTN),
};

function withPlainTile(op: AnyOp, code: string): AnyOp {
  const variant: Variant<'M' | 'N' | 'K' | 'accumulate' | 'hasBias'> = {
    name: PLAIN_TILE,
    code,
    supports: (_, { M, N, K, accumulate, hasBias }) =>
      M % 32 === 0 && N % 64 === 0 && K % 4 === 0 && accumulate === 0 && hasBias === 0,
    workgroups: ({ M, N }) => [N / 64, M / 32],
  };
  return { ...op, variants: [...op.variants, variant] };
}

function matmul(layout: Layout, M: number, N: number, K: number): BenchCase {
  const sizes = { M, N, K, accumulate: 0, hasBias: 0, lda: layout === 'tn' ? M : K, ldc: N };
  const problem = { kind: 'matmul' as const, layout, M, N, K };
  return { op: matmuls[layout], layout, shape: `${M}x${N}x${K}`, sizes, inputs: {}, flops: 2 * M * N * K, problem };
}

/** T tokens in sequences of `length`, the last one shorter where it does not divide T. */
function sequences(T: number, length: number): { readonly bounds: Uint32Array; readonly pairs: number } {
  const bounds = new Uint32Array(2 * T);
  let pairs = 0;
  for (let t = 0; t < T; t++) {
    const start = t - (t % length);
    bounds.set([start, Math.min(start + length, T)], 2 * t);
    pairs += t - start + 1;
  }
  return { bounds, pairs };
}

/** The three passes of causal attention over T tokens in sequences of `length`, H query and K key/value heads of D. */
export function attentionCases(T: number, length: number, [H, K, D]: readonly [number, number, number] = [4, 2, 32]): BenchCase[] {
  const { bounds, pairs } = sequences(T, length);
  const of = (op: AnyOp, products: number): BenchCase => ({
    op,
    layout: null,
    shape: `T=${T} sequence=${length} H=${H} K=${K} D=${D}`,
    sizes: { T, H, K, D, window: 0, scale: D ** -0.5 },
    inputs: { bounds },
    flops: products * 2 * D * H * pairs,
  });
  const problem = { kind: 'attention' as const, T, H, D, scale: D ** -0.5 };
  return [
    { ...of(attention, 2), ...(length === T && { passes: true }), ...(length === T && H === K && { problem, compared: true }) },
    of(attentionBackwardQuery, 3),
    of(attentionBackwardKeyValue, 4),
  ];
}

/** The four ops of one adapted linear layer (K in, N out), E adapters with T / E tokens each. */
export function loraCases(T: number, K: number, N: number, E: number, R: number): BenchCase[] {
  const each = T / E;
  const stride = R * (K + N);
  const tiles: number[] = [];
  for (let adapter = 0; adapter < E; adapter++) {
    const end = (adapter + 1) * each;
    for (let start = adapter * each; start < end; start += 32) tiles.push(adapter, start, Math.min(start + 32, end));
  }
  const segments = Uint32Array.from({ length: 2 * E }, (_, i) => ((i >> 1) + (i % 2)) * each);
  const blocks = Uint32Array.from({ length: T / 8 }, (_, i) => Math.floor((i * 8) / each));
  const shape = `T=${T} K=${K} N=${N} E=${E} R=${R}`;
  const common = { layout: null, shape, inputs: { tiles: Uint32Array.from(tiles), segments, blocks } };
  const fused = { T, K, N, R, E, stride, offset: 0, accumulate: 0, hasBias: 0 };
  return [
    { ...common, op: loraProject, sizes: { T, K, R, E, stride, offset: 0, tiles: tiles.length / 3 }, flops: 2 * T * K * R },
    { ...common, op: loraLinear, sizes: fused, flops: 2 * T * N * (K + R), problem: { kind: 'lora-linear', T, K, N, R, E } },
    { ...common, op: loraLinearBackward, sizes: fused, flops: 2 * T * K * (N + R) },
    { ...common, op: loraGradient, sizes: { T, R, N, E, stride, offset: 0, accumulate: 0 }, flops: 2 * T * N * R },
  ];
}

/** Few rows against N rows of K weights, as float32 and in each held format, and the conversion alone. */
function heldCases(N: number, K: number): BenchCase[] {
  const rows = [1, 8, 32];
  return [
    ...rows.map((M) => matmul('nt', M, N, K)),
    ...WEIGHT_FORMATS.flatMap((name, format) => [
      ...rows.map((M) => {
        const sizes = { M, N, K, format, hasBias: 0, ldc: N };
        return { op: quantisedMatmulNT, layout: null, shape: `${M}x${N}x${K} ${name}`, sizes, inputs: {}, flops: 2 * M * N * K };
      }),
      elementwise(dequantise, `${N}x${K} ${name}`, { N, K, format }, N * K, 2),
    ]),
  ];
}

/** Row and element ops; `perElement` counts an exponential, a division and a root as one each. */
export function elementwise(op: AnyOp, shape: string, sizes: Sizes<string>, elements: number, perElement: number): BenchCase {
  return { op, layout: null, shape, sizes, inputs: {}, flops: elements * perElement };
}

/** Shapes of a model with 10^9 parameters (hidden 2,048, feed-forward 8,192, 32 query and 8 key/value heads), and 4,096^3. */
function gpuCases(): BenchCase[] {
  const layouts: readonly Layout[] = ['nn', 'nt', 'tn'];
  return [
    ...layouts.map((layout) => matmul(layout, 4_096, 4_096, 4_096)),
    ...[512, 2_048, 8_192].flatMap((T) => [matmul('nt', T, 2_048, 2_048), ...loraCases(T, 2_048, 2_048, 32, 32)]),
    ...attentionCases(2_048, 2_048, [32, 8, 128]),
  ].map((one) => ({ ...one, large: true, ...(one.problem && { compared: true }) }));
}

/** Every case for a software adapter or a GPU, in the order of the report. */
export function kernelCases(software: boolean): BenchCase[] {
  const T = 2_048;
  const E = 16;
  const P = 100_000;
  const ones = (length: number, value = 1) => new Float64Array(length).fill(value);
  const layouts: readonly Layout[] = ['nn', 'nt', 'tn'];
  return [
    ...layouts.map((layout) => ({ ...matmul(layout, 512, 512, 512), compared: true as const })),
    ...layouts.flatMap((layout) => [matmul(layout, T, 128, 128), matmul(layout, T, 128, 256)]),
    ...layouts.map((layout) => matmul(layout, T, 404, 128)),
    ...loraCases(T, 128, 128, E, 16),
    ...loraCases(T, 128, 256, E, 16).map((one) => ({ ...one, ...(one.problem && { compared: true as const }) })),
    ...[14, 60, 256].flatMap((length) => attentionCases(T, length)),
    ...attentionCases(128, 128, [64, 64, 32]),
    ...heldCases(1_024, 1_024),
    elementwise(attentionDelta, `T=${T} H=4 D=32`, { T, H: 4, D: 32 }, T * 128, 2),
    {
      ...elementwise(rmsNorm, `T=${T} C=128`, { T, C: 128, eps: 1e-5 }, T * 128, 4),
      copied: T * 128,
      problem: { kind: 'rms-norm', T, C: 128, eps: 1e-5 },
      compared: true,
    },
    elementwise(rmsNormBackward, `T=${T} C=128`, { T, C: 128 }, T * 128, 7),
    elementwise(swiglu, `T=${T} F=256`, { T, F: 256 }, T * 256, 5),
    elementwise(swigluBackward, `T=${T} F=256`, { T, F: 256 }, T * 256, 11),
    {
      ...elementwise(crossEntropy, `T=${T} V=404`, { T, V: 404 }, T * 404, 7),
      inputs: { weight: ones(T) },
      copied: T * 404,
    },
    {
      ...elementwise(
        adamw,
        `E=${E} P=${P}`,
        { E, P, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, decayElements: P, maxNorm: 1 },
        E * P,
        14,
      ),
      // Every adapter is active and finite: an idle one costs nothing.
      inputs: {
        squaredNorm: ones(E, 4),
        schedule: Float64Array.from({ length: 4 * E }, (_, i) => [1e-3, 0.1, 0.001, 1].at(i % 4) ?? 0),
      },
    },
    ...(software ? [] : gpuCases()),
  ];
}
