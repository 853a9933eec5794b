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
