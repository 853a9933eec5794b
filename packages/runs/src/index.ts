export { ConfigMismatchError } from './errors.ts';
export * from './records.ts';
export {
  type BlobFiles,
  type BlobKind,
  checkRoomForRun,
  createRun,
  deriveRunId,
  type OpenOptions,
  openRun,
  readRun,
  type RunDirectory,
  type RunExpectation,
  type RunRecords,
} from './run-directory.ts';
