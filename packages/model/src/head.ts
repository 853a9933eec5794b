/**
 * The language-model head: final norm, logits and cross-entropy. Logits exist for one chunk of rows at a time, and their
 * gradient takes their place, so that a large vocabulary never needs (T, V) at once.
 */

import { crossEntropy, part, rmsNorm, rmsNormBackward, rmsNormBackwardWeight, type Slice } from '@seal/kernels';
import { evenChunkRows } from './chunks.ts';
import type { Step } from './step.ts';
import type { ParameterArena } from './arena.ts';
import { headTensor } from './parameters.ts';
import { multiplyBackward, multiplyTransposed, multiplyWeightGradient } from './products.ts';
import type { BatchTables } from './tables.ts';
import type { Pass } from './transformer.ts';

/**
 * Records every token's weighted loss, f32 (T), and the gradient by the residual stream `x`, (T, C). With `trained` the
 * gradients of the head and of the final norm are added there; the batch must then fill the capacity.
 */
export function recordLoss(
  { record, model, tokens: T }: Pass,
  x: Slice,
  tables: BatchTables,
  trained: ParameterArena | null,
): { readonly loss: Slice; readonly dStream: Slice } {
  const { vocabSize: V, hiddenSize: C, rmsNormEps: eps, normOffset: offset } = model.config;
  const byTokens = ({ tokens }: Step) => ({ T: tokens });
  const normWeight = model.weight('model.norm.weight');
  const hidden = record.temporary('final hidden', T * C);
  const inverseRms = record.temporary('final inverse rms', T);
  record.run(rmsNorm, { T, C, eps, offset }, { x, weight: normWeight, y: hidden, inverseRms }, byTokens);

  const weight = model.matrix(headTensor(model.config));
  const loss = record.temporary('loss', T);
  const dHidden = record.temporary('d final hidden', T * C);
  const rows = evenChunkRows(V, T);
  for (let start = 0; start < T; start += rows) {
    const M = Math.min(rows, T - start);
    const rowsOf = (slice: Slice, width: number) => part(slice, start * width * 4, M * width * 4);
    const inChunk = ({ tokens }: Step) => Math.max(0, Math.min(tokens - start, M));
    const chunk = { M, dynamic: (step: Step) => ({ M: inChunk(step) }) };
    const logits = record.temporary('logits', M * V);
    multiplyTransposed(record, chunk, rowsOf(hidden, C), weight, logits);
    const operands = { targets: rowsOf(tables.targets, 1), weight: rowsOf(tables.lossWeights, 1), loss: rowsOf(loss, 1), logits };
    record.run(crossEntropy, { T: M, V }, operands, (step) => ({ T: inChunk(step) }));
    multiplyBackward(record, chunk, logits, weight, rowsOf(dHidden, C), false);
    if (!trained) continue;
    multiplyWeightGradient(record, M, logits, rowsOf(hidden, C), trained.matrix(headTensor(model.config)), true);
  }

  const dStream = record.temporary('d residual stream', T * C);
  record.clear(dStream);
  record.run(rmsNormBackward, { T, C, offset }, { x, weight: normWeight, inverseRms, dy: dHidden, dx: dStream }, byTokens);
  if (trained) {
    const dweight = trained.slice('model.norm.weight');
    record.run(rmsNormBackwardWeight, { T, C }, { x, inverseRms, dy: dHidden, dweight });
  }
  return { loss, dStream };
}
