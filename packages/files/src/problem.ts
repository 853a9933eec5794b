/**
 * What a person can do something about: an error with a kind.
 *
 * The kind is a plain field, so that an error class of any room is a problem by having one, and nobody has to import this
 * file to throw one. A setting stands in a message in backticks, by the name it has in a request (use `weights` f32): who
 * knows how settings are given, a command line or an API, puts that form in its place.
 */

/**
 * - `usage`: what was asked for cannot be done as it was asked
 * - `data`: what was given to work on is not what it should be
 * - `unavailable`: a device, a model or a network is not there
 * - `training`: the computation itself failed
 * - `resumable`: stopped or interrupted; what was done is kept
 * - `fault`: a fault of this software
 */
export const PROBLEM_KINDS = ['usage', 'data', 'unavailable', 'training', 'resumable', 'fault'] as const;
export type ProblemKind = (typeof PROBLEM_KINDS)[number];

/** What else is known of a problem. */
export interface ProblemDetails {
  /** What to do about it: the end of the message, behind a semicolon. */
  readonly remedy?: string;
  /** The file, line or field it is about. */
  readonly place?: string;
  /** The verb of the engine that helps, with what it is about, such as `['pull', 'Qwen/Qwen2.5-0.5B']`. */
  readonly verb?: readonly string[];
  readonly cause?: unknown;
}

/** A failure whose kind is known where it happened. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly kind: ProblemKind;
  readonly place: string | null;
  readonly verb: readonly string[] | null;

  constructor(kind: ProblemKind, problem: string, { remedy, place, verb, cause }: ProblemDetails = {}) {
    super(remedy === undefined ? problem : `${problem}; ${remedy}`, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.place = place ?? null;
    this.verb = verb ?? null;
  }
}

/** The reason that a signal aborts with when somebody stops the work; what was done is kept. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
  readonly kind = 'resumable';
}

/** The kind of anything thrown; null where it has none, which is a fault of ours unless the caller knows better. */
export function kindOf(error: unknown): ProblemKind | null {
  if (!(error instanceof Error) || !('kind' in error)) return null;
  return PROBLEM_KINDS.find((kind) => kind === error.kind) ?? null;
}

/** One message for people. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Runs `work`; what it throws is a problem of `kind` about `place`, unless it has a kind of its own. */
export async function problemsAs<T>(kind: ProblemKind, work: () => T | Promise<T>, place?: string): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw asProblem(kind, cause, place);
  }
}

/**
 * What was thrown as a problem of `kind`, unless it has one of its own. Failures of the system count, and what a room says
 * on purpose of what it was given, which begins with "Cannot"; a TypeError, an unknown name or an engine's own RangeError is
 * a fault of ours and comes back as it is.
 */
export function asProblem(kind: ProblemKind, cause: unknown, place?: string): unknown {
  if (kindOf(cause) !== null || !(cause instanceof Error)) return cause;
  if (cause instanceof TypeError || cause instanceof ReferenceError) return cause;
  return 'code' in cause || cause.message.startsWith('Cannot ') ? new Problem(kind, cause.message, { cause, ...(place !== undefined && { place }) }) : cause;
}

/** An error as it is, but a stop with what it leaves and how to go on. */
export function afterStop(error: unknown, rest: string): unknown {
  return error instanceof Stopped ? new Stopped(`${error.message}; ${rest}`) : error;
}
