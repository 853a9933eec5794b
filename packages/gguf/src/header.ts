/**
 * The header of a GGUF file: metadata by keys, and where each tensor lies. The format is that of ggml's `docs/gguf.md`,
 * version 3 (and 2, which is written alike). Nothing in the file is believed: every length is checked against the bytes
 * that are there before anything is kept for it, and every tensor against the end of the file and its neighbours.
 */

import { quoted } from '@seal/files';
import { Cursor, type GgufInput } from './cursor.ts';
import { Metadata, NUMBER_BYTES, TYPE_NUMBERS, type GgufArray, type GgufValue, type NumberArray, type NumberType } from './metadata.ts';
import { BLOCKS, isReadType, rowBytes, typeName, type GgufType } from './types.ts';

/** A tensor and where it lies. */
export interface GgufTensor {
  readonly type: GgufType;
  /** Rows first, as everywhere else; the file has it the other way round. A row is whole blocks. */
  readonly shape: readonly number[];
  /** First byte, counted from the start of the file. */
  readonly start: number;
  readonly byteLength: number;
}

/** What the header of a file says. */
export interface GgufHeader {
  readonly metadata: Metadata;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

const MAGIC = 'GGUF';
const DEFAULT_ALIGNMENT = 32;
const MOST_ALIGNMENT = 2 ** 20;
const MOST_KEYS = 65_536;
const MOST_TENSORS = 1_048_576;
const MOST_NAME = 512;
const MOST_AXES = 4;
const MOST_DEPTH = 4;

const TYPES = new Map<number, GgufValue['type']>(Object.entries(TYPE_NUMBERS).map(([name, number]) => [number, name as GgufValue['type']]));

/** Whether a file that begins with these bytes is one of GGUF. */
export function hasGgufMagic(bytes: Uint8Array): boolean {
  return bytes.byteLength >= 4 && String.fromCharCode(...bytes.subarray(0, 4)) === MAGIC;
}

/** Reads the header of a file; `place` names it in messages. Throws SyntaxError for one that is damaged, RangeError for one that is not read. */
export function parseGguf(input: GgufInput, place: string): GgufHeader {
  const cursor = new Cursor(input, place);
  readPreamble(cursor, input, place);
  const tensorCount = cursor.size('the number of tensors');
  const keyCount = cursor.size('the number of keys');
  if (tensorCount > MOST_TENSORS) cursor.fail(`it claims ${tensorCount} tensors, at most ${MOST_TENSORS} are read`);
  if (keyCount > MOST_KEYS) cursor.fail(`it claims ${keyCount} keys, at most ${MOST_KEYS} are read`);
  // A key takes 8 bytes of length, 4 of type and one of value, a tensor its length, axes, type and offset.
  cursor.expect(keyCount, 13, 'its metadata');
  cursor.expect(tensorCount, 32, 'its list of tensors');
  const metadata = readMetadata(cursor, keyCount, place);
  const alignment = metadata.count('general.alignment') ?? DEFAULT_ALIGNMENT;
  if (alignment > MOST_ALIGNMENT || alignment === 0 || !Number.isInteger(Math.log2(alignment))) {
    cursor.fail(`general.alignment is ${alignment}, it must be a power of two of at most ${MOST_ALIGNMENT}`);
  }
  const infos = readInfos(cursor, tensorCount, place);
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  return { metadata, tensors: locate(infos, { dataStart, alignment, fileBytes: input.byteLength }, cursor) };
}

function readPreamble(cursor: Cursor, input: GgufInput, place: string): void {
  if (input.byteLength < 24) {
    cursor.fail(`it has ${input.byteLength} bytes, a GGUF file has at least 24`);
  }
  const magic = cursor.bytes(4, 'its first bytes');
  if (!hasGgufMagic(magic)) {
    const start = new Uint8Array(24);
    input.read(0, start);
    const isPointer = new TextDecoder().decode(start).startsWith('version https://git-lfs');
    cursor.fail(
      isPointer
        ? 'it is a Git LFS pointer, not the model; fetch the file itself with git lfs pull'
        : `it does not begin with ${quoted(MAGIC)}, so it is no GGUF file`,
    );
  }
  const version = cursor.u32('its version');
  if (version === 2 || version === 3) return;
  const isSwapped = version === 0x02000000 || version === 0x03000000;
  const what = isSwapped ? 'is written for big-endian machines' : `has version ${version} of the format`;
  throw new RangeError(`Cannot use ${place}: it ${what}, read are versions 2 and 3, little-endian; convert it again with llama.cpp`);
}

function readMetadata(cursor: Cursor, count: number, place: string): Metadata {
  const values = new Map<string, GgufValue>();
  for (let i = 0; i < count; i++) {
    const key = cursor.string(`key ${i}`, MOST_NAME);
    if (key === '') cursor.fail(`key ${i} is empty`);
    if (values.has(key)) cursor.fail(`key ${quoted(key)} is there twice`);
    values.set(key, readValue(cursor, readType(cursor, key), key));
  }
  return new Metadata(values, place);
}

function readType(cursor: Cursor, key: string): GgufValue['type'] {
  const number = cursor.u32(`the type of ${quoted(key)}`);
  return TYPES.get(number) ?? cursor.fail(`key ${quoted(key)} has type ${number}, there are types 0 to 12; the file is damaged`);
}

function readValue(cursor: Cursor, type: GgufValue['type'], key: string): GgufValue {
  if (type === 'array') return { type, ...readArray(cursor, key, 1) };
  if (type === 'string') return { type, value: cursor.string(`key ${quoted(key)}`) };
  if (type === 'bool') return { type, value: readBoolean(cursor, key) };
  return { type, value: cursor[type](`key ${quoted(key)}`) };
}

function readBoolean(cursor: Cursor, key: string): boolean {
  const byte = cursor.u8(`key ${quoted(key)}`);
  return byte <= 1 ? byte === 1 : cursor.fail(`key ${quoted(key)} is a boolean of value ${byte}; the file is damaged`);
}

function readArray(cursor: Cursor, key: string, depth: number): GgufArray {
  const items = readType(cursor, key);
  const what = `the list of ${quoted(key)}`;
  const count = cursor.size(`the length of ${what}`);
  if (items === 'string') {
    cursor.expect(count, 8, what);
    return { items, value: collect(count, () => cursor.string(what)) };
  }
  if (items === 'bool') {
    cursor.expect(count, 1, what);
    return { items, value: collect(count, () => readBoolean(cursor, key)) };
  }
  if (items === 'array') {
    if (depth === MOST_DEPTH) cursor.fail(`${what} is nested more than ${MOST_DEPTH} deep`);
    cursor.expect(count, 12, what);
    return { items, value: collect(count, () => readArray(cursor, key, depth + 1)) };
  }
  cursor.expect(count, NUMBER_BYTES[items], what);
  return { items, value: numbers(items, cursor.bytes(count * NUMBER_BYTES[items], what).buffer) };
}

/** A list that grows with what is read: a count alone takes no memory. */
function collect<T>(count: number, read: () => T): T[] {
  const out: T[] = [];
  for (let i = 0; i < count; i++) out.push(read());
  return out;
}

const ARRAYS = {
  u8: Uint8Array, i8: Int8Array, u16: Uint16Array, i16: Int16Array, u32: Uint32Array, i32: Int32Array,
  f32: Float32Array, f64: Float64Array, u64: BigUint64Array, i64: BigInt64Array,
} as const satisfies Readonly<Record<NumberType, new (buffer: ArrayBuffer) => NumberArray>>;

function numbers(type: NumberType, buffer: ArrayBuffer): NumberArray {
  return new ARRAYS[type](buffer);
}

/** A tensor as the header lists it: `offset` counts from where the data begins. */
interface Info extends Omit<GgufTensor, 'start'> {
  readonly name: string;
  readonly offset: number;
}

function readInfos(cursor: Cursor, count: number, place: string): Info[] {
  const names = new Set<string>();
  return collect(count, () => {
    const name = cursor.string(`the name of tensor ${names.size}`, MOST_NAME);
    const what = `tensor ${quoted(name)}`;
    if (names.has(name)) cursor.fail(`${what} is there twice`);
    names.add(name);
    const axes = cursor.u32(`the axes of ${what}`);
    if (axes === 0 || axes > MOST_AXES) cursor.fail(`${what} has ${axes} axes, there are 1 to ${MOST_AXES}`);
    const sizes = collect(axes, () => cursor.size(`a size of ${what}`));
    const type = typeName(cursor.u32(`the type of ${what}`));
    const offset = cursor.size(`the offset of ${what}`);
    if (!isReadType(type)) {
      throw new RangeError(
        `Cannot use ${place}: ${what} has type ${type}, which is not read; read are ${Object.keys(BLOCKS).join(', ')}: choose another file of the model, Q4_K_M for example`,
      );
    }
    const [columns = 0, ...outer] = sizes;
    const { elements } = BLOCKS[type];
    if (columns % elements !== 0) cursor.fail(`${what} has rows of ${columns} elements, which is no multiple of the ${elements} of a block of ${type}`);
    const byteLength = outer.reduce((product, size) => product * size, rowBytes(type, columns));
    if (byteLength === 0 || !Number.isSafeInteger(byteLength)) cursor.fail(`${what} has the sizes ${sizes.join(', ')}; the file is damaged`);
    return { name, type, shape: sizes.toReversed(), offset, byteLength };
  });
}

/** Puts tensors where they lie. Throws SyntaxError where one lies outside of the file or in another. */
function locate(
  infos: readonly Info[],
  { dataStart, alignment, fileBytes }: { readonly dataStart: number; readonly alignment: number; readonly fileBytes: number },
  cursor: Cursor,
): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (const { name, type, shape, offset, byteLength } of infos) {
    const what = `tensor ${quoted(name)}`;
    if (offset % alignment !== 0) cursor.fail(`${what} lies at offset ${offset}, which is no multiple of the alignment ${alignment}`);
    const start = dataStart + offset;
    if (start + byteLength > fileBytes) cursor.fail(`${what} lies at bytes ${start} to ${start + byteLength}, the file has ${fileBytes}; is it cut off?`);
    tensors.set(name, { type, shape, start, byteLength });
  }
  let before = { name: '', end: 0 };
  for (const [name, { start, byteLength }] of [...tensors].sort(([, a], [, b]) => a.start - b.start)) {
    if (start < before.end) cursor.fail(`tensors ${quoted(before.name)} and ${quoted(name)} overlap`);
    before = { name, end: start + byteLength };
  }
  return tensors;
}
