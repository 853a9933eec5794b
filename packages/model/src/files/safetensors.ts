/**
 * The safetensors format: 8 bytes of header length, a JSON header, raw little-endian tensors.
 * https://github.com/huggingface/safetensors, format description in its README. Nothing in the file is believed: every
 * offset, size and name is checked against the bytes that are there.
 */

import { brief, problemsOf } from '@seal/files';
import { type } from 'arktype';

/** One stored tensor; `bytes` are its elements, at any alignment. */
export interface StoredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Where a tensor lies in its file. */
export interface TensorEntry {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** First and one-past-last byte, counted from the start of the file. */
  readonly start: number;
  readonly end: number;
}

export type DType = keyof typeof BYTE_SIZES;

/** Bytes of an element by dtype. */
export const BYTE_SIZES = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, U32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const;

const entrySchema = type({
  dtype: 'string',
  shape: '(number.integer >= 0)[] <= 8',
  data_offsets: ['number.integer >= 0', 'number.integer >= 0'],
});
const MAX_HEADER_BYTES = 100_000_000;
const MAX_NAME = 512;
const LFS_POINTER = 'version https://git-lfs';

/** Bytes at the beginning of a file that `headerEnd` looks at. */
export const PREAMBLE_BYTES = 40;

function fail(place: string, what: string): never {
  throw new SyntaxError(`Cannot read ${place}: ${what}`);
}

/**
 * Where the header of a file ends, from its first `PREAMBLE_BYTES` bytes (all of a shorter file) and its size. Throws
 * SyntaxError where the file cannot be one of safetensors.
 */
export function headerEnd(preamble: Uint8Array, fileBytes: number, place: string): number {
  if (new TextDecoder().decode(preamble.subarray(0, PREAMBLE_BYTES)).startsWith(LFS_POINTER)) {
    fail(place, 'it is a Git LFS pointer, not the weights; fetch the file itself with git lfs pull');
  }
  if (fileBytes < 8) fail(place, `it has ${fileBytes} bytes, a safetensors file has at least 8`);
  const claimed = new DataView(preamble.buffer, preamble.byteOffset, preamble.byteLength).getBigUint64(0, true);
  const length = Number(claimed);
  if (length > Math.min(MAX_HEADER_BYTES, fileBytes - 8)) {
    fail(place, `its header claims ${claimed} bytes, the file has ${fileBytes - 8} after the length; is it cut off?`);
  }
  return 8 + length;
}

/** Reads a header (all bytes up to `headerEnd`) of a file of `fileBytes`. Throws SyntaxError on any inconsistency. */
export function parseHeader(head: Uint8Array, fileBytes: number, place: string): Map<string, TensorEntry> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(head.subarray(8)));
  } catch (cause) {
    throw new SyntaxError(`Cannot read ${place}: its header is not JSON`, { cause });
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) return fail(place, 'its header is not an object');
  const dataBytes = fileBytes - head.byteLength;
  const tensors = new Map<string, TensorEntry>();
  const ranges: { name: string; start: number; end: number }[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    if (name.length > MAX_NAME) fail(place, `it has a tensor whose name is ${name.length} characters long, at most ${MAX_NAME} are read`);
    const entry = entrySchema(value);
    if (entry instanceof type.errors) return fail(place, `tensor ${name}: ${problemsOf(entry)}`);
    const { dtype, shape } = entry;
    if (!isDType(dtype)) return fail(place, `tensor ${name} has the unknown dtype ${brief(dtype)}`);
    const [start, end] = entry.data_offsets;
    const needed = shape.reduce((product, axis) => product * axis, BYTE_SIZES[dtype]);
    if (start > end || end > dataBytes) {
      fail(place, `tensor ${name} lies at bytes ${start} to ${end}, the data has ${dataBytes}; is the file cut off?`);
    }
    if (end - start !== needed) {
      fail(place, `tensor ${name} (${shape.join(', ')}) ${dtype} needs ${needed} bytes, the header gives it ${end - start}`);
    }
    ranges.push({ name, start, end });
    tensors.set(name, { dtype, shape, start: head.byteLength + start, end: head.byteLength + end });
  }
  ranges.sort((a, b) => a.start - b.start || a.end - b.end);
  let previous = { name: 'the header', end: 0 };
  for (const range of ranges) {
    if (range.start < previous.end) fail(place, `tensors ${previous.name} and ${range.name} overlap`);
    const gap = range.start - previous.end;
    if (gap > 0) fail(place, `${gap} bytes between ${previous.name} and ${range.name} belong to no tensor`);
    previous = range;
  }
  const left = dataBytes - previous.end;
  if (left > 0) fail(place, `${left} bytes after ${previous.name} belong to no tensor`);
  return tensors;
}

/** Reads a whole file's tensors by name, as views of it. `place` names the file in messages. Throws SyntaxError. */
export function parseSafetensors(file: Uint8Array, place: string): Map<string, StoredTensor> {
  const head = file.subarray(0, headerEnd(file, file.byteLength, place));
  const entries = parseHeader(head, file.byteLength, place);
  return new Map([...entries].map(([name, { dtype, shape, start, end }]) => [name, { dtype, shape, bytes: file.subarray(start, end) }]));
}

function isDType(name: string): name is DType {
  return Object.hasOwn(BYTE_SIZES, name);
}

/** A dtype that weights are written in. */
export type FloatDType = 'F32' | 'F16' | 'BF16';

/** The dtype where weights may have it. Throws RangeError naming file and tensor otherwise: a file may hold any. */
export function floatDType(dtype: DType, name: string, place: string): FloatDType | 'F64' {
  if (dtype === 'F32' || dtype === 'F16' || dtype === 'BF16' || dtype === 'F64') return dtype;
  throw new RangeError(`Cannot use ${place}: tensor ${name} has dtype ${dtype}, supported are F64, F32, F16 and BF16`);
}

/**
 * F64 elements as float32, each rounded to the nearest. Throws RangeError naming file, tensor and element for one that is
 * finite and beyond float32; `values` begin at element `first`.
 */
export function narrow(bytes: Uint8Array, values: Float32Array, name: string, place: string, first: number): void {
  const wide = new Float64Array(bytes.slice().buffer);
  values.set(wide);
  const beyond = values.findIndex((value, i) => !Number.isFinite(value) && Number.isFinite(wide[i]));
  if (beyond < 0) return;
  throw new RangeError(`Cannot use ${place}: tensor ${name} holds ${wide[beyond]} at element ${first + beyond}, which is beyond float32, in which it is computed`);
}

/** The bytes of `values` that elements of `dtype` are put into before `expand`: its end, so that it can be done in place. */
export function packedEnd(values: Float32Array, dtype: FloatDType): Uint8Array {
  const byteLength = values.length * BYTE_SIZES[dtype];
  return new Uint8Array(values.buffer, values.byteOffset + values.byteLength - byteLength, byteLength);
}

/** Turns the elements that lie in `packedEnd(values, dtype)` into float32 over all of `values`: exact. */
export function expand(values: Float32Array, dtype: FloatDType): void {
  if (dtype === 'F32') return;
  const count = values.length;
  const words = new Uint16Array(values.buffer, values.byteOffset + count * 2, count);
  const bits = new Uint32Array(values.buffer, values.byteOffset, count);
  // Element i is written up to byte 4 i + 3, the next one is read from byte 2 count + 2 i + 2: never before it is read.
  if (dtype === 'BF16') {
    for (let i = 0; i < count; i++) bits[i] = words[i] << 16;
  } else {
    const table = halfTable();
    for (let i = 0; i < count; i++) bits[i] = table[words[i]];
  }
}

/** A floating-point tensor as float32: exact from F32, F16 and BF16, rounded from F64. Throws RangeError for other dtypes. */
export function toFloat32(tensor: StoredTensor, name: string, place = 'the weights'): Float32Array {
  const dtype = floatDType(tensor.dtype, name, place);
  const values = new Float32Array(tensor.bytes.byteLength / BYTE_SIZES[dtype]);
  if (dtype === 'F64') {
    narrow(tensor.bytes, values, name, place, 0);
    return values;
  }
  packedEnd(values, dtype).set(tensor.bytes);
  expand(values, dtype);
  return values;
}

/**
 * As `toFloat32`, for weights of the file `place`. Throws RangeError for another dtype and for a value that is
 * not finite, both naming file and tensor.
 */
export function finiteFloat32(tensor: StoredTensor, name: string, place: string): Float32Array {
  const values = toFloat32(tensor, name, place);
  checkFinite(values, name, place, 0);
  return values;
}

/** Throws RangeError naming file, tensor and element where a value is not finite; `values` begin at element `first`. */
export function checkFinite(values: Float32Array, name: string, place: string, first: number): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    if ((bits[i] & 0x7f800000) !== 0x7f800000) continue;
    throw new RangeError(`Cannot use ${place}: tensor ${name} holds ${values[i]} at element ${first + i}; the file is damaged`);
  }
}

let halves: Uint32Array | null = null;

/** float32 bits of every float16. */
function halfTable(): Uint32Array {
  halves ??= new Uint32Array(Float32Array.from({ length: 65_536 }, (_, word) => halfToNumber(word)).buffer);
  return halves;
}

function halfToNumber(word: number): number {
  const sign = word & 0x8000 ? -1 : 1;
  const exponent = (word >> 10) & 31;
  const fraction = word & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * All of a file before its data, padded with spaces to a multiple of 8 bytes, and where each tensor begins in the file;
 * the tensors lie in the order given.
 */
export function writeHeader(tensors: Iterable<{ readonly name: string; readonly dtype: DType; readonly shape: readonly number[] }>): {
  readonly head: Uint8Array;
  readonly starts: ReadonlyMap<string, number>;
  readonly fileBytes: number;
} {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  const offsets = new Map<string, number>();
  let end = 0;
  for (const { name, dtype, shape } of tensors) {
    offsets.set(name, end);
    header[name] = { dtype, shape, data_offsets: [end, (end += shape.reduce((product, axis) => product * axis, BYTE_SIZES[dtype]))] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const head = new Uint8Array(8 + Math.ceil(json.byteLength / 8) * 8).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.byteLength - 8), true);
  head.set(json, 8);
  const starts = new Map([...offsets].map(([name, offset]) => [name, head.byteLength + offset]));
  return { head, starts, fileBytes: head.byteLength + end };
}

/** A file of float32 tensors in the order given. Throws RangeError where data and shape disagree. */
export function writeSafetensors(
  tensors: Iterable<readonly [name: string, tensor: { readonly shape: readonly number[]; readonly data: Float32Array }]>,
): Uint8Array {
  const all = [...tensors];
  for (const [name, { shape, data }] of all) {
    const count = shape.reduce((product, axis) => product * axis, 1);
    if (count !== data.length) throw new RangeError(`Cannot write ${name}: shape (${shape.join(', ')}) has ${count} elements, data ${data.length}`);
  }
  const { head, starts, fileBytes } = writeHeader(all.map(([name, { shape }]) => ({ name, dtype: 'F32', shape })));
  const file = new Uint8Array(fileBytes);
  file.set(head);
  for (const [name, { data }] of all) file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), starts.get(name));
  return file;
}
