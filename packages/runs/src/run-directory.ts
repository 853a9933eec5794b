/**
 * A run as a directory:
 *
 *   run.json            what the run is (RunHeader); written once
 *   <kind>.jsonl        one canonical JSON record per line, append-only
 *   adapters/<sha256>/  the files of an adapter, named by the hash of its safetensors file
 *   lock                the process that works here now
 *   anything else       whole files put in place by `writeFile`
 *
 * A killed process loses at most the line it was writing; a power cut loses at most what followed the last
 * `checkpoint()`.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Problem } from '@seal/files';
import {
  digest,
  type Disk,
  errorCode,
  makeDirectory,
  readWhole,
  realDisk,
  syncDirectory,
  takeLock,
  TEMPORARY_SUFFIX,
  writeNewFile,
  writeProblem,
  writeWhole,
} from '@seal/files/node';
import { differences } from './config-difference.ts';
import { ConfigMismatchError } from './errors.ts';
import { checkName, type Layout, readRecords, RecordDirectory, removeTemporary } from './record-directory.ts';
import { parseHeader, recordChecks, type RecordTypes, type RunHeader } from './records.ts';
import type { BlobFiles, BlobKind, RunStore } from './store.ts';

const DEFAULT_BLOB_FILE = 'adapter_model.safetensors';
const LAYOUT: Layout<RecordTypes> = { what: 'run', kinds: recordChecks, reserved: ['run.json', 'adapters'] };

function readHeader(dir: string): RunHeader {
  const path = join(dir, 'run.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (!['ENOENT', 'ENOTDIR'].includes(errorCode(cause))) throw writeProblem('read', path, cause);
    throw new Problem('data', `Cannot open a run in ${dir}: there is no run.json in it`, { place: dir, cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Problem('data', `Cannot read ${path}: it is not JSON`, { place: path, cause });
  }
  try {
    return parseHeader(value);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new Problem('data', `Cannot read ${path}: ${cause.message}`, { place: path, cause });
  }
}

/** A run directory held by this process; made by `createRun` or `openRun`, given back by `close`. */
class RunDirectory implements RunStore {
  readonly header: RunHeader;
  readonly #records: RecordDirectory<RecordTypes>;
  readonly #disk: Disk;

  constructor(header: RunHeader, records: RecordDirectory<RecordTypes>, disk: Disk) {
    this.header = header;
    this.#records = records;
    this.#disk = disk;
  }

  get place(): string {
    return this.#records.place;
  }

  append<K extends keyof RecordTypes>(kind: K, record: RecordTypes[K]): Promise<void> {
    return this.#records.append(kind, record);
  }

  records<K extends keyof RecordTypes>(kind: K, from?: number): Promise<readonly RecordTypes[K][]> {
    return this.#records.records(kind, from);
  }

  checkpoint(): Promise<void> {
    return this.#records.checkpoint();
  }

  writeFile(name: string, content: Uint8Array | string): Promise<void> {
    return this.#records.writeFile(name, content);
  }

  readFile(name: string): Promise<Uint8Array | null> {
    return this.#records.readFile(name);
  }

  removeFile(name: string): Promise<void> {
    return this.#records.removeFile(name);
  }

  close(): Promise<void> {
    return this.#records.close();
  }

  async putBlob(kind: BlobKind, content: Uint8Array | BlobFiles): Promise<string> {
    this.#records.mustBeOpen();
    const given: BlobFiles = content instanceof Uint8Array ? { [DEFAULT_BLOB_FILE]: content } : content;
    const files = Object.entries(given).map(([name, file]) => ({ name, bytes: encode(file) }));
    for (const { name } of files) checkName(name, 'a file of an adapter');
    const weights = files.filter(({ name }) => name.endsWith('.safetensors'));
    const [first] = weights;
    if (first === undefined || weights.length > 1) {
      throw new RangeError(`Cannot store an adapter with ${weights.length} safetensors files: exactly one names it`);
    }
    const sha = digest(first.bytes);
    const path = this.#blobPath(kind, sha);
    if (existsSync(path)) {
      for (const { name, bytes } of files) {
        const stored = existsSync(join(path, name)) ? digest(readWhole(join(path, name))) : 'absent';
        if (stored !== digest(bytes)) {
          throw new RangeError(`Cannot store adapter ${sha}: its ${name} differs from the one stored in ${path}`);
        }
      }
      return sha;
    }
    const temporary = `${path}${TEMPORARY_SUFFIX}`;
    try {
      rmSync(temporary, { recursive: true, force: true });
      mkdirSync(temporary, { recursive: true });
      for (const { name, bytes } of files) writeNewFile(this.#disk, join(temporary, name), bytes);
      renameSync(temporary, path);
      syncDirectory(join(path, '..'));
    } catch (cause) {
      rmSync(temporary, { recursive: true, force: true });
      throw writeProblem('write', path, cause);
    }
    return sha;
  }

  async hasBlob(kind: BlobKind, sha: string): Promise<boolean> {
    return existsSync(this.#blobPath(kind, sha));
  }

  async readBlob(kind: BlobKind, sha: string): Promise<Uint8Array> {
    const path = this.#blobPath(kind, sha);
    if (!existsSync(path)) throw new Problem('data', `Cannot read adapter ${sha}: it is not stored in ${this.place}`, { place: path });
    const name = readdirSync(path).find((entry) => entry.endsWith('.safetensors'));
    const bytes = name === undefined ? new Uint8Array() : readWhole(join(path, name));
    if (digest(bytes) !== sha) {
      throw new Problem('data', `Cannot read adapter ${path}: its bytes do not have the hash it is named by`, { place: path });
    }
    return bytes;
  }

  #blobPath(kind: BlobKind, sha: string): string {
    if (!/^[0-9a-f]{64}$/.test(sha)) {
      throw new RangeError(`Cannot name an adapter ${JSON.stringify(sha)}: not a SHA-256`);
    }
    return join(this.place, kind, sha);
  }
}

function encode(content: Uint8Array | string): Uint8Array {
  return typeof content === 'string' ? new TextEncoder().encode(content) : content;
}

/** The name of a run: when it was started, its preset and seed, and a digest that tells apart what those do not. */
export function deriveRunId(header: Omit<RunHeader, 'runId'>): string {
  const moment = new Date(header.createdAt);
  if (Number.isNaN(moment.getTime())) throw new RangeError(`Cannot name a run: ${header.createdAt} is not a time`);
  const stamp = moment.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
  return `${stamp}-${header.preset}-s${header.seed}-${digest(header).slice(0, 6)}`;
}

/**
 * Throws a problem of kind `usage` where no run can start in `dir`: it is a file, or has anything in it but what a start
 * left behind.
 */
export function checkRoomForRun(dir: string): void {
  const place = resolve(dir);
  if (!existsSync(place)) return;
  const refuse = (reason: string): never => {
    throw new Problem('usage', `Cannot start a run in ${place}: ${reason}`, { place });
  };
  if (!statSync(place).isDirectory()) refuse('it is a file. Choose another directory');
  const entries = readdirSync(place).filter((entry) => entry !== 'lock' && !entry.endsWith(TEMPORARY_SUFFIX));
  if (entries.includes('run.json')) refuse('it holds a run. Resume that one or choose another directory');
  if (entries.length > 0) refuse(`it is not empty (${entries[0]}). Choose another directory`);
}

/**
 * Starts a run in a directory that is empty or does not exist yet, and holds it.
 *
 * Rejects with a problem of kind `usage` for a directory with anything in it and HeldError for one that another process is
 * starting in.
 */
export async function createRun(dir: string, header: RunHeader, disk: Disk = realDisk): Promise<RunStore> {
  const path = resolve(dir);
  const checked = parseHeader(header);
  try {
    makeDirectory(path);
  } catch (cause) {
    throw writeProblem('make the directory', path, cause);
  }
  checkRoomForRun(path);
  const lock = takeLock(path);
  try {
    checkRoomForRun(path);
    removeTemporary(path);
    writeWhole(join(path, 'run.json'), `${JSON.stringify(checked, null, 2)}\n`, disk);
    return new RunDirectory(checked, new RecordDirectory(path, LAYOUT, lock, disk), disk);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** What a resumed run must agree in; `config` is the resolved one. */
export type RunExpectation = Partial<Pick<RunHeader, 'preset' | 'mode' | 'seed' | 'config' | 'modelDigest' | 'domain'>>;

function checkExpectation(dir: string, header: RunHeader, expected: RunExpectation): void {
  const own: Record<string, unknown> = {};
  const asked: Record<string, unknown> = {};
  for (const key of ['preset', 'mode', 'seed', 'config', 'modelDigest', 'domain'] as const) {
    if (expected[key] === undefined) continue;
    own[key] = header[key];
    asked[key] = expected[key];
  }
  const found = differences(own, asked);
  if (found.length === 0) return;
  const more = found.length > 5 ? `; and ${found.length - 5} more` : '';
  throw new ConfigMismatchError(
    `Cannot resume the run in ${dir} with another configuration: it has ${found.slice(0, 5).join('; ')}${more}. ` +
      'Resume it as it was started, or start a new run',
  );
}

export interface OpenOptions {
  /** What the caller is about to do; a difference from the run is a ConfigMismatchError. */
  readonly expected?: RunExpectation;
  /** The time of events recorded while opening, ISO 8601. */
  readonly now?: string;
  readonly disk?: Disk;
}

/**
 * Holds an existing run to go on with it. A last line torn by a crash is cut off and an event says so; every record is
 * checked, so that a damaged run is refused before any work is done.
 *
 * Rejects with a problem of kind `data` where there is no run, and for damage, naming file and line; with HeldError while
 * another process works there, ConfigMismatchError if the run is not the expected one.
 */
export async function openRun(dir: string, { expected, now, disk = realDisk }: OpenOptions = {}): Promise<RunStore> {
  const path = resolve(dir);
  const header = readHeader(path);
  if (expected !== undefined) checkExpectation(path, header, expected);
  const lock = takeLock(path);
  try {
    if (existsSync(join(path, 'adapters'))) removeTemporary(join(path, 'adapters'));
    const records = new RecordDirectory(path, LAYOUT, lock, disk);
    try {
      const time = now ?? new Date().toISOString();
      if (lock.takenFrom !== null) {
        const message = `The lock of ${lock.takenFrom}, which has ended, was taken over`;
        await records.append('events', { time, type: 'lock-taken-over', message, details: null });
      }
      for (const { file, byteLength } of records.torn) {
        const message = `A torn last line of ${byteLength} bytes was cut off ${file}`;
        await records.append('events', { time, type: 'torn-line', message, details: { file, byteLength } });
      }
    } catch (error) {
      await records.close();
      throw error;
    }
    return new RunDirectory(header, records, disk);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Everything recorded in a run. */
export interface RunRecords {
  readonly header: RunHeader;
  readonly selfEdits: readonly RecordTypes['self-edits'][];
  readonly rewards: readonly RecordTypes['rewards'][];
  readonly answers: readonly RecordTypes['answers'][];
  readonly selections: readonly RecordTypes['selections'][];
  readonly sft: readonly RecordTypes['sft'][];
  readonly metrics: readonly RecordTypes['metrics'][];
  readonly events: readonly RecordTypes['events'][];
}

/** Reads a run without holding it, also while another process works in it; changes nothing. Rejects as `openRun` does. */
export async function readRun(dir: string): Promise<RunRecords> {
  const path = resolve(dir);
  return {
    header: readHeader(path),
    selfEdits: readRecords(path, LAYOUT, 'self-edits'),
    rewards: readRecords(path, LAYOUT, 'rewards'),
    answers: readRecords(path, LAYOUT, 'answers'),
    selections: readRecords(path, LAYOUT, 'selections'),
    sft: readRecords(path, LAYOUT, 'sft'),
    metrics: readRecords(path, LAYOUT, 'metrics'),
    events: readRecords(path, LAYOUT, 'events'),
  };
}
