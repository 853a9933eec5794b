/** The ops of a model's training step and of its answers, at that model's shapes. */

import {
  adamw,
  attentionDecode,
  crossEntropy,
  geglu,
  gegluBackward,
  matmulNN,
  matmulNT,
  matmulTN,
  rmsNorm,
  rmsNormBackward,
  rope,
  swiglu,
  swigluBackward,
} from '@seal/kernels';
import { PROJECTIONS, projectionShape, type ModelConfig } from '@seal/model';
import { attentionCases, elementwise, loraCases, matmulCase, type KernelCase } from './cases.ts';

/** Sequences that a step packs are about so long, and adapters share it so many at a time. */
const SEQUENCE = 64;
const ADAPTERS = 8;
/** Rows that logits are computed for at once. */
const HEAD_ROWS = 256;
/** Beyond so many operations a float64 reference takes longer than the measurement. */
const REFERENCE_FLOPS = 1e8;

/** Every op that may run in more than one way, for steps of `tokens` tokens (a multiple of 64) and adapters of `rank`. */
export function modelCases(config: ModelConfig, tokens: number, rank: number): KernelCase[] {
  const { hiddenSize: C, intermediateSize: F, vocabSize: V, numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = config;
  const T = tokens;
  const P = rank * (C + F);
  const shapes = new Map(PROJECTIONS.map((p) => [String(projectionShape(config, p)), projectionShape(config, p)]));
  const rows = Math.min(T, HEAD_ROWS);
  const slots = 32;
  const decode = { B: slots, H, K, D, S: SEQUENCE, slots, window: 0, scale: D ** -0.5 };
  const adam = { E: ADAPTERS, P, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, decayElements: P, maxNorm: 1 };
  const cases = [
    ...[...shapes.values()].flatMap(([N, inner]) => [
      ...loraCases(T, inner, N, ADAPTERS, rank),
      matmulCase(matmulNT, T, N, inner),
      matmulCase(matmulNN, T, inner, N),
      matmulCase(matmulTN, N, inner, T),
    ]),
    matmulCase(matmulNT, rows, V, C),
    matmulCase(matmulNN, rows, C, V),
    ...attentionCases(T, SEQUENCE, [H, K, D]),
    elementwise(attentionDecode, `B=${slots} S=${SEQUENCE} H=${H} K=${K} D=${D}`, decode, slots * H * D * SEQUENCE, 4),
    elementwise(rmsNorm, `T=${T} C=${C}`, { T, C, eps: config.rmsNormEps, offset: config.normOffset }, T * C, 4),
    elementwise(rmsNormBackward, `T=${T} C=${C}`, { T, C, offset: config.normOffset }, T * C, 7),
    elementwise(rope, `T=${T} H=${H} D=${D}`, { T, H, D, P: T }, T * H * D, 3),
    ...(config.activation === 'silu'
      ? [elementwise(swiglu, `T=${T} F=${F}`, { T, F }, T * F, 5), elementwise(swigluBackward, `T=${T} F=${F}`, { T, F }, T * F, 11)]
      : [elementwise(geglu, `T=${T} F=${F}`, { T, F }, T * F, 9), elementwise(gegluBackward, `T=${T} F=${F}`, { T, F }, T * F, 18)]),
    elementwise(crossEntropy, `T=${rows} V=${V}`, { T: rows, V }, rows * V, 7),
    elementwise(adamw, `E=${ADAPTERS} P=${P}`, adam, ADAPTERS * P, 14),
  ];
  const distinct = new Map(cases.map((one) => [`${one.op.name} ${JSON.stringify(one.sizes)}`, one]));
  return [...distinct.values()].map((one) => (one.flops > REFERENCE_FLOPS ? { ...one, large: true } : one));
}
