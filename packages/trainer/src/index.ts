/** The inner loop, the ReST-EM outer loop, pretraining and the statistics of rewards. */

export { parseSealConfig, sealConfigSchema, type SealConfig } from './config.ts';
export { encodeExamples, parseExamples, type EncodedExamples, type Example, type ExampleEncoder } from './examples.ts';
export {
  batchOrder,
  fineTuneAdapter,
  fineTuneWeights,
  stepsPerEpoch,
  type AdapterState,
  type FineTuningSettings,
  type WeightsState,
} from './fine-tuning.ts';
export { Packer, type Part } from './packer.ts';
export { InnerLoop, planSteps, type Adaptation, type Adapted, type TokenUse } from './inner-loop.ts';
export { afterRound, fineTune, type SftResult, type SftSettings } from './policy.ts';
export {
  learningRateAt,
  pretrain,
  type PretrainingSettings,
  type PretrainingState,
} from './pretraining.ts';
export { fitContexts, lengthsOf, type Fitted, type Lengths } from './lengths.ts';
export { notesOf, SHORTENED } from './notes.ts';
export { presets, promptTokens, resolveConfig, type PresetName } from './presets.ts';
export type { Progress } from './progress.ts';
export { ENGINE_VERSION, type Timings } from './examiner.ts';
export { SealRun, weightsDigest, type RunInput } from './run.ts';
export { SCHEDULES, scheduledRate, type Schedule } from './schedules.ts';
export { groupWithoutConflicts, selectBest, selectRandom, type Candidate, type Choice } from './selection.ts';
export { createCodec, createTextCodec, padWithEnd, type Codec } from './sequences.ts';
export { bootstrapMean, mean, quantile, rewardSpread, variance, type Interval, type RewardSpread } from './statistics.ts';
export { resultDocument, pooledDocument } from './table.ts';
export { loraConfig, slotsFor, Workbench, type Policy } from './workbench.ts';
export { decodeTrainingState, encodeTrainingState, type TrainingState } from './training-state.ts';
