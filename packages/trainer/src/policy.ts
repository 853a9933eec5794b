/** The policy's own fine-tuning: LoRA on the kept self-edits, then merged into the weights. */

import type { Random } from '@seal/files';
import { digest } from '@seal/files/node';
import {
  initialAdapter,
  loraLayout,
  mergeAdapter,
  parseAdapterFile,
  type AdapterValues,
  type HostWeights,
  type LoraConfig,
  type Model,
  type ModelConfig,
  type TokenSequence,
} from '@seal/model';
import { fineTuneAdapter, stepsPerEpoch } from './fine-tuning.ts';

/** How the policy is fine-tuned. */
export interface SftSettings {
  readonly lora: LoraConfig;
  readonly learningRate: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly tokensPerStep: number;
  readonly recompute?: boolean;
}

/** The trained adapter and its loss at every step. */
export interface SftResult {
  readonly values: AdapterValues;
  readonly losses: number[];
}

/**
 * Trains one fresh adapter on the documents: every epoch in a new random order, the learning rate falling linearly to 0.
 * Throws RangeError without documents or for a batch that does not fit, and a problem of kind `training` when the loss stops being finite.
 */
export async function fineTune(
  model: Model,
  documents: readonly TokenSequence[],
  { lora, learningRate, epochs, batchSize, tokensPerStep, recompute = false }: SftSettings,
  random: Random,
  signal?: AbortSignal,
): Promise<SftResult> {
  const steps = epochs * stepsPerEpoch(documents.length, batchSize);
  const initial = initialAdapter(loraLayout(model.config, lora), lora.rank, () => random.next());
  const epochOrder = Array.from({ length: epochs }, () => random.shuffle([...documents.keys()]));
  const perEpoch = stepsPerEpoch(documents.length, batchSize);
  const order = (step: number) => {
    const first = (step % perEpoch) * batchSize;
    return (epochOrder[Math.floor(step / perEpoch)] ?? []).slice(first, first + batchSize);
  };
  const losses: number[] = [];
  const values = await fineTuneAdapter(
    model,
    lora,
    documents,
    { learningRate, schedule: 'linear', warmUpSteps: 0, steps, order, tokens: tokensPerStep, recompute, setting: 'outer.sft' },
    { step: 0, values: initial },
    { onSteps: (_, taken) => void losses.push(...taken), signal },
  );
  return { values, losses };
}

/** The policy's weights with one more round's adapter file merged in. `place` names the file in messages. */
export function afterRound(
  weights: HostWeights,
  config: ModelConfig,
  lora: LoraConfig,
  adapter: Uint8Array,
  place: string,
): Map<string, Float32Array> {
  const layout = loraLayout(config, lora);
  return mergeAdapter(weights, layout, lora, parseAdapterFile(adapter, layout, lora.rank, place));
}

/** SHA-256 over the tensors' names and bytes in order of name. */
export function weightsDigest(weights: HostWeights): string {
  const tensors = [...weights].sort(([a], [b]) => (a < b ? -1 : 1));
  return digest(
    tensors.map(([name, { buffer, byteOffset, byteLength }]) => [name, digest(new Uint8Array(buffer, byteOffset, byteLength))]),
  );
}
