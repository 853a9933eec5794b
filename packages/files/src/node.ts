/** What needs Node's modules, which Bun and Deno have too: digests, files, locks. */

export { digest, digestId } from './digest.ts';
export { appendLine, makeDirectory, realDisk, syncDirectory, TEMPORARY_SUFFIX, writeNewFile, type Disk } from './disk.ts';
export { DiskFullError, errorCode, fileProblem, HeldError, isDiskFull, writeProblem } from './errors.ts';
export { cutTornLine, readLines } from './jsonl.ts';
export { isRunning, takeLock, type Lock } from './lock.ts';
export { checkVacant, placeWhole, readJson, readText, readWhole, streamWhole, writeDirectory, writeWhole } from './whole.ts';
