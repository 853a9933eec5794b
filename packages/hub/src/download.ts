/**
 * One blob of a cache, loaded so that a cut costs only what was on its way: bytes go into a file beside the blob,
 * `OID.OWNER.incomplete`, a later attempt asks for the rest with a range request, and only what hashes to the name that
 * the hub gave becomes the blob.
 *
 * The owner in the name is a machine and a process, so that two that load at once each write their own file; a file
 * that was given up, whose process is dead, or that was not written for ten minutes is taken over by renaming it, which
 * one of them can only.
 */

import { createHash, randomUUID, type Hash } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { open, statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';
import { errorCode, isRunning } from '@seal/files/node';
import { ATTEMPTS, reasonOf, type Hub } from './api.ts';
import { fileSize } from './cache.ts';
import { HubError } from './errors.ts';
import type { RepositoryFile } from './selection.ts';

/** No server that still sends lets a file rest for so long. */
const ABANDONED_MS = 600_000;
/** An attempt that came so much farther is not a failed one. */
const PROGRESS_BYTES = 2 ** 20;
const FREE = 'free';
const host = hostname().replaceAll(/[^A-Za-z0-9-]/g, '-').slice(0, 64);

/** A blob that is complete now. */
export interface Loaded {
  /** Bytes that were there from an earlier attempt. */
  readonly resumedFrom: number;
  readonly receivedBytes: number;
}

/**
 * Loads `file` at `url` to `blob`. `onBytes` gets the length that is there so far. Throws HubError, the signal's reason,
 * and what the file system reports; what was received is kept for the next time, unless it is wrong.
 */
export async function downloadBlob(hub: Hub, url: string, file: RepositoryFile, blob: string, onBytes: (byteLength: number) => void): Promise<Loaded> {
  mkdirSync(dirname(blob), { recursive: true });
  const partial = takePartial(blob);
  try {
    const loaded = await fill(hub, url, file, partial, onBytes);
    renameSync(partial, blob);
    return loaded;
  } catch (error) {
    givePartialBack(partial, blob);
    throw error;
  }
}

async function fill(hub: Hub, url: string, file: RepositoryFile, partial: string, onBytes: (byteLength: number) => void): Promise<Loaded> {
  const start = fileSize(partial) ?? 0;
  let resumedFrom = start > file.byteLength ? 0 : start;
  await checkSpace(partial, file, resumedFrom);
  let receivedBytes = 0;
  // A server that knows no ranges begins anew each time: what counts is how far it came.
  let farthest = resumedFrom;
  for (let attempt = 1; ; ) {
    const body = new BlobWriter(file, partial, onBytes);
    let failure: unknown = null;
    await body.open();
    try {
      if (body.length < file.byteLength) await receive(hub, url, file, body);
    } catch (error) {
      hub.signal?.throwIfAborted();
      // What the hub refused or the disk did is not cured by asking again.
      if (error instanceof HubError || isFileProblem(error)) throw error;
      failure = error;
    } finally {
      await body.close();
    }
    receivedBytes += body.received;
    if (body.restarted) resumedFrom = 0;
    if (failure === null && body.length === file.byteLength) {
      if (body.digest() === file.oid) return { resumedFrom, receivedBytes };
      rmSync(partial, { force: true });
      // Bytes of an earlier attempt may be to blame: once more from the beginning.
      if (resumedFrom > 0) {
        resumedFrom = 0;
        attempt = 1;
        continue;
      }
      throw new HubError(
        'damaged',
        `Cannot pull ${file.path}: what came is not what the hub lists (its ${file.isLfs ? 'SHA-256' : 'git SHA-1'} differs from ${file.oid}); ` +
          'nothing of it was kept; pull again, and check what lies between here and the hub if it stays so',
      );
    }
    if (body.length >= farthest + PROGRESS_BYTES) attempt = 0;
    farthest = Math.max(farthest, body.length);
    if (attempt >= ATTEMPTS) throw cut(hub, file, body.length, failure);
    await hub.wait(attempt, failure === null ? 'the connection was cut' : reasonOf(failure));
    attempt += 1;
  }
}

function cut(hub: Hub, file: RepositoryFile, length: number, failure: unknown): HubError {
  if (failure !== null && length === 0) return hub.unreachable(failure);
  return new HubError(
    'network',
    `Cannot pull ${file.path}: the connection was cut ${ATTEMPTS} times, ${length} of ${file.byteLength} bytes are kept; pull again to go on`,
    { cause: failure ?? undefined },
  );
}

/** One request for what is missing, written as it comes. */
async function receive(hub: Hub, url: string, file: RepositoryFile, body: BlobWriter): Promise<void> {
  const idle = new AbortController();
  const range: Record<string, string> = body.length > 0 ? { range: `bytes=${body.length}-` } : {};
  let response: Response;
  try {
    response = await hub.request(url, { 'accept-encoding': 'identity', ...range }, idle.signal);
  } catch (error) {
    // A server that cannot give the rest of a range gives the whole.
    if (body.length === 0 || !(error instanceof HubError) || error.problem !== 'damaged') throw error;
    await body.restart();
    response = await hub.request(url, { 'accept-encoding': 'identity' }, idle.signal);
  }
  if (body.length > 0 && !continues(response, body.length, file.byteLength)) await body.restart();
  const announced = response.headers.get('content-length');
  const left = file.byteLength - body.length;
  if (announced !== null && Number(announced) !== left && response.headers.get('content-encoding') === null) {
    await response.body?.cancel();
    throw new HubError('damaged', `Cannot pull ${file.path}: the hub lists ${file.byteLength} bytes and sends ${announced} where ${left} are left; pull again`);
  }
  if (!response.body) return;
  const reader = response.body.getReader();
  const timedOut = () => idle.abort(new Error(`nothing came for ${hub.idleTimeoutMs / 1_000} s`));
  try {
    for (;;) {
      const timer = setTimeout(timedOut, hub.idleTimeoutMs);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      if (done) return;
      hub.signal?.throwIfAborted();
      if (body.length + value.byteLength > file.byteLength) {
        throw new HubError('damaged', `Cannot pull ${file.path}: more came than the ${file.byteLength} bytes that the hub lists; pull again`);
      }
      await body.append(value);
    }
  } finally {
    // Where the loop ended early the rest is not wanted; a body that failed has nothing to cancel.
    await reader.cancel().catch(() => {});
  }
}

/** Whether an answer is the rest of the file from byte `start` on. */
function continues(response: Response, start: number, byteLength: number): boolean {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  return response.status === 206 && match !== null && Number(match[1]) === start && (match[2] === '*' || Number(match[2]) === byteLength);
}

/** Appends to an incomplete file and hashes along. */
class BlobWriter {
  length = 0;
  received = 0;
  restarted = false;
  #file: RepositoryFile;
  #path: string;
  #onBytes: (byteLength: number) => void;
  #hash: Hash;
  #handle: Awaited<ReturnType<typeof open>> | null = null;

  constructor(file: RepositoryFile, path: string, onBytes: (byteLength: number) => void) {
    this.#file = file;
    this.#path = path;
    this.#onBytes = onBytes;
    this.#hash = this.#start();
  }

  /** A hub names an LFS file by its SHA-256 and any other as git does, by the SHA-1 of a header and the content. */
  #start(): Hash {
    const { isLfs, byteLength } = this.#file;
    return isLfs ? createHash('sha256') : createHash('sha1').update(`blob ${byteLength}\0`);
  }

  /** Reads what is there already. */
  async open(): Promise<void> {
    const there = fileSize(this.#path) ?? 0;
    this.#handle = await open(this.#path, there > 0 && there <= this.#file.byteLength ? 'r+' : 'w');
    if (there === 0 || there > this.#file.byteLength) return;
    for await (const chunk of createReadStream(this.#path)) {
      this.#hash.update(chunk as Buffer);
      this.length += (chunk as Buffer).byteLength;
    }
    this.#onBytes(this.length);
  }

  async restart(): Promise<void> {
    await this.#handle?.truncate(0);
    this.#hash = this.#start();
    this.length = 0;
    this.restarted = true;
    this.#onBytes(0);
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.byteLength; ) {
      const { bytesWritten = 0 } = (await this.#handle?.write(bytes, written, bytes.byteLength - written, this.length + written)) ?? {};
      written += bytesWritten;
    }
    this.#hash.update(bytes);
    this.length += bytes.byteLength;
    this.received += bytes.byteLength;
    this.#onBytes(this.length);
  }

  digest(): string {
    return this.#hash.digest('hex');
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = null;
  }
}

function isFileProblem(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG', 'EACCES', 'EPERM', 'EROFS', 'EIO', 'ENOENT', 'ENOTDIR', 'EISDIR'].includes(errorCode(error));
}

async function checkSpace(partial: string, file: RepositoryFile, present: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(partial));
  const needed = file.byteLength - present;
  if (needed > bavail * bsize) {
    throw new HubError('disk-full', `Cannot pull ${file.path}: it needs ${needed} bytes and ${dirname(partial)} has ${bavail * bsize} left; free some space or set \`cacheDirectory\``);
  }
}

/** An incomplete file of our own for a blob, with what an earlier attempt left. */
function takePartial(blob: string): string {
  const own = `${blob}.${host}.${process.pid}.${randomUUID().slice(0, 8)}.incomplete`;
  const folder = dirname(blob);
  const left = readdirSync(folder)
    .filter((name) => name.startsWith(`${basename(blob)}.`) && name.endsWith('.incomplete') && isLeft(join(folder, name), basename(blob)))
    .map((name) => join(folder, name))
    .sort((a, b) => (fileSize(b) ?? 0) - (fileSize(a) ?? 0));
  for (const path of left) {
    try {
      renameSync(path, own);
      // Its age was the last owner's: who reads it for long must not lose it.
      const now = new Date();
      utimesSync(own, now, now);
      return own;
    } catch (error) {
      // Somebody else took it first.
      if (errorCode(error) !== 'ENOENT') throw error;
    }
  }
  return own;
}

/** Whether nobody writes this incomplete file any more. */
function isLeft(path: string, oid: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isFile()) return false;
  const [machine, pid] = basename(path).slice(oid.length + 1).split('.');
  if (machine === FREE) return true;
  if (machine === host && pid !== undefined && /^\d+$/.test(pid) && !isRunning(Number(pid))) return true;
  return Date.now() - found.mtimeMs > ABANDONED_MS;
}

function givePartialBack(partial: string, blob: string): void {
  try {
    if (fileSize(partial) === 0) rmSync(partial);
    else renameSync(partial, `${blob}.${FREE}.${randomUUID().slice(0, 8)}.incomplete`);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
