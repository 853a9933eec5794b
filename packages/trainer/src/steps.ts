/** Training steps in order, with losses, checkpoints and stops: what pretraining and fine-tuning share. */

import type { LoraTrainer, Segment } from '@seal/model';

/** A trainer of one set of parameters, whatever they are. */
export interface Stepper {
  /** Submits a step; does not wait. */
  step(segment: Segment, learningRate: number): void;
  /** Losses of the steps submitted so far, the last of them at the end. Waits. */
  losses(): Promise<readonly number[]>;
}

/** Steps `from` to `to` of a training. */
export interface StepPlan {
  readonly from: number;
  readonly to: number;
  /** Steps submitted before their losses are waited for; the trainer keeps as many losses. */
  readonly chunk: number;
  readonly segment: (step: number) => Segment;
  readonly learningRate: (step: number) => number;
  /** Gets the losses of finished steps in order; the next steps wait for what it promises. */
  readonly onSteps?: (firstStep: number, losses: readonly number[]) => void | Promise<void>;
  /** Called after every `saveEvery` steps, at the end and before a stop, with the number of steps behind it. */
  readonly save?: (step: number) => Promise<void>;
  readonly saveEvery?: number;
  /** The error of a loss that is not finite. */
  readonly diverged: (step: number) => Error;
  readonly signal?: AbortSignal | undefined;
}

/** Takes the steps of a plan. Throws `diverged`, the signal's reason after a last save, and what the device reports. */
export async function takeSteps(stepper: Stepper, plan: StepPlan): Promise<void> {
  const { from, to, chunk, save = async () => {}, saveEvery = Infinity, signal } = plan;
  let saved = from;
  for (let step = from; step < to; ) {
    const first = step;
    for (; step < Math.min(first + chunk, to); step++) stepper.step(plan.segment(step), plan.learningRate(step));
    const losses = (await stepper.losses()).slice(-(step - first));
    const broken = losses.findIndex((loss) => !Number.isFinite(loss));
    if (broken >= 0) throw plan.diverged(first + broken);
    await plan.onSteps?.(first, losses);
    if (signal?.aborted && step < to) {
      await save(step);
      signal.throwIfAborted();
    }
    if (step - saved >= saveEvery) {
      await save(step);
      saved = step;
    }
  }
  if (saved < to) await save(to);
}

/** A trainer whose pack holds one adapter. */
export function adapterStepper(trainer: LoraTrainer): Stepper {
  return {
    step: (segment, learningRate) => void trainer.step([segment], [learningRate]),
    losses: async () => (await trainer.losses()).map(([loss = NaN]) => loss),
  };
}
