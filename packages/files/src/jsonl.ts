/**
 * Files of one JSON document per line. A line counts from its line feed on: what follows the last line feed was torn
 * by a crash and is never read.
 */
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync } from 'node:fs';

const LINE_FEED = 0x0a;

/** Cuts a torn last line off the file and returns how many bytes it had, 0 if the file ends with a whole line. */
export function cutTornLine(path: string): number {
  if (!existsSync(path)) return 0;
  const bytes = readFileSync(path);
  const whole = bytes.lastIndexOf(LINE_FEED) + 1;
  const torn = bytes.byteLength - whole;
  if (torn === 0) return 0;
  const file = openSync(path, 'r+');
  try {
    ftruncateSync(file, whole);
  } finally {
    closeSync(file);
  }
  return torn;
}

/**
 * The documents of the whole lines of a file, each passed through `check`; none if there is no such file.
 *
 * Throws SyntaxError naming file and line for a line that is not JSON, and for one that `check` throws a TypeError for.
 */
export function readLines<T>(path: string, check: (value: unknown) => T): T[] {
  if (!existsSync(path)) return [];
  const bytes = readFileSync(path);
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const documents: T[] = [];
  for (let start = 0; ;) {
    const end = bytes.indexOf(LINE_FEED, start);
    if (end === -1) return documents;
    const place = `${path}, line ${documents.length + 1}`;
    let value: unknown;
    try {
      value = JSON.parse(decoder.decode(bytes.subarray(start, end)));
    } catch (cause) {
      throw new SyntaxError(`Cannot read ${place}: it is not JSON. Restore the file from a copy or start a new run`, {
        cause,
      });
    }
    try {
      documents.push(check(value));
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw new SyntaxError(`Cannot read ${place}: ${cause.message}`, { cause });
    }
    start = end + 1;
  }
}
