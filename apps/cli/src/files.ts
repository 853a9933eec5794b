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
  writeSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileProblem } from '@seal/model';
import { makeDirectory } from '@seal/runs';
import { EXIT, Failure, messageOf } from './failure.ts';

/** Writes a file and the directories above it. Throws Failure when it cannot, leaving nothing half-written. */
export function writeWhole(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    makeDirectory(dirname(path));
    writePieces(temporary, typeof content === 'string' ? Buffer.from(content) : content);
    renameSync(temporary, path);
  } catch (cause) {
    if (existsSync(temporary)) rmSync(temporary);
    throw cannotWrite(path, cause);
  }
}

/** The system takes less than 2 GiB at once; weights in float32 have more. */
const PIECE_BYTES = 2 ** 30;

function writePieces(path: string, bytes: Uint8Array): void {
  const file = openSync(path, 'w');
  try {
    for (let done = 0; done < bytes.byteLength; ) done += writeSync(file, bytes, done, Math.min(bytes.byteLength - done, PIECE_BYTES));
  } finally {
    closeSync(file);
  }
}

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

/** Ends with exit code 2 where a directory of `what` is to be made and something is there already. */
export function checkVacant(path: string, what: string): void {
  if (path === '') throw new Failure(EXIT.usage, `Cannot write ${what}: --out is empty; name a directory`);
  if (!existsSync(path) || (statSync(path).isDirectory() && readdirSync(path).length === 0)) return;
  const problem = statSync(path).isDirectory() ? 'it is not empty' : 'it is a file';
  throw new Failure(EXIT.usage, `Cannot write ${what} to ${path}: ${problem}; choose another directory`);
}

/**
 * Makes a directory: `fill` writes it beside its place, then it is moved there, so that it is there whole or not at all.
 * What came into its place meanwhile is kept. Throws Failure where a file cannot be written, and what else `fill` throws.
 */
export async function writeDirectory(path: string, fill: (temporary: string) => void | Promise<void>): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    makeDirectory(temporary);
    await fill(temporary);
    makeDirectory(dirname(path));
    // Only an empty one: what somebody put there meanwhile stays.
    if (existsSync(path)) rmdirSync(path);
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { recursive: true, force: true });
    throw cause instanceof Error && 'syscall' in cause ? cannotWrite(path, cause) : cause;
  }
}

/** Reads a text file, `-` being stdin where `orStdin`, or ends with `exitCode` when it cannot be read or is not UTF-8. */
export function readText(path: string, exitCode: number, { orStdin = false } = {}): string {
  const isStdin = orStdin && path === '-';
  const place = isStdin ? 'stdin' : path;
  let bytes: Buffer;
  try {
    bytes = readFileSync(isStdin ? 0 : path);
  } catch (cause) {
    throw new Failure(exitCode, `Cannot read ${place}: ${fileProblem(cause)}`, { cause });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Failure(exitCode, `Cannot read ${place}: line ${badLine(bytes)} is not UTF-8; convert it, with iconv for example`, { cause });
  }
}

/** The first line that is not UTF-8, 1 being the first. */
function badLine(bytes: Buffer): number {
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

/** The failure of writing at `path`: a full disk leaves nothing behind and the command can be run again. */
export function cannotWrite(path: string, cause: unknown): Failure {
  const full = cause instanceof Error && 'code' in cause && ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(String(cause.code));
  const problem = full ? 'the disk is full and nothing was left half-written; free some space and try again' : fileProblem(cause);
  return new Failure(full ? EXIT.resumable : EXIT.usage, `Cannot write ${path}: ${problem}`, { cause });
}

/** Reads a JSON file or ends with `exitCode`. */
export function readJson(path: string, exitCode: number): unknown {
  const text = readText(path, exitCode);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Failure(exitCode, `Cannot read ${path}: it is not JSON (${messageOf(cause).replaceAll(/\s*\n\s*/g, ' ')})`, { cause });
  }
}

/** Every program of this name on the PATH, first come first. */
export function pathCandidates(program: string): string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, program)).filter((path) => existsSync(path));
}
