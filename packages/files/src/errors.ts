/** Failed file operations in words. */

/** No space was left to write; what was there before the failed write is intact. */
export class DiskFullError extends Error {
  override readonly name = 'DiskFullError';
  readonly kind = 'resumable';
}

/** Another live process works in a directory. */
export class HeldError extends Error {
  override readonly name = 'HeldError';
  readonly kind = 'usage';
}

/** A file cannot be written for a reason other than space. */
class WriteError extends Error {
  override readonly name = 'WriteError';
  readonly kind = 'usage';
}

const FULL: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the disk quota is used up'],
  ['EFBIG', 'the file size limit is reached'],
]);

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of its path is a file, not a directory',
  EISDIR: 'it is a directory, not a file',
  EEXIST: 'a file of that name is in the way',
  ENOTEMPTY: 'it is not empty; choose another directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  EIO: 'the device reported an input/output error',
  EMFILE: 'too many files are open',
};

/** The error code of a failed system call, or the empty string. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Whether a write failed for want of space. */
export function isDiskFull(error: unknown): boolean {
  return FULL.has(errorCode(error));
}

/** A failed file operation in words. */
export function fileProblem(cause: unknown): string {
  return REASONS[errorCode(cause)] ?? (cause instanceof Error ? cause.message : String(cause));
}

/** A failed write as an error that names the file, the reason and, for a full disk, the remedy. `action` is as in "write". */
export function writeProblem(action: string, path: string, cause: unknown): Error {
  const full = FULL.get(errorCode(cause));
  return full === undefined
    ? new WriteError(`Cannot ${action} ${path}: ${fileProblem(cause)}`, { cause })
    : new DiskFullError(`Cannot ${action} ${path}: ${full} and nothing was left half-written; free some space and try again`, { cause });
}
