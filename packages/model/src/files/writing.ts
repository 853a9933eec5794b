/**
 * Weights written to a directory as safetensors, piece by piece: in one file, or in shards with an index where they are
 * larger than a file should be. Matrices may be quantised, each as two tensors of words.
 */

import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quantisedShape } from '@seal/kernels';
import type { QuantisedFormat } from '../matrix.ts';
import { quantiseTensorRows, tensorFormat } from '../quantised.ts';
import { BYTE_SIZES, writeHeader, type FloatDType } from './safetensors.ts';
import { quantisedNames } from './matching.ts';
import { pieceBuffer, rowRanges, rowShape, type SourceTensor, type WeightSource } from './sources.ts';

/** What is written: numbers of a dtype, or quantised matrices and float32 vectors. */
export type StoredAs = FloatDType | Exclude<QuantisedFormat, 'f16'>;

/** A tensor of a file to be written; `of` is the tensor that its bytes come from. */
interface PlannedTensor {
  readonly name: string;
  readonly of: string;
  readonly dtype: FloatDType | 'U32';
  readonly shape: readonly number[];
  readonly byteLength: number;
}

/** Transformers' own limit for one file. */
export const SHARD_BYTES = 5_000_000_000;

/** The tensors that one tensor is written as. */
function plan(of: string, shape: readonly number[], as: StoredAs): PlannedTensor[] {
  const make = (name: string, dtype: PlannedTensor['dtype'], own: readonly number[]): PlannedTensor => ({
    name,
    of,
    dtype,
    shape: own,
    byteLength: own.reduce((product, axis) => product * axis, BYTE_SIZES[dtype]),
  });
  if (as === 'F32' || as === 'F16' || as === 'BF16') return [make(of, as, shape)];
  const format = tensorFormat(as, { name: of, shape });
  if (format === 'f32') return [make(of, 'F32', shape)];
  const [rows, columns] = rowShape(shape);
  const { words, scaleWords } = quantisedShape(format, columns);
  const names = quantisedNames(of);
  return [make(names.data, 'U32', [rows, words]), make(names.scales, 'U32', [rows, scaleWords])];
}

/** What was written. */
export interface WrittenWeights {
  readonly files: readonly string[];
  readonly byteLength: number;
}

/**
 * Writes all tensors of `source` into `directory`, which is there: `model.safetensors`, or shards of at most `shardBytes`
 * (more where one tensor is larger) and `model.safetensors.index.json`. Rounds to the nearest, ties to even. Throws
 * RangeError naming the tensor for a value that becomes infinite, and what reading and writing throw.
 */
export async function writeWeights(
  directory: string,
  source: WeightSource,
  as: StoredAs,
  shardBytes: number = SHARD_BYTES,
): Promise<WrittenWeights> {
  const shards: PlannedTensor[][] = [[]];
  const size = (tensors: readonly PlannedTensor[]) => tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  for (const [name, { shape }] of source.tensors) {
    // The words and the scales of a matrix stay together.
    const own = plan(name, shape, as);
    const last = shards.at(-1) ?? [];
    if (last.length > 0 && size(last) + size(own) > shardBytes) shards.push(own);
    else last.push(...own);
  }
  const numbered = (i: number) => String(i).padStart(5, '0');
  const files = shards.map((_, i) => (shards.length === 1 ? 'model.safetensors' : `model-${numbered(i + 1)}-of-${numbered(shards.length)}.safetensors`));
  const buffer = pieceBuffer(source);
  for (const [i, tensors] of shards.entries()) await writeShard(join(directory, files[i]), tensors, source, as, buffer);
  const byteLength = size(shards.flat());
  if (shards.length > 1) {
    const weight_map = Object.fromEntries(shards.flatMap((tensors, i) => tensors.map(({ name }) => [name, files[i]])));
    const index = { metadata: { total_size: byteLength }, weight_map };
    await writeFile(join(directory, 'model.safetensors.index.json'), `${JSON.stringify(index, null, 2)}\n`);
  }
  return { files, byteLength };
}

async function writeShard(
  path: string,
  tensors: readonly PlannedTensor[],
  source: WeightSource,
  as: StoredAs,
  buffer: Float32Array,
): Promise<void> {
  const { head, starts } = writeHeader(tensors);
  const file = await open(path, 'wx');
  try {
    const write = async (bytes: Uint8Array, position: number) => {
      for (let done = 0; done < bytes.byteLength; ) {
        done += (await file.write(bytes, done, bytes.byteLength - done, position + done)).bytesWritten;
      }
    };
    await write(head, 0);
    for (const of of new Set(tensors.map((tensor) => tensor.of))) {
      const tensor = source.tensors.get(of);
      if (!tensor) continue;
      const [, columns] = rowShape(tensor.shape);
      for (const [first, count] of rowRanges(tensor.shape)) {
        for (const { name, bytes } of await stored(source, of, tensor, as, first, count, buffer)) {
          const rowBytes = bytes.byteLength / count;
          await write(bytes, (starts.get(name) ?? 0) + (columns === 0 ? 0 : first * rowBytes));
        }
      }
    }
  } finally {
    await file.close();
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint16Array | Uint32Array | Float32Array) => new Uint8Array(buffer, byteOffset, byteLength);

/** Some rows of a tensor as they are to be stored, by the name of the tensor that they are stored in. */
async function stored(
  source: WeightSource,
  name: string,
  { shape, quantised: own }: SourceTensor,
  as: StoredAs,
  first: number,
  count: number,
  buffer: Float32Array,
): Promise<{ readonly name: string; readonly bytes: Uint8Array }[]> {
  const [, columns] = rowShape(shape);
  const format = as === 'int8' || as === 'int4' ? tensorFormat(as, { name, shape }) : 'f32';
  if (format !== 'f32') {
    const rows =
      format === own
        ? await source.readQuantisedRows(name, first, count)
        : quantiseTensorRows(format, await source.readRows(name, first, count, buffer), columns, {
            name,
            start: first * columns,
            remedy: '`dtype` bf16 or f32',
          });
    const names = quantisedNames(name);
    return [
      { name: names.data, bytes: bytesOf(rows.data) },
      { name: names.scales, bytes: bytesOf(rows.scales) },
    ];
  }
  const values = await source.readRows(name, first, count, buffer);
  if (as === 'BF16') return [{ name, bytes: bytesOf(toBfloat16(values, name, first * columns)) }];
  if (as === 'F16') return [{ name, bytes: bytesOf(toFloat16(values, columns, name, first * columns)) }];
  return [{ name, bytes: bytesOf(values) }];
}

/** Rounds to the nearest bfloat16, ties to even. Throws RangeError where a value becomes infinite; `name` and `start` say which. */
function toBfloat16(values: Float32Array, name: string, start: number): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const words = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const word = (bits[i] + 0x7fff + ((bits[i] >>> 16) & 1)) >>> 16;
    if ((word & 0x7f80) === 0x7f80) throw new RangeError(`Cannot write tensor ${name} as bf16: element ${start + i} is ${values[i]}, which rounds to infinity; use \`dtype\` f32`);
    words[i] = word;
  }
  return words;
}

/** Rounds rows to the nearest float16, ties to even. Throws RangeError where a value becomes infinite. */
function toFloat16(values: Float32Array, columns: number, name: string, start: number): Uint16Array {
  const { words: width } = quantisedShape('f16', columns);
  const { data } = quantiseTensorRows('f16', values, columns, { name, start, remedy: '`dtype` bf16 or f32' });
  const padded = new Uint16Array(data.buffer);
  const rows = values.length / columns;
  const words = new Uint16Array(values.length);
  for (let row = 0; row < rows; row++) words.set(padded.subarray(row * width * 2, row * width * 2 + columns), row * columns);
  return words;
}
