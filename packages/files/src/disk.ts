/**
 * Writing so that a reader never sees half of anything: whole lines appended, whole files put in place by a rename.
 * The two system calls that fail on a full disk are taken through `Disk`, so that a test can fill it.
 */
import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errorCode, writeProblem } from './errors.ts';

/** The calls that move bytes to the disk. */
export interface Disk {
  /** Writes bytes from `offset` on at the file's position; returns how many were written, perhaps fewer than asked. */
  readonly write: (file: number, bytes: Uint8Array, offset: number) => number;
  /** Returns when the bytes of the file have reached the device. */
  readonly sync: (file: number) => void;
}

export const realDisk: Disk = {
  // The system takes less than 2 GiB at once.
  write: (file, bytes, offset) => writeSync(file, bytes, offset, Math.min(bytes.byteLength - offset, 2 ** 30)),
  sync: (file) => fsyncSync(file),
};

/**
 * Makes a directory and those above it that are missing. Throws what the system says. (Node's own way of doing so never
 * returns in file systems that take no directories, such as /proc.)
 */
export function makeDirectory(path: string): void {
  const place = resolve(path);
  if (existsSync(place)) return;
  makeDirectory(dirname(place));
  try {
    mkdirSync(place);
  } catch (cause) {
    // Somebody else may have made it meanwhile.
    if (errorCode(cause) === 'EEXIST') return;
    // What is above it is there, so it is not that which is missing.
    if (errorCode(cause) !== 'ENOENT') throw cause;
    throw Object.assign(new Error('its file system takes no directories', { cause }), { code: 'ENOTSUP', syscall: 'mkdir' });
  }
}

/** Writes all of some bytes at the file's position. */
export function writeAll(disk: Disk, file: number, bytes: Uint8Array): void {
  let offset = 0;
  while (offset < bytes.byteLength) {
    const written = disk.write(file, bytes, offset);
    if (written <= 0) throw Object.assign(new Error('no byte was written'), { code: 'ENOSPC' });
    offset += written;
  }
}

/** Appends one whole line to an open file; on failure the file is cut back to what it held before. */
export function appendLine(disk: Disk, file: number, path: string, line: string): void {
  const before = fstatSync(file).size;
  try {
    writeAll(disk, file, new TextEncoder().encode(`${line}\n`));
  } catch (cause) {
    ftruncateSync(file, before);
    throw writeProblem('append to', path, cause);
  }
}

/** Makes the entries of a directory durable; file systems that cannot sync a directory are left as they are. */
export function syncDirectory(path: string): void {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (['EISDIR', 'EPERM', 'EACCES'].includes(errorCode(error))) return;
    throw error;
  }
  try {
    fsyncSync(file);
  } catch (error) {
    if (!['EINVAL', 'EPERM', 'ENOTSUP', 'EBADF'].includes(errorCode(error))) throw error;
  } finally {
    closeSync(file);
  }
}

/** Writes and syncs a new file at `path`; on failure no file is left there. */
export function writeNewFile(disk: Disk, path: string, bytes: Uint8Array): void {
  const file = openSync(path, 'w');
  let complete = false;
  try {
    writeAll(disk, file, bytes);
    disk.sync(file);
    complete = true;
  } finally {
    closeSync(file);
    if (!complete) rmSync(path, { force: true });
  }
}

/** How names of files end that are not in place yet. A crash may leave some. */
export const TEMPORARY_SUFFIX = '.partial';
