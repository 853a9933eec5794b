/** What can go wrong between here and a hub, told apart by kind. */

/**
 * - `gated`: the hub wants a licence accepted, a token, or another one
 * - `not-found`: no such model, revision or file, or none of it in the cache
 * - `unusable`: the model is there and cannot be used: pickle weights, an index that names absent files
 * - `network`: the hub could not be reached, stopped in the middle, or answered with errors until the last attempt
 * - `damaged`: what came is not what the hub says it is, or the cache holds something else than a cache does
 * - `storage`: the cache cannot be written
 * - `disk-full`: no space is left; what was loaded before is kept
 */
export type HubProblem = 'gated' | 'not-found' | 'unusable' | 'network' | 'damaged' | 'storage' | 'disk-full';

/** A failure of the hub or its cache; the message says what to do. */
export class HubError extends Error {
  override readonly name = 'HubError';
  readonly problem: HubProblem;
  readonly kind: 'resumable' | 'unavailable';

  constructor(problem: HubProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
    this.kind = problem === 'disk-full' ? 'resumable' : 'unavailable';
  }
}

/** The error code of a failed system call, or the empty string. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** A failed write of the cache in words; anything else comes back as it is. */
export function storageError(path: string, error: unknown): unknown {
  const code = errorCode(error);
  if (error instanceof HubError || code === '') return error;
  if (['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code)) {
    return new HubError(
      'disk-full',
      `Cannot write ${path}: the disk is full; free some space and pull again, what was loaded is kept`,
      { cause: error },
    );
  }
  const reasons: Readonly<Record<string, string>> = {
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    ENOTDIR: 'a part of its path is a file, not a directory',
    EEXIST: 'a file of that name is in the way',
    EISDIR: 'a directory of that name is in the way',
  };
  if (!(code in reasons)) return error;
  return new HubError('storage', `Cannot write ${path}: ${reasons[code]}; name another cache directory with HF_HUB_CACHE`, { cause: error });
}
