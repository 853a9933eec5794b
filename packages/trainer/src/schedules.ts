/** Learning rates by step, as transformers' `get_constant_schedule_with_warmup`, `get_linear_...` and `get_cosine_...`. */

export const SCHEDULES = ['constant', 'linear', 'cosine'] as const;
export type Schedule = (typeof SCHEDULES)[number];

/** The course of a learning rate over `steps` steps. */
export interface RateSettings {
  readonly learningRate: number;
  readonly schedule: Schedule;
  /** Steps in which the rate rises from 0, which is that of the first. */
  readonly warmUpSteps: number;
  readonly steps: number;
}

/** The rate of step `step`, counted from 0. */
export function scheduledRate(step: number, { learningRate, schedule, warmUpSteps, steps }: RateSettings): number {
  if (step < warmUpSteps) return (learningRate * step) / warmUpSteps;
  const progress = (step - warmUpSteps) / Math.max(1, steps - warmUpSteps);
  switch (schedule) {
    case 'constant':
      return learningRate;
    case 'linear':
      return learningRate * Math.max(0, 1 - progress);
    case 'cosine':
      return learningRate * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
  }
}
