/** Whole files, put in place at once: a reader sees the old content or the new, never half of it. */

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXIT, Failure, messageOf } from './failure.ts';

/** Writes a file and the directories above it. Throws Failure when it cannot, leaving nothing half-written. */
export function writeWhole(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(temporary, content);
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    const full = cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC';
    const remedy = full ? 'the disk is full; make room and run the command again' : messageOf(cause);
    throw new Failure(full ? EXIT.resumable : EXIT.usage, `Cannot write ${path}: ${remedy}`, { cause });
  }
}

/** Reads a text file or ends with `exitCode`. */
export function readText(path: string, exitCode: number): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Failure(exitCode, `Cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Reads a JSON file or ends with `exitCode`. */
export function readJson(path: string, exitCode: number): unknown {
  const text = readText(path, exitCode);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Failure(exitCode, `Cannot read ${path}: it is not JSON (${messageOf(cause)})`, { cause });
  }
}
