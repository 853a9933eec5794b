export {
  compareConditions,
  type Condition,
  type ConditionKind,
  conditionName,
  labelOf,
  lastRoundOf,
  pairsOf,
  parseCondition,
  PASSAGE_TERMS,
  pluralOf,
  type Role,
  roleOf,
  WINNER,
} from './conditions.ts';
export { ConfigMismatchError } from './errors.ts';
export * from './records.ts';
export {
  checkRoomForRun,
  createRun,
  deriveRunId,
  type OpenOptions,
  openRun,
  readRun,
  type RunExpectation,
  type RunRecords,
} from './run-directory.ts';
export type { BlobFiles, BlobKind, RecordStore, RunStore } from './store.ts';
export { openTraining, type StateCodec, type StepRecord, type Training, type TrainingKind, type TrainingRequest } from './training.ts';
