/** The failures of a run directory that a caller tells apart from programming errors. */

/** No space was left to write; what the run held before the failed write is intact. */
export class DiskFullError extends Error {
  override readonly name = 'DiskFullError';
}

/** Another live process works in the run directory. */
export class RunHeldError extends Error {
  override readonly name = 'RunHeldError';
}

/** A run was to be resumed with a configuration other than its own. */
export class ConfigMismatchError extends Error {
  override readonly name = 'ConfigMismatchError';
}

const FULL: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the disk quota is used up'],
  ['EFBIG', 'the file size limit is reached'],
]);

/** The error code of a failed system call, or the empty string. */
export const errorCode = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  EEXIST: 'a file of that name is in the way',
  ENOTDIR: 'a part of its path is a file, not a directory',
  EIO: 'the device reported an input/output error',
  EMFILE: 'too many files are open',
};

/** Turns a failed system call into an error that names the file, the reason and, for a full disk, the remedy. */
export const storageError = (action: string, path: string, cause: unknown): Error => {
  const code = errorCode(cause);
  const full = FULL.get(code);
  if (full !== undefined) {
    return new DiskFullError(
      `Cannot ${action} ${path}: ${full}. Nothing stored before was lost; free some space and resume the run`,
      { cause },
    );
  }
  const reason = REASONS[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new Error(`Cannot ${action} ${path}: ${reason}`, { cause });
};
