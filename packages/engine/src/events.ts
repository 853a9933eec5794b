/** What a verb tells while it works. How it is shown, or whether, is the app's affair. */

import type { PullProgress } from '@seal/hub';
import type { TensorReport } from '@seal/model';
import type { Progress } from '@seal/trainer';
import type { TunedRow } from '@seal/tuner';

/** A training step that was taken. */
export interface StepTaken {
  /** From 0. */
  readonly step: number;
  readonly loss: number;
  readonly learningRate: number;
}

export type EngineEvent =
  /** A sentence for people; where a verb of the engine would do what it ends with, that one. */
  | { readonly type: 'note'; readonly message: string; readonly verb?: readonly string[] }
  /** How far something is that takes a while, as a sentence; one of many about the same `subject`, the last of which counts. */
  | { readonly type: 'progress'; readonly subject: string; readonly message: string }
  /** Training steps, several at once where they were computed together. */
  | { readonly type: 'steps'; readonly steps: readonly StepTaken[]; readonly total: number; readonly secondsLeft: number }
  /** The next characters of the one text that is being written. */
  | { readonly type: 'piece'; readonly text: string }
  /** How much of a download is there. */
  | { readonly type: 'transfer'; readonly progress: PullProgress }
  /** How a tensor is held on the device, and what that lost; only where `verbose` asks for it. */
  | { readonly type: 'tensor'; readonly tensor: TensorReport }
  /** A kernel that was measured at one shape. */
  | { readonly type: 'measured'; readonly row: TunedRow }
  /** How far a run of the whole loop is. */
  | { readonly type: 'run'; readonly progress: Progress };

export interface Hooks {
  /** Stops the work in good order. */
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: EngineEvent) => void) | undefined;
}

/** Tells a sentence. */
export function note({ onEvent }: Hooks, message: string, verb?: readonly string[]): void {
  onEvent?.({ type: 'note', message, ...(verb && { verb }) });
}
