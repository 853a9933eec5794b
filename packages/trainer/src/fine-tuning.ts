/**
 * Supervised fine-tuning on documents: a fresh or given adapter over frozen weights, or all weights. Every epoch goes
 * through the documents in an order drawn from the seed and the epoch's number, so that a training goes on from any step
 * as if it had never stopped.
 */

import { Problem, stream } from '@seal/files';
import {
  FullTrainer,
  LoraPack,
  LoraTrainer,
  segmentTokens,
  type AdapterValues,
  type LoraConfig,
  type Model,
  type OptimiserState,
  type Segment,
  type TokenSequence,
} from '@seal/model';
import { STEPS_IN_FLIGHT } from './inner-loop.ts';
import { scheduledRate, type RateSettings } from './schedules.ts';
import { adapterStepper, takeSteps, type StepPlan } from './steps.ts';

/** How long, in which portions and how fast. */
export interface FineTuningSettings extends RateSettings {
  /** Which documents each step takes. */
  readonly order: (step: number) => readonly number[];
  /** Tokens that a step has room for; those of the largest step unless given. */
  readonly tokens?: number;
  /** What the settings are called in messages, such as `outer.sft`; by their own names unless given. */
  readonly setting?: string;
  /** Compute activations anew in the backward pass: less memory, the same bits. */
  readonly recompute: boolean;
}

/** What happens between steps; as in a StepPlan. */
export interface FineTuningHooks<State> {
  readonly onSteps: (firstStep: number, losses: readonly number[]) => void | Promise<void>;
  readonly save?: (state: State) => Promise<void>;
  readonly saveEvery?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Where a training of an adapter stands after `step` steps. */
export interface AdapterState {
  readonly step: number;
  readonly values: AdapterValues;
  /** Absent before the first step. */
  readonly optimiser?: OptimiserState;
}

/** Where a training of all weights stands after `step` steps. */
export interface WeightsState {
  readonly step: number;
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly optimiser: OptimiserState;
}

/** Steps of one epoch: the last may be smaller than a batch. */
export function stepsPerEpoch(documents: number, batchSize: number): number {
  return Math.ceil(documents / batchSize);
}

/** Which of `count` documents each step takes, by step. */
export function batchOrder(count: number, batchSize: number, seed: number): (step: number) => readonly number[] {
  const perEpoch = stepsPerEpoch(count, batchSize);
  const indices = Array.from({ length: count }, (_, i) => i);
  let known = { epoch: -1, order: indices };
  return (step) => {
    const epoch = Math.floor(step / perEpoch);
    if (known.epoch !== epoch) known = { epoch, order: stream(seed, 'fine-tuning order', epoch).shuffle(indices) };
    const first = (step % perEpoch) * batchSize;
    return known.order.slice(first, first + batchSize);
  };
}

/** Tokens of the largest step, and the plan of all. */
function planOf(documents: readonly TokenSequence[], settings: FineTuningSettings, from: number): Pick<StepPlan, 'segment' | 'learningRate' | 'diverged' | 'from' | 'to' | 'chunk'> & { readonly tokens: number; readonly remedy: string } {
  if (documents.length === 0) throw new RangeError('Cannot fine-tune on no examples');
  const segment = (step: number): Segment => settings.order(step).map((index) => documents[index] as TokenSequence);
  const named = (name: string) => `\`${settings.setting === undefined ? name : `${settings.setting}.${name}`}\``;
  let tokens = 0;
  for (let step = 0; step < settings.steps; step++) tokens = Math.max(tokens, segmentTokens(segment(step)));
  if (tokens > (settings.tokens ?? Infinity)) {
    throw new RangeError(`Cannot fine-tune on a batch of ${tokens} tokens: ${named('tokensPerStep')} is ${settings.tokens}`);
  }
  return {
    tokens: settings.tokens ?? tokens,
    remedy: `lower ${named('learningRate')}`,
    segment,
    learningRate: (step) => scheduledRate(step, settings),
    diverged: (step) => new Problem('training', `Cannot go on: the loss of step ${step} is not finite; lower ${named('learningRate')}`),
    from,
    to: settings.steps,
    chunk: STEPS_IN_FLIGHT,
  };
}

/**
 * Trains one adapter from `from` to the end and gives its values. `save` gets the state every `saveEvery` steps, at the
 * end and before a stop. Throws RangeError for no documents and what does not fit, a problem of kind `training` when a
 * loss or the result is not finite, and the signal's reason when stopped.
 */
export async function fineTuneAdapter(
  model: Model,
  lora: LoraConfig,
  documents: readonly TokenSequence[],
  settings: FineTuningSettings,
  from: AdapterState,
  { onSteps, save, saveEvery, signal }: FineTuningHooks<AdapterState>,
): Promise<AdapterValues> {
  const plan = planOf(documents, settings, from.step);
  const pack = new LoraPack(model.gpu.device, model.config, lora, 1);
  const trainer = new LoraTrainer(model, pack, { tokens: plan.tokens, steps: plan.chunk, recompute: settings.recompute });
  try {
    trainer.begin([from.values]);
    if (from.optimiser) trainer.restore(from.optimiser);
    await takeSteps(adapterStepper(trainer), {
      ...plan,
      onSteps,
      ...(save && { save: async (step) => save({ step, values: await pack.readSlot(0), optimiser: await trainer.state() }) }),
      saveEvery,
      signal,
    });
    const values = await pack.readSlot(0);
    if (!values.every(Number.isFinite)) throw new Problem('training', `Cannot keep the adapter: the last step left weights that are not finite; ${plan.remedy}`);
    return values;
  } finally {
    trainer.destroy();
    pack.destroy();
  }
}

/** Trains all weights of a model in place, as `fineTuneAdapter` does an adapter. */
export async function fineTuneWeights(
  model: Model,
  documents: readonly TokenSequence[],
  settings: FineTuningSettings,
  from: WeightsState | null,
  { onSteps, save, saveEvery, signal }: FineTuningHooks<WeightsState>,
): Promise<void> {
  const plan = planOf(documents, settings, from?.step ?? 0);
  const trainer = new FullTrainer(model, { tokens: plan.tokens, steps: plan.chunk, recompute: settings.recompute });
  try {
    if (from) {
      model.write(from.weights);
      trainer.restore(from.optimiser);
    }
    await takeSteps(trainer, {
      ...plan,
      onSteps,
      ...(save && { save: async (step) => save({ step, weights: await model.read(), optimiser: await trainer.state() }) }),
      saveEvery,
      signal,
    });
  } finally {
    trainer.destroy();
  }
}
