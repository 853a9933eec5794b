/** Whole files, put in place at once: a reader sees the old content or the new, never half of it. */

import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import process from 'node:process';
import { makeDirectory, realDisk, syncDirectory, TEMPORARY_SUFFIX, writeAll, writeNewFile, type Disk } from './disk.ts';
import { fileProblem, writeProblem } from './errors.ts';
import { messageOf, Problem, type ProblemKind } from './problem.ts';

/** A name beside `path` for what is to take its place; processes do not meet in it. */
function temporaryOf(path: string): string {
  return `${path}.${process.pid}${TEMPORARY_SUFFIX}`;
}

/**
 * Writes a file and the directories above it, and returns when it has reached the device. At every moment the path holds
 * the old content or the new. Throws DiskFullError, or a problem of kind `usage`, leaving nothing half-written.
 */
export function writeWhole(path: string, content: string | Uint8Array, disk: Disk = realDisk): void {
  const temporary = temporaryOf(path);
  try {
    makeDirectory(dirname(path));
    writeNewFile(disk, temporary, typeof content === 'string' ? new TextEncoder().encode(content) : content);
    renameSync(temporary, path);
    syncDirectory(dirname(path));
  } catch (cause) {
    if (existsSync(temporary)) rmSync(temporary);
    throw writeProblem('write', path, cause);
  }
}

/**
 * Writes a file as `writeWhole` does, piece by piece: `fill` hands over its bytes in order. Throws as `writeWhole`, and what
 * else `fill` throws, leaving nothing half-written.
 */
export async function streamWhole(path: string, fill: (write: (bytes: Uint8Array) => void) => Promise<void>, disk: Disk = realDisk): Promise<void> {
  const temporary = temporaryOf(path);
  let file: number | null = null;
  try {
    makeDirectory(dirname(path));
    const own = openSync(temporary, 'w');
    file = own;
    await fill((bytes) => writeAll(disk, own, bytes));
    disk.sync(own);
    closeSync(own);
    file = null;
    renameSync(temporary, path);
    syncDirectory(dirname(path));
  } catch (cause) {
    if (file !== null) closeSync(file);
    rmSync(temporary, { force: true });
    throw cause instanceof Error && 'code' in cause ? writeProblem('write', path, cause) : cause;
  }
}

/**
 * Puts a file in place that `fill` writes under a name beside it, and may read again before it is there. Throws as
 * `streamWhole`, leaving nothing.
 */
export async function placeWhole(path: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = temporaryOf(path);
  try {
    makeDirectory(dirname(path));
    await fill(temporary);
    renameSync(temporary, path);
    syncDirectory(dirname(path));
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw cause instanceof Error && 'syscall' in cause ? writeProblem('write', path, cause) : cause;
  }
}

/** The system takes less than 2 GiB at once; weights in float32 have more. */
const PIECE_BYTES = 2 ** 30;

/** The bytes of a file of any size. Throws what the system reports. */
export function readWhole(path: string): Uint8Array<ArrayBuffer> {
  const file = openSync(path, 'r');
  try {
    const bytes = new Uint8Array(fstatSync(file).size);
    for (let done = 0; done < bytes.byteLength; ) {
      const count = readSync(file, bytes, done, Math.min(bytes.byteLength - done, PIECE_BYTES), done);
      if (count === 0) return bytes.slice(0, done);
      done += count;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}

/** Throws a problem of kind `usage` where a directory of `what` is to be made and something is there already. */
export function checkVacant(path: string, what: string): void {
  if (path === '') throw new Problem('usage', `Cannot write ${what}: \`out\` is empty`, { remedy: 'name a directory' });
  if (!existsSync(path) || (statSync(path).isDirectory() && readdirSync(path).length === 0)) return;
  const problem = statSync(path).isDirectory() ? 'it is not empty' : 'it is a file';
  throw new Problem('usage', `Cannot write ${what} to ${path}: ${problem}`, { remedy: 'choose another directory', place: path });
}

/**
 * Makes a directory: `fill` writes it beside its place, then it is moved there, so that it is there whole or not at all.
 * What came into its place meanwhile is kept. Throws a problem where a file cannot be written, and what else `fill` throws.
 */
export async function writeDirectory(path: string, fill: (temporary: string) => void | Promise<void>): Promise<void> {
  const temporary = temporaryOf(path);
  try {
    makeDirectory(temporary);
    await fill(temporary);
    makeDirectory(dirname(path));
    // Only an empty one: what somebody put there meanwhile stays.
    if (existsSync(path)) rmdirSync(path);
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { recursive: true, force: true });
    throw cause instanceof Error && 'syscall' in cause ? writeProblem('write', path, cause) : cause;
  }
}

/** Reads a text file, `-` being stdin where `orStdin`. Throws a problem of `kind` where it cannot be read or is not UTF-8. */
export function readText(path: string, kind: ProblemKind, { orStdin = false } = {}): string {
  const isStdin = orStdin && path === '-';
  const place = isStdin ? 'stdin' : path;
  let bytes: Buffer;
  try {
    bytes = readFileSync(isStdin ? 0 : path);
  } catch (cause) {
    throw new Problem(kind, `Cannot read ${place}: ${fileProblem(cause)}`, { place, cause });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Problem(kind, `Cannot read ${place}: line ${badLine(bytes)} is not UTF-8`, { remedy: 'convert it, with iconv for example', place, cause });
  }
}

/** The first line that is not UTF-8, 1 being the first. */
function badLine(bytes: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, start);
    const stop = end < 0 ? bytes.length : end;
    try {
      decoder.decode(bytes.subarray(start, stop));
    } catch {
      return line;
    }
    start = stop + 1;
  }
  return line;
}

/** Reads a JSON file. Throws a problem of `kind` where it cannot be read or is none. */
export function readJson(path: string, kind: ProblemKind): unknown {
  const text = readText(path, kind);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Problem(kind, `Cannot read ${path}: it is not JSON (${messageOf(cause).replaceAll(/\s*\n\s*/g, ' ')})`, { place: path, cause });
  }
}
