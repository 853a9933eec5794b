/**
 * Weights of a model directory, read by rows: one `model.safetensors`, or shards named by `model.safetensors.index.json`.
 * Opening reads the headers alone; a row is read where it lies in its file when it is asked for, so that a model of any
 * size passes through as much memory as its reader holds at once.
 */

import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { brief, problemsOf, quoted } from '@seal/files';
import { fileProblem } from '@seal/files/node';
import { dequantiseRows, type QuantisedRows } from '@seal/kernels';
import type { GgufType } from '@seal/gguf';
import { type } from 'arktype';
import type { ModelConfig } from '../model-config.ts';
import { CheckpointError, readJson } from './directory.ts';
import { matchTensors, type Matched, type QuantisedTensor } from './matching.ts';
import type { HeldFormat, WeightFormat } from '../matrix.ts';
import {
  BYTE_SIZES,
  checkFinite,
  expand,
  floatDType,
  headerEnd,
  narrow,
  packedEnd,
  parseHeader,
  PREAMBLE_BYTES,
  type DType,
  type StoredTensor,
  type TensorEntry,
} from './safetensors.ts';

/** Tensors that are read piece by piece. Every read stands for itself: several may be under way. */
export interface WeightSource {
  readonly tensors: ReadonlyMap<string, SourceTensor>;
  /**
   * `count` rows from `first` on as float32, into `target` where that is given; a vector is one row. Throws RangeError for
   * a value that is not finite, for a dtype that holds no weights, for rows that are not there and for a file that has
   * changed.
   */
  readRows(name: string, first: number, count: number, target?: Float32Array): Promise<Float32Array>;
  /** Rows of a tensor that is stored quantised, as they are stored. Throws TypeError for another. */
  readQuantisedRows(name: string, first: number, count: number): Promise<QuantisedRows>;
  /** A whole tensor as it is stored. Throws TypeError for one that is quantised. */
  readTensor(name: string): Promise<StoredTensor>;
  /**
   * Rows of a tensor that has `blocks`, as they are stored, a row after the other; absent where no tensor has any. A vector is
   * one row. Throws as `readRows`, but for values that are not finite.
   */
  readBlocks?(name: string, first: number, count: number): Promise<Uint8Array>;
}

/** A tensor of a source: its shape, and the dtype or the quantised format that it is stored in. */
export interface SourceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly quantised?: Exclude<HeldFormat, 'f32'>;
  /** The type of its blocks in a GGUF file; `dtype` is then one that holds its values exactly. */
  readonly blocks?: GgufType;
}

/** (rows, columns) that a tensor is read by: all but a matrix is one row. */
export function rowShape(shape: readonly number[]): readonly [rows: number, columns: number] {
  const [rows, columns] = shape.length === 2 ? shape : [1, shape.reduce((product, axis) => product * axis, 1)];
  return [rows, columns];
}

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
/** Formats that are not read, for a message that helps. */
const OTHER_FORMATS = /^(?:(?:pytorch_model|model|consolidated).*\.(?:bin|pth|pt)(?:\.index\.json)?|tf_model\.h5|flax_model\.msgpack|weights.*\.npz)$/;

/** A tensor and the file that it lies in. */
interface Located extends TensorEntry {
  readonly path: string;
}

const indexSchema = type({ weight_map: 'Record<string, string>' });

/** Runs a file operation on `path`; its failure is a CheckpointError. */
async function within<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && 'syscall' in cause) {
      throw new CheckpointError(`Cannot read ${path}: ${fileProblem(cause)}`, { cause });
    }
    throw cause;
  }
}

/** Fills `target` with the bytes from `position` on. Throws RangeError where the file ends before. */
export async function readAt(path: string, target: Uint8Array, position: number): Promise<void> {
  if (target.byteLength === 0) return;
  await within(path, async () => {
    const file = await open(path, 'r');
    try {
      for (let done = 0; done < target.byteLength; ) {
        const { bytesRead } = await file.read(target, done, Math.min(target.byteLength - done, 2 ** 30), position + done);
        if (bytesRead === 0) throw new RangeError(`Cannot read ${path}: it ends at byte ${position + done}, it was longer when it was opened`);
        done += bytesRead;
      }
    } finally {
      await file.close();
    }
  });
}

/** The header of a safetensors file. */
async function readEntries(path: string): Promise<Map<string, TensorEntry>> {
  const size = await fileBytes(path);
  const preamble = new Uint8Array(Math.min(size, PREAMBLE_BYTES));
  await readAt(path, preamble, 0);
  const head = new Uint8Array(headerEnd(preamble, size, path));
  await readAt(path, head, 0);
  return parseHeader(head, size, path);
}

/** Bytes of a file. Throws CheckpointError where there is none. */
export async function fileBytes(path: string): Promise<number> {
  const info = await within(path, () => stat(path));
  if (!info.isFile()) throw new CheckpointError(`Cannot read ${path}: it is not a file`);
  return info.size;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}

/** All tensors of a directory, and the file that lists them. */
async function locate(directory: string): Promise<{ readonly place: string; readonly tensors: ReadonlyMap<string, Located> }> {
  const single = join(directory, SINGLE);
  const index = join(directory, INDEX);
  if (!(await exists(single)) && (await exists(index))) return { place: index, tensors: await locateShards(directory, index) };
  if (!(await exists(single))) {
    const names = await readdir(directory).catch(() => []);
    const other = names.sort().find((name) => OTHER_FORMATS.test(name));
    const remedy = other === undefined ? '' : `; ${other} is not read, save the model as safetensors`;
    throw new CheckpointError(`Cannot read ${single}: there is no such file${remedy}`);
  }
  const entries = await readEntries(single);
  return { place: single, tensors: new Map([...entries].map(([name, entry]) => [name, { ...entry, path: single }])) };
}

/** The tensors of all shards, each from the file that the index names; every tensor of a shard must be in the index. */
async function locateShards(directory: string, place: string): Promise<Map<string, Located>> {
  const index = indexSchema(await readJson(place));
  if (index instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: ${problemsOf(index)}`);
  const shards = new Map(Object.entries(index.weight_map));
  const files = new Set(shards.values());
  const outside = [...files].find((shard) => !/^[^/\\:\0]+\.safetensors$/.test(shard));
  if (outside !== undefined) {
    throw new SyntaxError(`Cannot read ${place}: ${quoted(outside)} is not the name of a safetensors file in its directory`);
  }
  const tensors = new Map<string, Located>();
  for (const shard of files) {
    const path = join(directory, shard);
    for (const [name, entry] of await readEntries(path)) {
      const listed = shards.get(name);
      if (listed === undefined) throw new RangeError(`Cannot use ${path}: it holds tensor ${name}, which ${place} looks for in no file`);
      // An older state of a tensor that the index has in another file stays unread.
      if (listed === shard) tensors.set(name, { ...entry, path });
    }
  }
  const missing = [...shards].find(([name]) => !tensors.has(name));
  if (missing) throw new RangeError(`Cannot use ${place}: tensor ${brief(missing[0])} is not in ${missing[1]}`);
  return tensors;
}

/**
 * Opens the weights of a directory under the names that the configuration asks for; `format` is the one in which its
 * matrices are stored quantised. Throws CheckpointError when a file is missing, SyntaxError when one cannot be parsed,
 * and RangeError for a dtype that holds no weights and when the tensors are not those of the configuration.
 */
export async function openWeights(directory: string, config: ModelConfig, format: WeightFormat = 'f32'): Promise<WeightSource> {
  const { place, tensors } = await locate(directory);
  const check = ({ dtype, path }: Located, name: string) => void floatDType(dtype, name, path);
  return fileSource(matchTensors(config, tensors, { place, format, check }));
}

function fileSource({ found: tensors, copies }: Matched<Located>): WeightSource {
  const find = (name: string): Located | QuantisedTensor<Located> => {
    const tensor = tensors.get(name);
    if (!tensor) throw new RangeError(`Cannot read tensor ${name}: the model has none of that name`);
    return tensor;
  };
  const readWords = async ({ path, start, shape: [rows, width] }: Located, name: string, first: number, count: number) => {
    checkRows(name, rows, first, count);
    const words = new Uint32Array(count * width);
    await readAt(path, new Uint8Array(words.buffer), start + first * width * 4);
    return words;
  };
  const readQuantised = async ({ data, scales }: QuantisedTensor<Located>, name: string, first: number, count: number): Promise<QuantisedRows> => {
    const rows = { data: await readWords(data, name, first, count), scales: await readWords(scales, name, first, count) };
    const broken = rows.scales.findIndex((word) => (word & 0x7c00) === 0x7c00 || (word & 0x7c000000) === 0x7c000000);
    if (broken >= 0) throw new RangeError(`Cannot use ${scales.path}: the scales of tensor ${name} are not finite at element ${broken}; the file is damaged`);
    return rows;
  };
  const read = async ({ dtype, shape, path, start }: Located, name: string, first: number, count: number, target: Float32Array) => {
    const [rows, columns] = rowShape(shape);
    checkRows(name, rows, first, count);
    const values = target.subarray(0, count * columns);
    const type = floatDType(dtype, name, path);
    const position = start + first * columns * BYTE_SIZES[type];
    if (type === 'F64') {
      const bytes = new Uint8Array(values.length * BYTE_SIZES.F64);
      await readAt(path, bytes, position);
      narrow(bytes, values, name, path, first * columns);
    } else {
      await readAt(path, packedEnd(values, type), position);
      expand(values, type);
    }
    checkFinite(values, name, path, first * columns);
    return values;
  };
  return {
    tensors,
    async readRows(name, first, count, target) {
      const tensor = find(name);
      const [, columns] = rowShape(tensor.shape);
      if ('quantised' in tensor) {
        const rows = dequantiseRows(tensor.quantised, await readQuantised(tensor, name, first, count), columns);
        target?.set(rows);
        return target?.subarray(0, rows.length) ?? rows;
      }
      const values = await read(tensor, name, first, count, target ?? new Float32Array(count * columns));
      const copy = copies.get(name);
      if (copy) {
        const other = await read(copy, name, first, count, new Float32Array(count * columns));
        const differing = values.findIndex((value, i) => value !== other[i]);
        if (differing >= 0) {
          throw new RangeError(
            `Cannot use ${copy.path}: lm_head.weight is ${other[differing]} at element ${first * columns + differing}, ${name} is ` +
              `${values[differing]}, and config.json ties them; set tie_word_embeddings to false to use both`,
          );
        }
      }
      return values;
    },
    async readQuantisedRows(name, first, count) {
      const tensor = find(name);
      if (!('quantised' in tensor)) throw new TypeError(`Cannot read packed rows of tensor ${name}: it is stored as ${tensor.dtype}`);
      return readQuantised(tensor, name, first, count);
    },
    async readTensor(name) {
      const tensor = find(name);
      if ('quantised' in tensor) throw new TypeError(`Cannot read tensor ${name} whole: it is stored as ${tensor.quantised}`);
      const { dtype, shape, path, start, end } = tensor;
      const bytes = new Uint8Array(end - start);
      await readAt(path, bytes, start);
      return { dtype, shape, bytes };
    },
  };
}

/** Throws RangeError for rows that a tensor does not have. */
export function checkRows(name: string, rows: number, first: number, count: number): void {
  if (first >= 0 && first + count <= rows) return;
  throw new RangeError(`Cannot read rows ${first} to ${first + count} of tensor ${name}: it has ${rows}`);
}

/** Most bytes of float32 that are on the host at once where weights pass through. */
const PIECE_BYTES = 16 * 1024 * 1024;

/** Row ranges of a tensor that are at most `PIECE_BYTES` as float32, at least a row each: first row and count. */
export function* rowRanges(shape: readonly number[]): Generator<readonly [first: number, count: number]> {
  const [rows, columns] = rowShape(shape);
  const step = Math.max(1, Math.floor(PIECE_BYTES / 4 / columns));
  for (let first = 0; first < rows; first += step) yield [first, Math.min(step, rows - first)];
}

/** Room for any of a source's row ranges, to be read into again and again. */
export function pieceBuffer(source: WeightSource): Float32Array {
  const widest = Math.max(...[...source.tensors.values()].map(({ shape }) => rowShape(shape)[1]));
  return new Float32Array(Math.max(PIECE_BYTES / 4, widest));
}
