/** What is measured: an op at one shape, and the shapes of the ops that come in groups. */

import {
  attention,
  attentionBackwardKeyValue,
  attentionBackwardQuery,
  loraGradient,
  loraLinear,
  loraLinearBackward,
  loraProject,
  matmulTN,
  type AnyOp,
  type Numbers,
  type Sizes,
} from '@seal/kernels';

/** One op at one shape. */
export interface KernelCase {
  readonly op: AnyOp;
  /** Sizes as a reader wants them, `512x512x512` for matmul (M x N x K). */
  readonly shape: string;
  readonly sizes: Sizes<string>;
  /** Inputs that must not be drawn as the conformance suite draws them. */
  readonly inputs: Readonly<Record<string, Numbers>>;
  /** Additions, multiplications and function calls that the formula needs. */
  readonly flops: number;
  /** Too large for a float64 reference: variants are held to the last one, which smaller cases hold to the reference. */
  readonly large?: true;
}

/** A product without bias that overwrites C. */
export function matmulCase(op: AnyOp, M: number, N: number, K: number): KernelCase {
  const sizes = { M, N, K, accumulate: 0, hasBias: 0, lda: op.name === matmulTN.name ? M : K, ldc: N };
  return { op, shape: `${M}x${N}x${K}`, sizes, inputs: {}, flops: 2 * M * N * K };
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
export function attentionCases(T: number, length: number, [H, K, D]: readonly [number, number, number] = [4, 2, 32]): KernelCase[] {
  const { bounds, pairs } = sequences(T, length);
  const of = (op: AnyOp, products: number): KernelCase => ({
    op,
    shape: `T=${T} sequence=${length} H=${H} K=${K} D=${D}`,
    sizes: { T, H, K, D, window: 0, scale: D ** -0.5 },
    inputs: { bounds },
    flops: products * 2 * D * H * pairs,
  });
  return [of(attention, 2), of(attentionBackwardQuery, 3), of(attentionBackwardKeyValue, 4)];
}

/** The four ops of one adapted linear layer (K in, N out), E adapters with T / E tokens each. */
export function loraCases(T: number, K: number, N: number, E: number, R: number): KernelCase[] {
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
  const common = { shape, inputs: { tiles: Uint32Array.from(tiles), segments, blocks } };
  const fused = { T, K, N, R, E, stride, offset: 0, accumulate: 0, hasBias: 0 };
  return [
    { ...common, op: loraProject, sizes: { T, K, R, E, stride, offset: 0, tiles: tiles.length / 3 }, flops: 2 * T * K * R },
    { ...common, op: loraLinear, sizes: fused, flops: 2 * T * N * (K + R) },
    { ...common, op: loraLinearBackward, sizes: fused, flops: 2 * T * K * (N + R) },
    { ...common, op: loraGradient, sizes: { T, R, N, E, stride, offset: 0, accumulate: 0 }, flops: 2 * T * N * R },
  ];
}

/** Row and element ops; `perElement` counts an exponential, a division and a root as one each. */
export function elementwise(op: AnyOp, shape: string, sizes: Sizes<string>, elements: number, perElement: number): KernelCase {
  return { op, shape, sizes, inputs: {}, flops: elements * perElement };
}
