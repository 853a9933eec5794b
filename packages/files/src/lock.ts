/**
 * One process at a time works in a directory. The file `lock` names the holder; a holder that is known to be dead
 * is replaced. A holder on another machine cannot be probed, so it is believed.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { errorCode, HeldError, writeProblem } from './errors.ts';

/** Names a process beyond its id, which is soon reused: by machine and, where the system tells, by start time. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  readonly started: string | null;
}

/** Boot id and start time of a process, from Linux' procfs; null on systems without it. */
function startOf(pid: number): string | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name, field 2, is in parentheses and may hold spaces; start time is field 22.
    const started = fields.slice(fields.lastIndexOf(')') + 2).split(' ')[19];
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return started === undefined ? null : `${boot}:${started}`;
  } catch {
    return null;
  }
}

/** Whether a process of this machine lives. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

function parseHolder(text: string): Holder | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('host' in value)) return null;
    if (typeof value.pid !== 'number' || !Number.isSafeInteger(value.pid) || value.pid <= 0) return null;
    if (typeof value.host !== 'string') return null;
    const started = 'started' in value && typeof value.started === 'string' ? value.started : null;
    return { pid: value.pid, host: value.host, started };
  } catch {
    return null;
  }
}

function isAlive(holder: Holder): boolean {
  if (holder.host !== hostname()) return true;
  if (!isRunning(holder.pid)) return false;
  const started = startOf(holder.pid);
  return started === null || holder.started === null || started === holder.started;
}

function held(path: string, holder: Holder): HeldError {
  const who =
    holder.host !== hostname()
      ? `process ${holder.pid} on ${holder.host}`
      : holder.pid === process.pid
        ? 'this process'
        : `process ${holder.pid}`;
  const remedy =
    holder.host !== hostname()
      ? `If that process has ended, delete ${path} and try again`
      : 'Wait until it ends, stop it, or use another directory';
  return new HeldError(`Cannot open the run in ${join(path, '..')}: it is held by ${who}. ${remedy}`);
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** A taken lock and whom it was taken over from. */
export interface Lock {
  /** The dead process that had left the lock behind, if there was one. */
  readonly takenFrom: string | null;
  readonly release: () => void;
}

/** Takes the lock of a directory, or throws HeldError naming the live holder. */
export function takeLock(dir: string): Lock {
  const path = join(dir, 'lock');
  const own: Holder = { pid: process.pid, host: hostname(), started: startOf(process.pid) };
  const text = JSON.stringify(own);
  let takenFrom: string | null = null;

  const stale = readText(path);
  if (stale !== null) {
    const holder = parseHolder(stale);
    if (holder !== null && isAlive(holder)) throw held(path, holder);
    // Another process may be taking over at the same time: whoever moved a file that is not the stale one puts it back.
    const aside = `${path}.${process.pid}.partial`;
    try {
      renameSync(path, aside);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw writeProblem('take', path, error);
    }
    const moved = readText(aside);
    if (moved !== null && moved !== stale) copyFileSync(aside, path, constants.COPYFILE_EXCL);
    rmSync(aside, { force: true });
    takenFrom = holder === null ? 'an unknown process' : `process ${holder.pid}`;
  }

  let file: number | null = null;
  try {
    file = openSync(path, 'wx');
    writeSync(file, text);
  } catch (error) {
    if (file === null && errorCode(error) === 'EEXIST') {
      const holder = parseHolder(readText(path) ?? '');
      if (holder !== null) throw held(path, holder);
      throw new HeldError(`Cannot open the run in ${dir}: another process is just taking it`);
    }
    if (file !== null) rmSync(path, { force: true });
    throw writeProblem('write', path, error);
  } finally {
    if (file !== null) closeSync(file);
  }
  if (readText(path) !== text) throw new HeldError(`Cannot open the run in ${dir}: another process took it first`);

  return {
    takenFrom,
    release: () => {
      if (existsSync(path) && readText(path) === text) rmSync(path, { force: true });
    },
  };
}
