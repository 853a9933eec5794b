/** Training all weights of a model from a stream of documents that is addressed by step. */

import { Problem } from '@seal/files';
import { FullTrainer, type Model, type OptimiserState, type TokenSequence } from '@seal/model';
import { takeSteps } from './steps.ts';

/** Length and learning rates of a pretraining. */
export interface PretrainingSettings {
  readonly steps: number;
  /** Tokens of every step, padding included; a multiple of 8. */
  readonly tokensPerStep: number;
  readonly learningRate: number;
  readonly warmUpSteps: number;
  /** Share of the steps after which the rate falls. */
  readonly constantShare: number;
  /** The last rate as a share of the first. */
  readonly finalShare: number;
  readonly weightDecay: number;
}

/** Linear warm-up, constant, then half a cosine down to `finalShare`. */
export function learningRateAt(step: number, settings: PretrainingSettings): number {
  const { steps, learningRate, warmUpSteps, constantShare, finalShare } = settings;
  if (step < warmUpSteps) return (learningRate * (step + 1)) / warmUpSteps;
  const turn = constantShare * steps;
  if (step < turn) return learningRate;
  const progress = (step - turn) / (steps - turn);
  return learningRate * (finalShare + (1 - finalShare) * 0.5 * (1 + Math.cos(Math.PI * progress)));
}

/** Where a pretraining stands. Weights and optimiser state are those after `step` steps. */
export interface PretrainingState {
  readonly step: number;
  readonly optimiser: OptimiserState;
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/**
 * Trains `model` from `from` (or from its present weights) to the end. `documents(step)` gives a step's sequences.
 * `onSteps` gets the losses of finished steps in order; `save` is called every `saveEvery` steps and at the end.
 * Throws Error when a loss is not finite, and the signal's reason after a last save when stopped.
 */
export async function pretrain(
  model: Model,
  documents: (step: number) => readonly TokenSequence[],
  settings: PretrainingSettings,
  options: {
    readonly from?: PretrainingState;
    readonly saveEvery: number;
    readonly save: (state: PretrainingState) => Promise<void>;
    readonly onSteps: (firstStep: number, losses: readonly number[]) => void | Promise<void>;
    readonly signal?: AbortSignal;
  },
): Promise<void> {
  const { steps, tokensPerStep, weightDecay } = settings;
  const optimiser = { beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay, maxNorm: 1 };
  const chunk = 10;
  const trainer = new FullTrainer(model, { tokens: tokensPerStep, steps: chunk }, optimiser);
  try {
    if (options.from) {
      model.write(options.from.weights);
      trainer.restore(options.from.optimiser);
    }
    await takeSteps(trainer, {
      from: options.from?.step ?? 0,
      to: steps,
      chunk,
      segment: documents,
      learningRate: (step) => learningRateAt(step, settings),
      onSteps: options.onSteps,
      save: async (step) => options.save({ step, optimiser: await trainer.state(), weights: await model.read() }),
      saveEvery: options.saveEvery,
      diverged: (step) => new Problem('training', `Cannot go on pretraining: the loss of step ${step} is not finite; lower the learning rate`),
      signal: options.signal,
    });
  } finally {
    trainer.destroy();
  }
}
