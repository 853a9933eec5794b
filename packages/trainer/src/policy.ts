/** The policy's own fine-tuning: LoRA on the kept self-edits, then merged into the weights. */

import type { Random } from '@seal/files';
import {
  initialAdapter,
  loraLayout,
  LoraPack,
  LoraTrainer,
  mergeAdapter,
  parseAdapterFile,
  segmentTokens,
  type AdapterValues,
  type HostWeights,
  type ModelConfig,
  type LoraConfig,
  type Model,
  type Segment,
  type TokenSequence,
} from '@seal/model';
import { STEPS_IN_FLIGHT } from './inner-loop.ts';
import { scheduledRate } from './schedules.ts';
import { adapterStepper, takeSteps } from './steps.ts';

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
 * Throws RangeError without documents or for a batch that does not fit, and Error when the loss stops being finite.
 */
export async function fineTune(
  model: Model,
  documents: readonly TokenSequence[],
  settings: SftSettings,
  random: Random,
  signal?: AbortSignal,
): Promise<SftResult> {
  if (documents.length === 0) throw new RangeError('Cannot fine-tune on no examples');
  const perEpoch = Math.ceil(documents.length / settings.batchSize);
  const steps = settings.epochs * perEpoch;
  const pack = new LoraPack(model.gpu.device, model.config, settings.lora, 1);
  const trainer = new LoraTrainer(model, pack, { tokens: settings.tokensPerStep, steps: STEPS_IN_FLIGHT, recompute: settings.recompute ?? false });
  const losses: number[] = [];
  let order: TokenSequence[] = [];
  const nextSegment = (step: number): Segment => {
    const batch = step % perEpoch;
    if (batch === 0) order = random.shuffle(documents);
    const segment = order.slice(batch * settings.batchSize, (batch + 1) * settings.batchSize);
    const tokens = segmentTokens(segment);
    if (tokens > settings.tokensPerStep) {
      throw new RangeError(`Cannot fine-tune on a batch of ${tokens} tokens: sft.tokensPerStep is ${settings.tokensPerStep}`);
    }
    return segment;
  };
  try {
    trainer.begin([initialAdapter(pack.layout, settings.lora.rank, () => random.next())]);
    await takeSteps(adapterStepper(trainer), {
      from: 0,
      to: steps,
      chunk: STEPS_IN_FLIGHT,
      segment: nextSegment,
      learningRate: (step) => scheduledRate(step, { learningRate: settings.learningRate, schedule: 'linear', warmUpSteps: 0, steps }),
      onSteps: (_, taken) => losses.push(...taken),
      diverged: (step) => new Error(`Cannot fine-tune the policy: the loss of step ${step} is not finite; lower sft.learningRate`),
      signal,
    });
    const [values] = await pack.read(1);
    if (!values) throw new Error('Cannot fine-tune the policy: no adapter came back');
    if (!values.every(Number.isFinite)) {
      throw new Error('Cannot fine-tune the policy: the last step left weights that are not finite; lower sft.learningRate');
    }
    return { values, losses };
  } finally {
    trainer.destroy();
    pack.destroy();
  }
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
