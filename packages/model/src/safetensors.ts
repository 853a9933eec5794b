/**
 * The safetensors format: 8 bytes of header length, a JSON header, raw little-endian tensors.
 * https://github.com/huggingface/safetensors, format description in its README. Nothing in the file is believed: every
 * offset, size and name is checked against the bytes that are there.
 */

import { type } from 'arktype';
import { problemsOf } from './problems.ts';

/** One stored tensor; `bytes` is a view of the file. */
export interface StoredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

type DType = keyof typeof byteSizes;
const byteSizes = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const;

const entrySchema = type({
  dtype: 'string',
  shape: '(number.integer >= 0)[]',
  data_offsets: ['number.integer >= 0', 'number.integer >= 0'],
});
const MAX_HEADER_BYTES = 100_000_000;

/** Reads a file's tensors by name. `place` names the file in messages. Throws SyntaxError on any inconsistency. */
export function parseSafetensors(file: Uint8Array, place: string): Map<string, StoredTensor> {
  const fail = (what: string): never => {
    throw new SyntaxError(`Cannot read ${place}: ${what}`);
  };
  if (new TextDecoder().decode(file.subarray(0, 40)).startsWith('version https://git-lfs')) {
    fail('it is a Git LFS pointer, not the weights; fetch the file itself with git lfs pull');
  }
  if (file.byteLength < 8) fail(`it has ${file.byteLength} bytes, a safetensors file has at least 8`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const claimed = view.getBigUint64(0, true);
  const headerLength = Number(claimed);
  if (headerLength > Math.min(MAX_HEADER_BYTES, file.byteLength - 8)) {
    fail(`its header claims ${claimed} bytes, the file has ${file.byteLength - 8} after the length; is it cut off?`);
  }
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(file.subarray(8, 8 + headerLength)));
  } catch (cause) {
    throw new SyntaxError(`Cannot read ${place}: its header is not JSON`, { cause });
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) return fail('its header is not an object');
  const data = file.subarray(8 + headerLength);
  const tensors = new Map<string, StoredTensor>();
  const ranges: { name: string; start: number; end: number }[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const entry = entrySchema(value);
    if (entry instanceof type.errors) return fail(`tensor ${name}: ${problemsOf(entry)}`);
    if (!isDType(entry.dtype)) return fail(`tensor ${name} has the unknown dtype ${entry.dtype}`);
    const [start, end] = entry.data_offsets;
    const needed = entry.shape.reduce((product, axis) => product * axis, byteSizes[entry.dtype]);
    if (start > end || end > data.byteLength) {
      fail(`tensor ${name} lies at bytes ${start} to ${end}, the data has ${data.byteLength}; is the file cut off?`);
    }
    if (end - start !== needed) {
      fail(`tensor ${name} (${entry.shape.join(', ')}) ${entry.dtype} needs ${needed} bytes, the header gives it ${end - start}`);
    }
    ranges.push({ name, start, end });
    tensors.set(name, { dtype: entry.dtype, shape: entry.shape, bytes: data.subarray(start, end) });
  }
  ranges.sort((a, b) => a.start - b.start || a.end - b.end);
  let previous = { name: 'the header', end: 0 };
  for (const range of ranges) {
    if (range.start < previous.end) fail(`tensors ${previous.name} and ${range.name} overlap`);
    if (range.start > previous.end) fail(`${range.start - previous.end} bytes between ${previous.name} and ${range.name} belong to no tensor`);
    previous = range;
  }
  const left = data.byteLength - previous.end;
  if (left > 0) fail(`${left} bytes after ${previous.name} belong to no tensor`);
  return tensors;
}

function isDType(name: string): name is DType {
  return Object.hasOwn(byteSizes, name);
}

/** A floating-point tensor as float32: exact from F32, F16 and BF16. Throws TypeError for other dtypes. */
export function toFloat32(tensor: StoredTensor, name: string): Float32Array {
  const { bytes, dtype } = tensor;
  // A copy, because data may start at any byte.
  const aligned = new Uint8Array(bytes).buffer;
  if (dtype === 'F32') return new Float32Array(aligned);
  const words = dtype === 'F16' || dtype === 'BF16' ? new Uint16Array(aligned) : null;
  if (!words) throw new TypeError(`Cannot use tensor ${name}: dtype ${dtype}, supported are F32, F16 and BF16`);
  const out = new Float32Array(words.length);
  if (dtype === 'BF16') {
    const bits = new Uint32Array(out.buffer);
    words.forEach((word, i) => (bits[i] = word << 16));
  } else {
    words.forEach((word, i) => (out[i] = halfToNumber(word)));
  }
  return out;
}

/**
 * As `toFloat32`, for weights of the file `place`. Throws TypeError for another dtype and RangeError for a value that is
 * not finite, both naming file and tensor.
 */
export function finiteFloat32(tensor: StoredTensor, name: string, place: string): Float32Array {
  if (!['F32', 'F16', 'BF16'].includes(tensor.dtype)) {
    throw new TypeError(`Cannot use ${place}: tensor ${name} has dtype ${tensor.dtype}, supported are F32, F16 and BF16`);
  }
  const values = toFloat32(tensor, name);
  const broken = values.findIndex((value) => !Number.isFinite(value));
  if (broken >= 0) throw new RangeError(`Cannot use ${place}: tensor ${name} holds ${values[broken]} at element ${broken}; the file is damaged`);
  return values;
}

function halfToNumber(word: number): number {
  const sign = word & 0x8000 ? -1 : 1;
  const exponent = (word >> 10) & 31;
  const fraction = word & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A file of float32 tensors in the order given; the header is padded to a multiple of 8 bytes. */
export function writeSafetensors(
  tensors: Iterable<readonly [name: string, tensor: { readonly shape: readonly number[]; readonly data: Float32Array }]>,
  metadata: Record<string, string> = { format: 'pt' },
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  const parts: Float32Array[] = [];
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    const count = shape.reduce((product, axis) => product * axis, 1);
    if (count !== data.length) throw new RangeError(`Cannot write ${name}: shape (${shape.join(', ')}) has ${count} elements, data ${data.length}`);
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + data.byteLength] };
    parts.push(data);
    offset += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const headerLength = Math.ceil(json.byteLength / 8) * 8;
  const file = new Uint8Array(8 + headerLength + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.fill(0x20, 8, 8 + headerLength);
  file.set(json, 8);
  let at = 8 + headerLength;
  for (const part of parts) {
    file.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
    at += part.byteLength;
  }
  return file;
}
