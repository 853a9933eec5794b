/**
 * Weights of a model directory, read by rows: one `model.safetensors`, or shards named by `model.safetensors.index.json`.
 * Opening reads the headers alone; a row is read where it lies in its file when it is asked for, so that a model of any
 * size passes through as much memory as its reader holds at once.
 */

import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type } from 'arktype';
import type { ModelConfig } from './config.ts';
import { CheckpointError, fileProblem, readJson } from './directory.ts';
import { headTensor, parameterLayout } from './parameters.ts';
import { brief, problemsOf } from './problems.ts';
import {
  BYTE_SIZES,
  checkFinite,
  expand,
  floatDType,
  headerEnd,
  packedEnd,
  parseHeader,
  PREAMBLE_BYTES,
  type DType,
  type StoredTensor,
  type TensorEntry,
} from './safetensors.ts';

/** Tensors that are read piece by piece. Every read stands for itself: several may be under way. */
export interface WeightSource {
  readonly tensors: ReadonlyMap<string, { readonly dtype: DType; readonly shape: readonly number[] }>;
  /**
   * `count` rows from `first` on as float32, into `target` where that is given; a vector is one row. Throws RangeError for
   * a value that is not finite, for rows that are not there and for a file that has changed, TypeError for a dtype that
   * holds no weights.
   */
  readRows(name: string, first: number, count: number, target?: Float32Array): Promise<Float32Array>;
  /** A whole tensor as it is stored. */
  readTensor(name: string): Promise<StoredTensor>;
}

/** (rows, columns) that a tensor is read by: all but a matrix is one row. */
export function rowShape(shape: readonly number[]): readonly [rows: number, columns: number] {
  const [rows, columns] = shape.length === 2 ? shape : [1, shape.reduce((product, axis) => product * axis, 1)];
  return [rows, columns];
}

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
/** Formats that are not read, for a message that helps. */
const OTHER_FORMATS = ['pytorch_model.bin', 'pytorch_model.bin.index.json', 'consolidated.00.pth', 'tf_model.h5', 'flax_model.msgpack'];

/** A tensor and the file that it lies in. */
interface Located extends TensorEntry {
  readonly path: string;
}

const indexSchema = type({ weight_map: 'Record<string, string>' });

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
async function readAt(path: string, target: Uint8Array, position: number): Promise<void> {
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
  const info = await within(path, () => stat(path));
  if (!info.isFile()) throw new CheckpointError(`Cannot read ${path}: it is not a file`);
  const preamble = new Uint8Array(Math.min(info.size, PREAMBLE_BYTES));
  await readAt(path, preamble, 0);
  const head = new Uint8Array(headerEnd(preamble, info.size, path));
  await readAt(path, head, 0);
  return parseHeader(head, info.size, path);
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
    const present = await Promise.all(OTHER_FORMATS.map((name) => exists(join(directory, name))));
    const other = OTHER_FORMATS.find((_, i) => present[i]);
    const remedy = other === undefined ? '' : `; ${other} is not read, save the model as safetensors`;
    throw new CheckpointError(`Cannot read ${single}: there is no such file${remedy}`);
  }
  const entries = await readEntries(single);
  return { place: single, tensors: new Map([...entries].map(([name, entry]) => [name, { ...entry, path: single }])) };
}

/** The tensors of all shards. What the index says and what the shards hold must be the same. */
async function locateShards(directory: string, place: string): Promise<Map<string, Located>> {
  const index = indexSchema(await readJson(place));
  if (index instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: ${problemsOf(index)}`);
  const shards = new Map(Object.entries(index.weight_map));
  const files = new Set(shards.values());
  const outside = [...files].find((shard) => !/^[^/\\:\0]+\.safetensors$/.test(shard));
  if (outside !== undefined) {
    throw new SyntaxError(`Cannot read ${place}: ${brief(JSON.stringify(outside))} is not the name of a safetensors file in its directory`);
  }
  const tensors = new Map<string, Located>();
  for (const shard of files) {
    const path = join(directory, shard);
    for (const [name, entry] of await readEntries(path)) {
      if (shards.get(name) !== shard) {
        throw new RangeError(`Cannot use ${path}: it holds tensor ${name}, which ${place} looks for in ${shards.get(name) ?? 'no file'}`);
      }
      tensors.set(name, { ...entry, path });
    }
  }
  const missing = [...shards].find(([name]) => !tensors.has(name));
  if (missing) throw new RangeError(`Cannot use ${place}: tensor ${brief(missing[0])} is not in ${missing[1]}`);
  return tensors;
}

/** Tensors that some writers store although they follow from the others. */
function isRedundant(name: string, { tieWordEmbeddings }: ModelConfig): boolean {
  return name.endsWith('.rotary_emb.inv_freq') || (tieWordEmbeddings && name === 'lm_head.weight');
}

const shown = (shape: readonly number[]) => `(${shape.join(', ')})`;

/**
 * Opens the weights of a directory under the names that the configuration asks for. Throws CheckpointError when a file is
 * missing, SyntaxError when one cannot be parsed, TypeError for a dtype that holds no weights, and RangeError when the
 * tensors are not those of the configuration.
 */
export async function openWeights(directory: string, config: ModelConfig): Promise<WeightSource> {
  const { place, tensors } = await locate(directory);
  const found = new Map<string, Located>();
  /** Stored twice: the second must be the same. */
  const copies = new Map<string, Located>();
  for (const { name, shape } of parameterLayout(config).places.values()) {
    const tied = config.tieWordEmbeddings && name === headTensor(config) ? tensors.get('lm_head.weight') : undefined;
    // Of two tied tensors some writers keep the head only.
    const tensor = tensors.get(name) ?? tied;
    if (!tensor) throw new RangeError(`Cannot use ${place}: ${whyMissing(name, tensors)}`);
    for (const one of tied ? [tensor, tied] : [tensor]) {
      if (one.shape.join() !== shape.join()) {
        const stored = one === tensor ? name : 'lm_head.weight';
        throw new RangeError(`Cannot use ${one.path}: tensor ${stored} is ${shown(one.shape)}, config.json asks for ${shown(shape)}`);
      }
      floatDType(one.dtype, name, one.path);
    }
    found.set(name, tensor);
    if (tied && tied !== tensor) copies.set(name, tied);
  }
  for (const [name, { path }] of tensors) {
    if (found.has(name) || isRedundant(name, config)) continue;
    throw new RangeError(`Cannot use ${path}: tensor ${name} belongs to no part that config.json asks for`);
  }
  return fileSource(found, copies);
}

function whyMissing(name: string, tensors: ReadonlyMap<string, Located>): string {
  const bare = name.startsWith('model.') ? name.slice('model.'.length) : name;
  return bare !== name && tensors.has(bare)
    ? `tensor ${bare} lacks the prefix "model.", so the file was saved from the decoder alone; save the whole causal language model`
    : `tensor ${name} is missing, config.json asks for it`;
}

function fileSource(tensors: ReadonlyMap<string, Located>, copies: ReadonlyMap<string, Located>): WeightSource {
  const find = (name: string): Located => {
    const tensor = tensors.get(name);
    if (!tensor) throw new RangeError(`Cannot read tensor ${name}: the model has none of that name`);
    return tensor;
  };
  const read = async ({ dtype, shape, path, start }: Located, name: string, first: number, count: number, target: Float32Array) => {
    const [rows, columns] = rowShape(shape);
    if (first < 0 || first + count > rows) throw new RangeError(`Cannot read rows ${first} to ${first + count} of tensor ${name}: it has ${rows}`);
    const values = target.subarray(0, count * columns);
    const type = floatDType(dtype, name, path);
    await readAt(path, packedEnd(values, type), start + first * columns * BYTE_SIZES[type]);
    expand(values, type);
    checkFinite(values, name, path, first * columns);
    return values;
  };
  return {
    tensors,
    async readRows(name, first, count, target) {
      const tensor = find(name);
      const [, columns] = rowShape(tensor.shape);
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
    async readTensor(name) {
      const { dtype, shape, path, start, end } = find(name);
      const bytes = new Uint8Array(end - start);
      await readAt(path, bytes, start);
      return { dtype, shape, bytes };
    },
  };
}

/** Weights on the host as a source. */
export function hostSource(config: ModelConfig, weights: ReadonlyMap<string, Float32Array>): WeightSource {
  const tensors = new Map([...parameterLayout(config).places.values()].map(({ name, shape }) => [name, { dtype: 'F32' as const, shape }]));
  const find = (name: string) => {
    const tensor = tensors.get(name);
    const values = weights.get(name);
    if (!tensor || !values) throw new RangeError(`Cannot read tensor ${name}: the weights have none of that name`);
    return { ...tensor, values };
  };
  return {
    tensors,
    readRows(name, first, count, target) {
      const { shape, values } = find(name);
      const [, columns] = rowShape(shape);
      const rows = values.subarray(first * columns, (first + count) * columns);
      if (!target) return Promise.resolve(rows.slice());
      target.set(rows);
      return Promise.resolve(target.subarray(0, rows.length));
    },
    readTensor(name) {
      const { dtype, shape, values } = find(name);
      return Promise.resolve({ dtype, shape, bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) });
    },
  };
}
