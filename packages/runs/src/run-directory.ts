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
import { type Type, type } from 'arktype';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { canonicalJson } from '@seal/files';
import { appendLine, cutTornLine, digest, type Disk, errorCode, type Lock, makeDirectory, readLines, realDisk, writeProblem, syncDirectory, takeLock, TEMPORARY_SUFFIX, writeNewFile, writeWhole } from '@seal/files/node';
import { differences } from './config-difference.ts';
import { ConfigMismatchError } from './errors.ts';
import {
  type RecordKind,
  recordKinds,
  recordSchemas,
  type RecordTypes,
  type RunHeader,
  runHeaderSchema,
} from './records.ts';

/** Kinds of content-addressed files. */
export type BlobKind = 'adapters';
/** The files of one blob by name; exactly one of them ends in `.safetensors`. */
export type BlobFiles = Readonly<Record<string, Uint8Array | string>>;

const DEFAULT_BLOB_FILE = 'adapter_model.safetensors';
const encode = (content: Uint8Array | string): Uint8Array =>
  typeof content === 'string' ? new TextEncoder().encode(content) : content;

const conform = <T>(schema: (value: unknown) => T | type.errors, value: unknown): T => {
  const result = schema(value);
  if (result instanceof type.errors) throw new TypeError(result.summary);
  return result as T;
};

/** The record schema of a kind as a function: the union of schemas has no common call signature. */
const checkRecord = <K extends RecordKind>(kind: K, value: unknown): RecordTypes[K] => {
  const schema = recordSchemas[kind] as unknown as Type<RecordTypes[K]>;
  return conform((input) => schema(input) as RecordTypes[K] | type.errors, value);
};

const readHeader = (dir: string): RunHeader => {
  const path = join(dir, 'run.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (!['ENOENT', 'ENOTDIR'].includes(errorCode(cause))) throw writeProblem('read', path, cause);
    throw new RangeError(`Cannot open a run in ${dir}: there is no run.json in it`, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError(`Cannot read ${path}: it is not JSON`, { cause });
  }
  try {
    return conform((input) => runHeaderSchema(input), value);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new SyntaxError(`Cannot read ${path}: ${cause.message}`, { cause });
  }
};

const recordPath = (dir: string, kind: RecordKind): string => join(dir, `${kind}.jsonl`);

const removeTemporary = (dir: string): void => {
  for (const entry of readdirSync(dir)) {
    if (entry.endsWith(TEMPORARY_SUFFIX)) rmSync(join(dir, entry), { recursive: true, force: true });
  }
};

const checkName = (name: string, what: string): void => {
  const bad = name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name) || name.endsWith(TEMPORARY_SUFFIX);
  if (!bad) return;
  throw new RangeError(`Cannot use ${JSON.stringify(name)} as the name of ${what}: it must be a plain file name`);
};

/** A run directory held by this process; made by `createRun` or `openRun`, given back by `close`. */
export class RunDirectory {
  readonly dir: string;
  readonly header: RunHeader;
  readonly #disk: Disk;
  readonly #lock: Lock;
  readonly #files = new Map<RecordKind, number>();
  #closed = false;

  constructor(dir: string, header: RunHeader, lock: Lock, disk: Disk) {
    this.dir = dir;
    this.header = header;
    this.#lock = lock;
    this.#disk = disk;
  }

  /**
   * Appends one record; when it returns, the line survives the death of this process.
   *
   * Throws TypeError for a record that does not fit its schema and DiskFullError when there is no space; the file is
   * then as it was.
   */
  append<K extends RecordKind>(kind: K, record: RecordTypes[K]): void {
    let line: string;
    try {
      line = canonicalJson(checkRecord(kind, record));
    } catch (cause) {
      if (!(cause instanceof TypeError || cause instanceof RangeError)) throw cause;
      throw new TypeError(`Cannot append a record to ${kind}: ${cause.message}`, { cause });
    }
    appendLine(this.#disk, this.#open(kind), recordPath(this.dir, kind), line);
  }

  /** The records of a kind in the order they were appended, read from the file: keep the result. */
  records<K extends RecordKind>(kind: K): RecordTypes[K][] {
    return readLines(recordPath(this.dir, kind), (value) => checkRecord(kind, value));
  }

  /** Returns when every record appended so far has reached the device. */
  checkpoint(): void {
    for (const [kind, file] of this.#files) {
      try {
        this.#disk.sync(file);
      } catch (cause) {
        throw writeProblem('sync', recordPath(this.dir, kind), cause);
      }
    }
    syncDirectory(this.dir);
  }

  /** Puts a whole file into the run directory; at every moment it holds either the old content or the new. */
  writeFile(name: string, content: Uint8Array | string): void {
    this.#mustBeOpen();
    checkName(name, 'a file of the run');
    if (['run.json', 'lock', 'adapters'].includes(name) || recordKinds.some((kind) => name === `${kind}.jsonl`)) {
      throw new RangeError(`Cannot write ${name}: the name belongs to the run itself`);
    }
    writeWhole(join(this.dir, name), content, this.#disk);
  }

  /**
   * Stores files under the SHA-256 of their safetensors file and returns it; bytes alone are that file.
   * Storing the same files again changes nothing.
   *
   * Throws RangeError if there is not exactly one safetensors file, or if the hash is taken by other side files.
   */
  putBlob(kind: BlobKind, content: Uint8Array | BlobFiles): string {
    this.#mustBeOpen();
    const given: BlobFiles = content instanceof Uint8Array ? { [DEFAULT_BLOB_FILE]: content } : content;
    const files = Object.entries(given).map(([name, file]) => ({ name, bytes: encode(file) }));
    for (const { name } of files) checkName(name, 'a file of an adapter');
    const weights = files.filter(({ name }) => name.endsWith('.safetensors'));
    const [first] = weights;
    if (first === undefined || weights.length > 1) {
      throw new RangeError(`Cannot store an adapter with ${weights.length} safetensors files: exactly one names it`);
    }
    const sha = digest(first.bytes);
    const path = this.blobPath(kind, sha);
    if (existsSync(path)) {
      for (const { name, bytes } of files) {
        const stored = existsSync(join(path, name)) ? digest(readFileSync(join(path, name))) : 'absent';
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

  /** The directory of a blob, whether or not it is stored. */
  blobPath(kind: BlobKind, sha: string): string {
    if (!/^[0-9a-f]{64}$/.test(sha)) {
      throw new RangeError(`Cannot name an adapter ${JSON.stringify(sha)}: not a SHA-256`);
    }
    return join(this.dir, kind, sha);
  }

  /** Whether the blob is stored. */
  hasBlob(kind: BlobKind, sha: string): boolean {
    return existsSync(this.blobPath(kind, sha));
  }

  /** The safetensors bytes of a stored blob, checked against its hash. */
  readBlob(kind: BlobKind, sha: string): Uint8Array {
    const path = this.blobPath(kind, sha);
    if (!existsSync(path)) throw new RangeError(`Cannot read adapter ${sha}: it is not stored in ${this.dir}`);
    const name = readdirSync(path).find((entry) => entry.endsWith('.safetensors'));
    const bytes = name === undefined ? new Uint8Array() : new Uint8Array(readFileSync(join(path, name)));
    if (digest(bytes) !== sha) {
      throw new RangeError(`Cannot read adapter ${path}: its bytes do not have the hash it is named by`);
    }
    return bytes;
  }

  /** Closes the files and gives the directory back; a second call does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const file of this.#files.values()) closeSync(file);
    this.#files.clear();
    this.#lock.release();
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new TypeError(`Cannot write to the run in ${this.dir}: it has been closed`);
  }

  #open(kind: RecordKind): number {
    this.#mustBeOpen();
    const known = this.#files.get(kind);
    if (known !== undefined) return known;
    const path = recordPath(this.dir, kind);
    try {
      const file = openSync(path, 'a');
      this.#files.set(kind, file);
      return file;
    } catch (cause) {
      throw writeProblem('open', path, cause);
    }
  }
}

/** The name of a run: when it was started, its preset and seed, and a digest that tells apart what those do not. */
export const deriveRunId = (header: Omit<RunHeader, 'runId'>): string => {
  const moment = new Date(header.createdAt);
  if (Number.isNaN(moment.getTime())) throw new RangeError(`Cannot name a run: ${header.createdAt} is not a time`);
  const stamp = moment.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
  return `${stamp}-${header.preset}-s${header.seed}-${digest(header).slice(0, 6)}`;
};

/** Throws RangeError where no run can start in `dir`: it is a file, or has anything in it but what a start left behind. */
export const checkRoomForRun = (dir: string): void => {
  const path = resolve(dir);
  if (!existsSync(path)) return;
  if (!statSync(path).isDirectory()) throw new RangeError(`Cannot start a run in ${path}: it is a file. Choose another directory`);
  const entries = readdirSync(path).filter((entry) => entry !== 'lock' && !entry.endsWith(TEMPORARY_SUFFIX));
  if (entries.includes('run.json')) {
    throw new RangeError(`Cannot start a run in ${path}: it holds a run. Resume that one or choose another directory`);
  }
  if (entries.length > 0) {
    throw new RangeError(`Cannot start a run in ${path}: it is not empty (${entries[0]}). Choose another directory`);
  }
};

/**
 * Starts a run in a directory that is empty or does not exist yet, and holds it.
 *
 * Throws RangeError for a directory with anything in it and HeldError for one that another process is starting in.
 */
export const createRun = (dir: string, header: RunHeader, disk: Disk = realDisk): RunDirectory => {
  const path = resolve(dir);
  const checked = conform((input) => runHeaderSchema(input), header);
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
  } catch (error) {
    lock.release();
    throw error;
  }
  return new RunDirectory(path, checked, lock, disk);
};

/** What a resumed run must agree in; `config` is the resolved one. */
export type RunExpectation = Partial<Pick<RunHeader, 'preset' | 'mode' | 'seed' | 'config' | 'modelDigest'>>;

const checkExpectation = (dir: string, header: RunHeader, expected: RunExpectation): void => {
  const own: Record<string, unknown> = {};
  const asked: Record<string, unknown> = {};
  for (const key of ['preset', 'mode', 'seed', 'config', 'modelDigest'] as const) {
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
};

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
 * Throws RangeError where there is no run, SyntaxError naming file and line for damage, HeldError while another
 * process works there, ConfigMismatchError if the run is not the expected one.
 */
export const openRun = (dir: string, options: OpenOptions = {}): RunDirectory => {
  const path = resolve(dir);
  const header = readHeader(path);
  if (options.expected !== undefined) checkExpectation(path, header, options.expected);
  const lock = takeLock(path);
  try {
    removeTemporary(path);
    if (existsSync(join(path, 'adapters'))) removeTemporary(join(path, 'adapters'));
    const torn = recordKinds
      .map((kind) => ({ file: basename(recordPath(path, kind)), byteLength: cutTornLine(recordPath(path, kind)) }))
      .filter(({ byteLength }) => byteLength > 0);
    const run = new RunDirectory(path, header, lock, options.disk ?? realDisk);
    try {
      for (const kind of recordKinds) run.records(kind);
      const time = options.now ?? new Date().toISOString();
      if (lock.takenFrom !== null) {
        run.append('events', {
          time,
          type: 'lock-taken-over',
          message: `The lock of ${lock.takenFrom}, which has ended, was taken over`,
          details: null,
        });
      }
      for (const { file, byteLength } of torn) {
        run.append('events', {
          time,
          type: 'torn-line',
          message: `A torn last line of ${byteLength} bytes was cut off ${file}`,
          details: { file, byteLength },
        });
      }
    } catch (error) {
      run.close();
      throw error;
    }
    return run;
  } catch (error) {
    lock.release();
    throw error;
  }
};

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

/** Reads a run without holding it, also while another process works in it; changes nothing. */
export const readRun = (dir: string): RunRecords => {
  const path = resolve(dir);
  const read = <K extends RecordKind>(kind: K): RecordTypes[K][] =>
    readLines(recordPath(path, kind), (value) => checkRecord(kind, value));
  return {
    header: readHeader(path),
    selfEdits: read('self-edits'),
    rewards: read('rewards'),
    answers: read('answers'),
    selections: read('selections'),
    sft: read('sft'),
    metrics: read('metrics'),
    events: read('events'),
  };
};
