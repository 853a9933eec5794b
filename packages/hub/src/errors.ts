/** What can go wrong between here and a hub, told apart by kind. */

import { errorCode, fileProblem, isDiskFull } from '@seal/files/node';

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
  /** What would help, as `Problem` has it. */
  readonly verb: readonly string[] | null;

  constructor(problem: HubProblem, message: string, { verb, ...options }: ErrorOptions & { readonly verb?: readonly string[] } = {}) {
    super(message, options);
    this.problem = problem;
    this.verb = verb ?? null;
    this.kind = problem === 'disk-full' ? 'resumable' : 'unavailable';
  }
}

const STORAGE = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'EISDIR'];

/** A failed write of the cache in words; anything else comes back as it is. */
export function storageError(path: string, error: unknown): unknown {
  // A whole file that could not be put in place is told in words already, with what the system said as its cause.
  const failure = error instanceof Error && errorCode(error) === '' ? error.cause : error;
  if (error instanceof HubError) return error;
  if (isDiskFull(failure)) {
    return new HubError(
      'disk-full',
      `Cannot write ${path}: the disk is full; free some space and pull again, what was loaded is kept`,
      { cause: failure },
    );
  }
  if (!STORAGE.includes(errorCode(failure))) return error;
  return new HubError('storage', `Cannot write ${path}: ${fileProblem(failure)}; name another cache directory with \`cacheDirectory\``, { cause: failure });
}
