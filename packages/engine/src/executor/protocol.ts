/**
 * What an app's process and the process of an executor say to each other: calls one way, and what comes of them, or an
 * adapter that is asked for, the other way. One call is under way at a time.
 */

import { kindOf, messageOf, Problem, type ProblemKind } from '@seal/files';
import type { WeightFormat } from '@seal/model';
import type { AdaptResult, AdaptWork, AnswerWork, ExecutorSettings, FineTuneResult, FineTuneWork, Sampled, ScoreWork, WorkProgress, WriteWork } from '@seal/trainer';
import type { EngineEvent } from '../events.ts';

/** What the worker opens before anything else. */
export interface OpenWork {
  readonly directory: string;
  readonly weights: WeightFormat | null;
  readonly settings: ExecutorSettings;
  readonly tuningFolder: string | null;
  readonly dawnVersion: string | null;
  /** Whether to tell of every tensor how it is held. */
  readonly verbose: boolean;
}

/** What there is, once it is open. */
export interface Opened {
  /** The adapter's description. */
  readonly adapter: string;
  readonly tuningDigest: string | null;
  /** What opening told, in its order. */
  readonly events: readonly EngineEvent[];
}

/** Calls with what they are given, what they give one after another, and what they end with. */
export interface Calls {
  readonly open: { readonly work: OpenWork; readonly item: never; readonly result: Opened };
  readonly baseDigest: { readonly work: null; readonly item: never; readonly result: string };
  readonly write: { readonly work: readonly WriteWork[]; readonly item: readonly (readonly Sampled[])[]; readonly result: null };
  readonly adapt: { readonly work: readonly AdaptWork[]; readonly item: readonly AdaptResult[]; readonly result: null };
  readonly answer: { readonly work: readonly AnswerWork[]; readonly item: never; readonly result: readonly (readonly Sampled[])[] };
  readonly score: { readonly work: readonly ScoreWork[]; readonly item: never; readonly result: readonly (readonly (number | null)[])[] };
  readonly fineTune: { readonly work: FineTuneWork; readonly item: never; readonly result: FineTuneResult };
}

export type CallName = keyof Calls;

/** To the worker. */
export type Request =
  | { readonly [Name in CallName]: { readonly type: 'call'; readonly id: number; readonly name: Name; readonly work: Calls[Name]['work'] } }[CallName]
  /** Stops the call under way after its step. */
  | { readonly type: 'stop'; readonly id: number }
  /** Loses the device, as a driver may at any time: what follows is what a lost device leads to. */
  | { readonly type: 'drop-device' }
  /** The weights file of an adapter that was asked for, or why it cannot be had. */
  | { readonly type: 'adapter'; readonly digest: string; readonly bytes: Uint8Array; readonly error: null }
  | { readonly type: 'adapter'; readonly digest: string; readonly bytes: null; readonly error: SentError };

/** What went wrong in the worker, as far as it can be sent. */
export interface SentError {
  readonly name: string;
  readonly message: string;
  readonly kind: ProblemKind | null;
  readonly place: string | null;
  readonly verb: readonly string[] | null;
  readonly stack: string;
}

/** From the worker. */
export type Reply =
  | { readonly type: 'item'; readonly id: number; readonly item: unknown }
  | { readonly type: 'progress'; readonly id: number; readonly progress: WorkProgress }
  | { readonly type: 'result'; readonly id: number; readonly result: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: SentError }
  | { readonly type: 'want-adapter'; readonly digest: string };

export function sentError(error: unknown): SentError {
  const { name = 'Error', stack = '' } = error instanceof Error ? error : {};
  const { place, verb } = error instanceof Problem ? error : { place: null, verb: null };
  return { name, message: messageOf(error), kind: kindOf(error), place, verb, stack };
}

/** The error that was sent: of the same kind, with the same message. */
export function receivedError({ name, message, kind, place, verb, stack }: SentError): Error {
  const details = { ...(place !== null && { place }), ...(verb !== null && { verb }) };
  const own = kind !== null ? new Problem(kind, message, details) : name === 'RangeError' ? new RangeError(message) : name === 'TypeError' ? new TypeError(message) : new Error(message);
  own.stack = `${own.name}: ${message}\n${stack}`;
  return own;
}
