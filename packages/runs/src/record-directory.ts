/**
 * Records in a directory: `<kind>.jsonl` holds one JSON document per line and is only ever appended to; other files are
 * put in place whole; `lock` names the process that works here now.
 *
 * A killed process loses at most the line it was writing; a power cut loses at most what followed the last
 * `checkpoint()`. What was read or appended is kept in memory: a file is read once.
 */
import { closeSync, openSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { canonicalJson, Problem } from '@seal/files';
import {
  appendLine,
  cutTornLine,
  type Disk,
  errorCode,
  fileProblem,
  type Lock,
  readLines,
  readWhole,
  syncDirectory,
  TEMPORARY_SUFFIX,
  writeProblem,
  writeWhole,
} from '@seal/files/node';
import type { RecordStore } from './store.ts';

/** What a directory of records holds. */
export interface Layout<Types> {
  /** What it is, in messages: `run`. */
  readonly what: string;
  /** Every kind with the check of its records, which throws TypeError for what does not fit. */
  readonly kinds: { readonly [K in keyof Types & string]: (value: unknown) => Types[K] };
  /** Names besides those of records and the lock that `writeFile` and `removeFile` leave alone. */
  readonly reserved: readonly string[];
  /** A record as a line; canonical JSON where absent. */
  readonly line?: (record: unknown) => string;
}

/** A last line that a crash had torn, and that opening cut off. */
export interface TornLine {
  readonly file: string;
  readonly byteLength: number;
}

function recordPath(dir: string, kind: string): string {
  return join(dir, `${kind}.jsonl`);
}

function kindsOf<Types>({ kinds }: Layout<Types>): (keyof Types & string)[] {
  return Object.keys(kinds) as (keyof Types & string)[];
}

/** Throws RangeError for what is not the plain name of a file; `what` is as in "a file of the run". */
export function checkName(name: string, what: string): void {
  const bad = name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name) || name.endsWith(TEMPORARY_SUFFIX);
  if (!bad) return;
  throw new RangeError(`Cannot use ${JSON.stringify(name)} as the name of ${what}: it must be a plain file name`);
}

/** Removes what a crash left of files that were not in place yet. */
export function removeTemporary(dir: string): void {
  for (const entry of readdirSync(dir)) {
    if (entry.endsWith(TEMPORARY_SUFFIX)) rmSync(join(dir, entry), { recursive: true, force: true });
  }
}

/** The whole records of a kind as they are on disk; changes nothing. Throws a problem of kind `data` naming file and line. */
export function readRecords<Types, K extends keyof Types & string>(dir: string, { kinds }: Layout<Types>, kind: K): Types[K][] {
  return readLines(recordPath(dir, kind), kinds[kind]);
}

/** A directory of records that this process holds. */
export class RecordDirectory<Types> implements RecordStore<Types> {
  readonly place: string;
  /** What opening cut off. */
  readonly torn: readonly TornLine[];
  readonly #layout: Layout<Types>;
  readonly #lock: Lock;
  readonly #disk: Disk;
  readonly #files = new Map<string, number>();
  readonly #lists: { readonly [K in keyof Types & string]: Types[K][] };
  #closed = false;

  /**
   * Opens a directory whose lock was taken: removes what a crash left and checks every record, so that damage is refused
   * before any work is done. Throws a problem of kind `data` naming file and line.
   */
  constructor(place: string, layout: Layout<Types>, lock: Lock, disk: Disk) {
    this.place = place;
    this.#layout = layout;
    this.#lock = lock;
    this.#disk = disk;
    removeTemporary(place);
    const kinds = kindsOf(layout);
    this.torn = kinds
      .map((kind) => recordPath(place, kind))
      .map((path) => ({ file: basename(path), byteLength: cutTornLine(path) }))
      .filter(({ byteLength }) => byteLength > 0);
    const lists = kinds.map((kind) => [kind, readRecords(place, layout, kind)] as const);
    this.#lists = Object.fromEntries(lists) as unknown as { readonly [K in keyof Types & string]: Types[K][] };
  }

  async append<K extends keyof Types & string>(kind: K, record: Types[K]): Promise<void> {
    const check = this.#layout.kinds[kind];
    let line: string;
    try {
      line = (this.#layout.line ?? canonicalJson)(check(record));
    } catch (cause) {
      if (!(cause instanceof TypeError || cause instanceof RangeError)) throw cause;
      throw new TypeError(`Cannot append a record to ${kind}: ${cause.message}`, { cause });
    }
    appendLine(this.#disk, this.#open(kind), recordPath(this.place, kind), line);
    // What the line holds, not the caller's object, which may change.
    this.#lists[kind].push(JSON.parse(line) as Types[K]);
  }

  async records<K extends keyof Types & string>(kind: K, from = 0): Promise<readonly Types[K][]> {
    if (!Number.isSafeInteger(from) || from < 0) {
      throw new RangeError(`Cannot read ${kind} from number ${from}: it must be a whole number from 0`);
    }
    return this.#lists[kind].slice(from);
  }

  async checkpoint(): Promise<void> {
    for (const [kind, file] of this.#files) {
      try {
        this.#disk.sync(file);
      } catch (cause) {
        throw writeProblem('sync', recordPath(this.place, kind), cause);
      }
    }
    syncDirectory(this.place);
  }

  async writeFile(name: string, content: Uint8Array | string): Promise<void> {
    this.#mayChange(name, 'write');
    writeWhole(join(this.place, name), content, this.#disk);
  }

  async readFile(name: string): Promise<Uint8Array | null> {
    checkName(name, `a file of the ${this.#layout.what}`);
    const path = join(this.place, name);
    try {
      return readWhole(path);
    } catch (cause) {
      if (errorCode(cause) === 'ENOENT') return null;
      throw new Problem('data', `Cannot read ${path}: ${fileProblem(cause)}`, { place: path, cause });
    }
  }

  async removeFile(name: string): Promise<void> {
    this.#mayChange(name, 'remove');
    try {
      rmSync(join(this.place, name), { force: true });
      syncDirectory(this.place);
    } catch (cause) {
      throw writeProblem('remove', join(this.place, name), cause);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const file of this.#files.values()) closeSync(file);
    this.#files.clear();
    this.#lock.release();
  }

  /** Throws TypeError once closed. */
  mustBeOpen(): void {
    if (this.#closed) throw new TypeError(`Cannot write to the ${this.#layout.what} in ${this.place}: it has been closed`);
  }

  #mayChange(name: string, action: string): void {
    this.mustBeOpen();
    const { what, reserved } = this.#layout;
    checkName(name, `a file of the ${what}`);
    if (name === 'lock' || reserved.includes(name) || kindsOf(this.#layout).some((kind) => name === `${kind}.jsonl`)) {
      throw new RangeError(`Cannot ${action} ${name}: the name belongs to the ${what} itself`);
    }
  }

  #open(kind: string): number {
    this.mustBeOpen();
    const known = this.#files.get(kind);
    if (known !== undefined) return known;
    const path = recordPath(this.place, kind);
    try {
      const file = openSync(path, 'a');
      this.#files.set(kind, file);
      return file;
    } catch (cause) {
      throw writeProblem('open', path, cause);
    }
  }
}
