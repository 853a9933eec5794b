export { canonicalJson } from './canonical-json.ts';
export { digest, digestId } from './digest.ts';
export { makeDirectory, type Disk } from './disk.ts';
export { ConfigMismatchError, DiskFullError, RunHeldError } from './errors.ts';
export { takeLock } from './lock.ts';
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
