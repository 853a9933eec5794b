/** What a recorded step is told when it runs, and the stretches of tokens that it is recorded in. */

import type { Slice } from '@seal/kernels';

/** What changes from step to step within the recorded capacity. */
export interface Step {
  /** Tokens in the batch. */
  readonly tokens: number;
  /** Tiles of the batch's adapters in each of the recorded ranges of tokens. */
  readonly tiles: readonly number[];
  /** Adapters in the batch. */
  readonly adapters: number;
  /** Rows that the head is computed for. */
  readonly rows: number;
  /** Rows written to the key/value cache. */
  readonly cached: number;
  /** Number of the step, from 0. */
  readonly index: number;
}

/** Tokens [start, start + tokens) of a step's capacity, with the adapters' tables of these tokens alone. */
export interface TokenRange {
  readonly start: number;
  readonly tokens: number;
  /** u32 (tokens / 8): adapter of each block of 8 tokens. */
  readonly blocks: Slice;
  /** u32 (tileCapacity, 3): adapter, first and one-past-last token, counted from `start`. */
  readonly tiles: Slice;
  /** u32 (E, 2): first and one-past-last token of each adapter, counted from `start`. */
  readonly segments: Slice;
  /** Most tiles a batch may have here. */
  readonly tileCapacity: number;
  /** The range's place in `Step.tiles`. */
  readonly index: number;
}

/** Tokens of a step that lie in a range. */
export function tokensIn({ start, tokens }: TokenRange, step: Step): number {
  return Math.max(0, Math.min(step.tokens - start, tokens));
}
