/** The inner loop, the ReST-EM outer loop, work as data and who executes it, and the statistics of rewards. */

export { adaptationOf, expectedTokens, rateOf, selfEditReader, type AdaptationOf, type AdaptationOptions, type EditedContext } from './adaptation.ts';
export { loraConfig, parseSealConfig, resolveConfig, sealConfigSchema, type SealConfig } from './config.ts';
export { encodeExamples, parseExamples, unusedColumns, type EncodedExamples, type Example, type ExampleEncoder } from './examples.ts';
export { ENGINE_VERSION, type Policy, type Timings } from './examiner.ts';
export {
  batchOrder,
  fineTuneAdapter,
  fineTuneWeights,
  stepsPerEpoch,
  type AdapterState,
  type FineTuningSettings,
  type WeightsState,
} from './fine-tuning.ts';
export { InnerLoop, planSteps, type Adaptation, type Adapted, type TokenUse } from './inner-loop.ts';
export { fitContexts, fitsWithin, lengthsOf, type Fitted, type Lengths } from './lengths.ts';
export { likelihoodMeasure, rankCorrelation } from './likelihood.ts';
export { LocalExecutor, SCORED_TOKENS, slotsFor, type LocalParts } from './local-executor.ts';
export { notesOf, SHORTENED } from './notes.ts';
export { Packer, type Part } from './packer.ts';
export { afterRound, fineTune, weightsDigest, type SftResult, type SftSettings } from './policy.ts';
export {
  learningRateAt,
  pretrain,
  type PretrainingSettings,
  type PretrainingState,
} from './pretraining.ts';
export { ProgressMeter, type Progress } from './progress.ts';
export { plannedWork, tableRows, type PlannedWork, type Row } from './rows.ts';
export { groupContexts, SealRun, type RunHooks, type RunInput } from './run.ts';
export { SCHEDULES, scheduledRate, type Schedule } from './schedules.ts';
export { groupWithoutConflicts, selectAll, selectBest, selectRandom, type Candidate, type Choice } from './selection.ts';
export { createCodec, createTextCodec, padWithEnd, type Codec } from './sequences.ts';
export { executorSettings } from './settings.ts';
export { bootstrapMean, mean, quantile, rewardSpread, variance, type Interval, type RewardSpread } from './statistics.ts';
export { pooledDocument, resultDocument } from './table.ts';
export { decodeTrainingState, encodeTrainingState, type TrainingState } from './training-state.ts';
export { Turns } from './turns.ts';
export * from './work.ts';
