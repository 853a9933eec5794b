/** What reading a damaged file may come to: a value, or an error that says what is wrong. */

import { expect } from 'vitest';

/** Counts of what came of many readings. */
export interface Outcomes {
  loaded: number;
  refused: number;
}

/** Milliseconds that reading one small file may take on a slow machine. */
const PATIENCE_MS = 2_000;

/**
 * Reads once and counts. Fails where what is thrown is not an error of ours, does not name the file, or takes too long:
 * an error from inside a library or the runtime means that something was believed before it was checked.
 */
export async function tryReading(outcomes: Outcomes, place: string, what: () => string, read: () => unknown): Promise<void> {
  const begun = performance.now();
  try {
    await read();
    outcomes.loaded += 1;
  } catch (error) {
    outcomes.refused += 1;
    const told = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const known = error instanceof Error && ['SyntaxError', 'RangeError', 'TypeError', 'CheckpointError'].includes(error.name);
    if (!known || !error.message.startsWith('Cannot ') || !error.message.includes(place)) {
      throw new Error(`An unclear error: ${told.slice(0, 500)}\nof ${what().slice(0, 2_000)}`, { cause: error });
    }
    expect(error.message.length, `a message of bounded length: ${told.slice(0, 300)}`).toBeLessThan(4_000);
  }
  expect(performance.now() - begun, what().slice(0, 2_000)).toBeLessThan(PATIENCE_MS);
}
