/** The trained model of the tiny world. */

/** Where it lies: a model directory like any other. */
export const checkpointDirectory: URL = new URL('../checkpoint', import.meta.url);

/** How it was trained. */
export const DEFAULT_PRETRAINING = {
  steps: 1_700,
  /** Tokens of every step, padding included. */
  tokensPerStep: 2_048,
  learningRate: 3e-3,
  warmUpSteps: 60,
  /** Share of the steps after which the rate falls, and the last rate as a share of the first. */
  constantShare: 0.6,
  finalShare: 0.02,
  weightDecay: 0.1,
} as const;
