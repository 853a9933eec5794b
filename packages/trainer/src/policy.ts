/** The policy's own fine-tuning: LoRA on the kept self-edits, then merged into the weights. */

import type { Random } from '@seal/domains';
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
  type TokenSequence,
} from '@seal/model';
import { STEPS_IN_FLIGHT } from './inner-loop.ts';

/** How the policy is fine-tuned. */
export interface SftSettings {
  readonly lora: LoraConfig;
  readonly learningRate: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly tokensPerStep: number;
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
  const trainer = new LoraTrainer(model, pack, { tokens: settings.tokensPerStep, steps });
  try {
    trainer.begin([initialAdapter(pack.layout, settings.lora.rank, () => random.next())]);
    for (let epoch = 0; epoch < settings.epochs; epoch++) {
      const order = random.shuffle(documents);
      for (let batch = 0; batch < perEpoch; batch++) {
        signal?.throwIfAborted();
        const segment = order.slice(batch * settings.batchSize, (batch + 1) * settings.batchSize);
        const tokens = segmentTokens(segment);
        if (tokens > settings.tokensPerStep) {
          throw new RangeError(`Cannot fine-tune on a batch of ${tokens} tokens: sft.tokensPerStep is ${settings.tokensPerStep}`);
        }
        const step = epoch * perEpoch + batch;
        trainer.step([segment], [settings.learningRate * (1 - step / steps)]);
        // The host must not run ahead of the device without bound.
        if (step % STEPS_IN_FLIGHT === STEPS_IN_FLIGHT - 1) await model.gpu.device.queue.onSubmittedWorkDone();
      }
    }
    const losses = (await trainer.losses()).map((row) => row[0] ?? NaN);
    const broken = losses.findIndex((loss) => !Number.isFinite(loss));
    if (broken >= 0) throw new Error(`Cannot fine-tune the policy: the loss of step ${broken} is not finite; lower sft.learningRate`);
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
