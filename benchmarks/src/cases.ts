/** What is measured: ops at the shapes of the tiny model's training step, shapes to compare at, and on GPUs larger ones. */

import {
  adamw,
  attention,
  attentionDelta,
  crossEntropy,
  dequantise,
  geglu,
  gegluBackward,
  loraLinear,
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
  type Variant,
} from '@seal/kernels';
import { attentionCases, elementwise, loraCases, matmulCase, type KernelCase } from '@seal/tuner';
import plainTileNN from './plain-tile-nn.wgsl.ts';
import plainTileNT from './plain-tile-nt.wgsl.ts';
import plainTileTN from './plain-tile-tn.wgsl.ts';

/** One op at one shape, and what it is compared with. */
export interface BenchCase extends KernelCase {
  readonly layout: Layout | null;
  /** Elements of an array whose copy the op is compared with. */
  readonly copied?: number;
  /** The same for other libraries. */
  readonly problem?: Problem;
  /** Other libraries take turns where they are there. */
  readonly compared?: true;
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
  return { ...matmulCase(matmuls[layout], M, N, K), layout, problem: { kind: 'matmul', layout, M, N, K } };
}

const plain = (one: KernelCase): BenchCase => ({ ...one, layout: null });

/** The passes of attention; the forward one of a single sequence is set against the backward pass and other libraries. */
function attentions(T: number, length: number, [H, K, D]: readonly [number, number, number] = [4, 2, 32]): BenchCase[] {
  return attentionCases(T, length, [H, K, D]).map((one) => {
    if (one.op !== attention || length !== T) return plain(one);
    const problem = { kind: 'attention' as const, T, H, D, scale: D ** -0.5 };
    return { ...plain(one), passes: true, ...(H === K && { problem, compared: true }) };
  });
}

function loras(T: number, K: number, N: number, E: number, R: number): BenchCase[] {
  return loraCases(T, K, N, E, R).map((one) => ({ ...plain(one), ...(one.op === loraLinear && { problem: { kind: 'lora-linear', T, K, N, R, E } }) }));
}

function elements(...parts: Parameters<typeof elementwise>): BenchCase {
  return plain(elementwise(...parts));
}

/** Few rows against N rows of K weights, as float32 and in each quantised format, and the conversion alone. */
function quantisedCases(N: number, K: number): BenchCase[] {
  const rows = [1, 8, 32];
  return [
    ...rows.map((M) => matmul('nt', M, N, K)),
    ...WEIGHT_FORMATS.flatMap((name, format) => [
      ...rows.map((M) => {
        const sizes = { M, N, K, format, hasBias: 0, ldc: N };
        return { op: quantisedMatmulNT, layout: null, shape: `${M}x${N}x${K} ${name}`, sizes, inputs: {}, flops: 2 * M * N * K };
      }),
      elements(dequantise, `${N}x${K} ${name}`, { N, K, format }, N * K, 2),
    ]),
  ];
}

/** Shapes of a model with 10^9 parameters (hidden 2,048, feed-forward 8,192, 32 query and 8 key/value heads), and 4,096^3. */
function gpuCases(): BenchCase[] {
  const layouts: readonly Layout[] = ['nn', 'nt', 'tn'];
  return [
    ...layouts.map((layout) => matmul(layout, 4_096, 4_096, 4_096)),
    ...[512, 2_048, 8_192].flatMap((T) => [matmul('nt', T, 2_048, 2_048), ...loras(T, 2_048, 2_048, 32, 32)]),
    ...attentions(2_048, 2_048, [32, 8, 128]),
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
    ...loras(T, 128, 128, E, 16),
    ...loras(T, 128, 256, E, 16).map((one) => ({ ...one, ...(one.problem && { compared: true as const }) })),
    ...[14, 60, 256].flatMap((length) => attentions(T, length)),
    ...attentions(128, 128, [64, 64, 32]),
    ...quantisedCases(1_024, 1_024),
    elements(attentionDelta, `T=${T} H=4 D=32`, { T, H: 4, D: 32 }, T * 128, 2),
    {
      ...elements(rmsNorm, `T=${T} C=128`, { T, C: 128, eps: 1e-5, offset: 0 }, T * 128, 4),
      copied: T * 128,
      problem: { kind: 'rms-norm', T, C: 128, eps: 1e-5 },
      compared: true,
    },
    elements(rmsNormBackward, `T=${T} C=128`, { T, C: 128, offset: 0 }, T * 128, 7),
    elements(swiglu, `T=${T} F=256`, { T, F: 256 }, T * 256, 5),
    elements(swigluBackward, `T=${T} F=256`, { T, F: 256 }, T * 256, 11),
    elements(geglu, `T=${T} F=256`, { T, F: 256 }, T * 256, 9),
    elements(gegluBackward, `T=${T} F=256`, { T, F: 256 }, T * 256, 18),
    {
      ...elements(crossEntropy, `T=${T} V=404`, { T, V: 404 }, T * 404, 7),
      inputs: { weight: ones(T) },
      copied: T * 404,
    },
    {
      ...elements(
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
