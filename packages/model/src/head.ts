/**
 * The language-model head: final norm, logits and cross-entropy. Logits exist for one chunk of rows at a time, so that a
 * large vocabulary never needs (T, V) at once.
 */

import {
  crossEntropy,
  matmulNN,
  matmulNT,
  matmulTN,
  rmsNorm,
  rmsNormBackward,
  rmsNormBackwardWeight,
  type Recording,
} from '@seal/kernels';
import { createStorage } from './buffers.ts';
import type { Step } from './linears.ts';
import type { Model, ParameterArena } from './model.ts';
import { headTensor } from './parameters.ts';
import type { BatchTables } from './tables.ts';
import type { Activations, Gradients } from './transformer.ts';

/** Bytes that the logits of a chunk may take. */
const CHUNK_BYTES = 32 * 1024 * 1024;
/** Chunks start at multiples of this many rows, so that every operand's offset is a multiple of 256 bytes. */
const ROW_MULTIPLE = 64;

/** Buffers of the head for training. Owns them until `destroy`. */
export class HeadBuffers {
  readonly chunkRows: number;
  readonly hidden: GPUBuffer;
  readonly inverseRms: GPUBuffer;
  readonly logits: GPUBuffer;
  readonly dLogits: GPUBuffer;
  readonly dHidden: GPUBuffer;
  /** f32 (T): weighted loss of every token. */
  readonly loss: GPUBuffer;

  constructor(device: GPUDevice, { vocabSize: V, hiddenSize: C }: { vocabSize: number; hiddenSize: number }, tokens: number) {
    const fitting = Math.floor(CHUNK_BYTES / (4 * V) / ROW_MULTIPLE) * ROW_MULTIPLE;
    this.chunkRows = Math.min(tokens, Math.max(fitting, ROW_MULTIPLE));
    this.hidden = createStorage(device, 'final hidden', tokens * C);
    this.inverseRms = createStorage(device, 'final inverse rms', tokens);
    this.logits = createStorage(device, 'logits', this.chunkRows * V);
    this.dLogits = createStorage(device, 'd logits', this.chunkRows * V);
    this.dHidden = createStorage(device, 'd final hidden', tokens * C);
    this.loss = createStorage(device, 'loss', tokens);
  }

  destroy(): void {
    const { hidden, inverseRms, logits, dLogits, dHidden, loss } = this;
    for (const buffer of [hidden, inverseRms, logits, dLogits, dHidden, loss]) buffer.destroy();
  }
}

/**
 * Records every token's weighted loss and the gradient of the residual stream. With `trained` the gradients of the head
 * and of the final norm are added there; the batch must then fill the capacity.
 */
export function recordLoss(
  record: Recording<Step>,
  model: Model,
  activations: Activations,
  gradients: Gradients,
  head: HeadBuffers,
  tables: BatchTables,
  trained: ParameterArena | null,
): void {
  const { vocabSize: V, hiddenSize: C, rmsNormEps: eps } = model.config;
  const T = activations.tokens;
  const x = activations.output;
  const normWeight = model.weight('model.norm.weight');
  const byTokens = ({ tokens }: Step) => ({ T: tokens });
  const { hidden, inverseRms, logits, dLogits, dHidden } = head;
  record.run(rmsNorm, { T, C, eps }, { x, weight: normWeight, y: hidden, inverseRms }, byTokens);
  const weight = model.weight(headTensor(model.config));
  for (let start = 0; start < T; start += head.chunkRows) {
    const M = Math.min(head.chunkRows, T - start);
    const rowsOf = (buffer: GPUBuffer, width: number) => ({ buffer, offset: start * width * 4, size: M * width * 4 });
    const inChunk = ({ tokens }: Step) => Math.max(0, Math.min(tokens - start, M));
    const byRows = (step: Step) => ({ M: inChunk(step) });
    const linear = { accumulate: 0, hasBias: 0 };
    record.run(matmulNT, { M, N: V, K: C, ...linear }, { a: rowsOf(hidden, C), b: weight, c: logits }, byRows);
    record.run(
      crossEntropy,
      { T: M, V },
      {
        logits,
        targets: rowsOf(tables.targets, 1),
        weight: rowsOf(tables.lossWeights, 1),
        loss: rowsOf(head.loss, 1),
        dlogits: dLogits,
      },
      (step) => ({ T: inChunk(step) }),
    );
    record.run(matmulNN, { M, N: C, K: V, ...linear }, { a: dLogits, b: weight, c: rowsOf(dHidden, C) }, byRows);
    if (!trained) continue;
    const c = trained.slice(headTensor(model.config));
    record.run(matmulTN, { M: V, N: C, K: M, accumulate: 1, hasBias: 0 }, { a: dLogits, b: rowsOf(hidden, C), c });
  }
  record.clear(gradients.stream);
  record.run(rmsNormBackward, { T, C }, { x, weight: normWeight, inverseRms, dy: dHidden, dx: gradients.stream }, byTokens);
  if (!trained) return;
  const dweight = trained.slice('model.norm.weight');
  record.run(rmsNormBackwardWeight, { T, C }, { x, inverseRms, dy: dHidden, dweight });
}
