/** What libraries write to the process's stderr by themselves, kept from a terminal. */

import { closeSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { isatty } from 'node:tty';

const STDERR = 2;
/** A descriptor's name here opens what it is open on; for a file that would lose the place in it. */
const OPEN = process.platform === 'linux' ? '/proc/self/fd' : '/dev/fd';

/**
 * Runs `open` while what is written to stderr goes nowhere: Dawn warns there, of every adapter, that it lowers two limits that
 * nothing here uses. Only where stderr is a terminal or a pipe, which can be opened again as they are; else nothing is held back.
 */
export async function withoutWarnings<T>(open: () => Promise<T>): Promise<T> {
  const restore = silence();
  try {
    return await open();
  } finally {
    restore?.();
  }
}

function silence(): (() => void) | null {
  let same: number;
  try {
    if (process.platform === 'win32' || !(isatty(STDERR) || fstatSync(STDERR).isFIFO())) return null;
    same = openSync(join(OPEN, String(STDERR)), 'w');
  } catch {
    return null;
  }
  // A new descriptor is the lowest that is free: that of stderr, once it is closed, where those below it are in use.
  if (same > STDERR) {
    put('/dev/null');
    return () => {
      put(join(OPEN, String(same)));
      closeSync(same);
    };
  }
  closeSync(same);
  return null;
}

/** Opens a path in the place of stderr. */
function put(path: string): void {
  closeSync(STDERR);
  openSync(path, 'w');
}
