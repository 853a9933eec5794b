/**
 * GGUF files on a disk: one, or the parts that llama.cpp's `gguf-split` makes of one. Opening reads headers alone; the
 * bytes of tensors are read where they lie when they are asked for.
 */

import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Problem } from '@seal/files';
import { fileProblem } from '@seal/files/node';
import { dequantise } from './blocks.ts';
import type { GgufInput } from './cursor.ts';
import { hasGgufMagic, parseGguf, type GgufHeader, type GgufTensor } from './header.ts';
import type { Metadata } from './metadata.ts';

/** A tensor and the file that it lies in. */
export interface LocatedTensor extends GgufTensor {
  readonly path: string;
}

/** An open model: metadata of its first file, tensors of all. */
export interface Gguf {
  /** The first file. */
  readonly path: string;
  readonly files: readonly string[];
  readonly byteLength: number;
  readonly metadata: Metadata;
  readonly tensors: ReadonlyMap<string, LocatedTensor>;
}

/** Whether a path is a file of GGUF, by its name or its first bytes: files of a store are named by their digests. */
export function isGgufFile(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isFile()) return false;
  if (/\.gguf$/i.test(path)) return true;
  try {
    return withFile(path, ({ byteLength, read }) => {
      const start = new Uint8Array(Math.min(4, byteLength));
      read(0, start);
      return hasGgufMagic(start);
    });
  } catch {
    return false;
  }
}

/** Opens a file for as long as `work` takes. Throws a problem of kind `unavailable` where it cannot be read. */
function withFile<T>(path: string, work: (input: GgufInput) => T): T {
  let file: number | null = null;
  try {
    const { size } = statSync(path);
    file = openSync(path, 'r');
    const own = file;
    return work({
      byteLength: size,
      read(position, target) {
        for (let done = 0; done < target.byteLength; ) {
          const count = readSync(own, target, done, target.byteLength - done, position + done);
          if (count === 0) throw new SyntaxError(`Cannot read ${path}: it ends at byte ${position + done}, it was longer when it was opened`);
          done += count;
        }
      },
    });
  } catch (cause) {
    if (cause instanceof Error && 'syscall' in cause) throw new Problem('unavailable', `Cannot read ${path}: ${fileProblem(cause)}`, { place: path, cause });
    throw cause;
  } finally {
    if (file !== null) closeSync(file);
  }
}

const MOST_FACTOR_BYTES = 65_536;
const SHARD = /-(\d{5})-of-(\d{5})\.gguf$/i;

/** The file that was opened last: configuration, weights and text side of a model are read one after another. */
let last: { readonly stamp: string; readonly gguf: WeakRef<Gguf> } | null = null;

/** What changes when one of some files does. */
function stampOf(files: readonly string[]): string {
  return JSON.stringify(files.map((file) => {
    const { size, mtimeMs, ino } = statSync(file, { throwIfNoEntry: false }) ?? { size: 0, mtimeMs: 0, ino: 0 };
    return [file, size, mtimeMs, ino];
  }));
}

/**
 * Opens a file, and its other parts where it is the first of several. Throws a problem of kind `unavailable` where one cannot
 * be read, SyntaxError for one that is damaged and RangeError for one that is not read.
 */
export function openGguf(path: string): Gguf {
  const kept = last?.gguf.deref();
  if (kept?.path === path && last?.stamp === stampOf(kept.files)) return kept;
  const gguf = openParts(path);
  last = { stamp: stampOf(gguf.files), gguf: new WeakRef(gguf) };
  return gguf;
}

function openParts(path: string): Gguf {
  const header = withFile(path, (input) => parseGguf(input, path));
  const count = header.metadata.count('split.count') ?? 1;
  const files = count > 1 ? partsOf(path, count, header) : [path];
  const tensors = new Map<string, LocatedTensor>();
  for (const [index, file] of files.entries()) {
    const part = file === path ? header : withFile(file, (input) => parseGguf(input, file));
    const own = [part.metadata.count('split.no') ?? 0, part.metadata.count('split.count') ?? 1];
    if (own[0] !== index || own[1] !== count) {
      throw new RangeError(`Cannot use ${file}: it says that it is part ${own[0] + 1} of ${own[1]}, its name that it is part ${index + 1} of ${count}`);
    }
    for (const [name, tensor] of part.tensors) {
      const other = tensors.get(name);
      if (other) throw new RangeError(`Cannot use ${file}: it holds tensor ${name}, which ${other.path} holds too`);
      tensors.set(name, { ...tensor, path: file });
    }
  }
  const wanted = header.metadata.count('split.tensors.count');
  if (count > 1 && wanted !== undefined && wanted !== tensors.size) {
    throw new RangeError(`Cannot use ${path}: its parts hold ${tensors.size} tensors, it has ${wanted}`);
  }
  const byteLength = files.reduce((sum, file) => sum + statSync(file).size, 0);
  return { path, files, byteLength, metadata: header.metadata, tensors };
}

/** The names of all parts. Throws where `path` is not the first of them. */
function partsOf(path: string, count: number, { metadata }: GgufHeader): string[] {
  const [end, number, total] = SHARD.exec(basename(path)) ?? [];
  const fail = (what: string): never => {
    throw new RangeError(`Cannot use ${path}: it is part ${(metadata.count('split.no') ?? 0) + 1} of ${count}, ${what}`);
  };
  if (end === undefined || Number(total) !== count) return fail(`and parts are found by names that end with -00001-of-${String(count).padStart(5, '0')}.gguf`);
  const stem = basename(path).slice(0, -end.length);
  const names = Array.from({ length: count }, (_, i) => join(dirname(path), `${stem}-${String(i + 1).padStart(5, '0')}-of-${total}.gguf`));
  if (Number(number) !== 1) return fail(`and what describes the model is in the first; name ${names[0]}`);
  return names;
}

/** The divisors of the rotary frequencies of a model, null where it has none. Throws as `openGguf`, and RangeError for one that is not finite. */
export function readRopeFactors({ tensors }: Gguf): readonly number[] | null {
  const found = tensors.get('rope_freqs.weight');
  if (!found) return null;
  const { type, path, start, byteLength } = found;
  if (byteLength > MOST_FACTOR_BYTES) throw new RangeError(`Cannot use ${path}: tensor rope_freqs.weight has ${byteLength} bytes, at most ${MOST_FACTOR_BYTES} are read`);
  const bytes = new Uint8Array(byteLength);
  withFile(path, ({ read }) => read(start, bytes));
  const factors = [...dequantise(type, bytes)];
  const bad = factors.find((factor) => !(factor > 0 && factor < Infinity));
  if (bad !== undefined) throw new RangeError(`Cannot use ${path}: tensor rope_freqs.weight holds ${bad}; the file is damaged`);
  return factors;
}

/** Fills `target` with the bytes of a file from `position` on. Throws RangeError where it ends before, a problem where it cannot be read. */
export async function readBytes(path: string, target: Uint8Array, position: number): Promise<void> {
  try {
    await using file = await open(path, 'r');
    for (let done = 0; done < target.byteLength; ) {
      const { bytesRead } = await file.read(target, done, Math.min(target.byteLength - done, 2 ** 30), position + done);
      if (bytesRead === 0) throw new RangeError(`Cannot read ${path}: it ends at byte ${position + done}, it was longer when it was opened`);
      done += bytesRead;
    }
  } catch (cause) {
    if (cause instanceof Error && 'syscall' in cause) throw new Problem('unavailable', `Cannot read ${path}: ${fileProblem(cause)}`, { place: path, cause });
    throw cause;
  }
}
