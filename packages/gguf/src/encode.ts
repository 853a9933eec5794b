/** The header of a GGUF file as bytes: version 3, little-endian, tensors in the order given. */

import { NUMBER_BYTES, TYPE_NUMBERS, type GgufArray, type GgufValue, type NumberArray, type NumberType } from './metadata.ts';
import { rowBytes, BLOCKS, typeNumber, type GgufType } from './types.ts';

/** A tensor to be written; its shape has the rows first, and a row is whole blocks. */
export interface PlannedTensor {
  readonly name: string;
  readonly type: GgufType;
  readonly shape: readonly number[];
}

/** Bytes that grow as they are written. */
class Bytes {
  #bytes = new Uint8Array(4_096);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  readonly #text = new TextEncoder();

  /** Where the next `count` bytes go. */
  #room(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.byteLength) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.byteLength));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }

  number(type: NumberType, value: number | bigint): void {
    const at = this.#room(NUMBER_BYTES[type]);
    if (type === 'u64') return this.#view.setBigUint64(at, BigInt(value), true);
    if (type === 'i64') return this.#view.setBigInt64(at, BigInt(value), true);
    const own = Number(value);
    switch (type) {
      case 'u8':
        return this.#view.setUint8(at, own);
      case 'i8':
        return this.#view.setInt8(at, own);
      case 'u16':
        return this.#view.setUint16(at, own, true);
      case 'i16':
        return this.#view.setInt16(at, own, true);
      case 'u32':
        return this.#view.setUint32(at, own, true);
      case 'i32':
        return this.#view.setInt32(at, own, true);
      case 'f32':
        return this.#view.setFloat32(at, own, true);
      case 'f64':
        return this.#view.setFloat64(at, own, true);
    }
  }

  string(text: string): void {
    const bytes = this.#text.encode(text);
    this.number('u64', bytes.byteLength);
    this.raw(bytes);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.byteLength);
    this.#bytes.set(bytes, at);
  }

  /** All of it, with zeros up to a multiple of `alignment`. */
  padded(alignment: number): Uint8Array {
    this.#room((alignment - (this.#length % alignment)) % alignment);
    return this.#bytes.subarray(0, this.#length);
  }
}

function writeValue(bytes: Bytes, value: GgufValue): void {
  bytes.number('u32', TYPE_NUMBERS[value.type]);
  if (value.type === 'array') writeArray(bytes, value);
  else if (value.type === 'string') bytes.string(value.value);
  else if (value.type === 'bool') bytes.number('u8', value.value ? 1 : 0);
  else bytes.number(value.type, value.value);
}

function writeArray(bytes: Bytes, array: GgufArray): void {
  bytes.number('u32', TYPE_NUMBERS[array.items]);
  bytes.number('u64', array.value.length);
  if (array.items === 'string') for (const text of array.value) bytes.string(text);
  else if (array.items === 'bool') for (const flag of array.value) bytes.number('u8', flag ? 1 : 0);
  else if (array.items === 'array') for (const own of array.value) writeArray(bytes, own);
  else writeNumbers(bytes, array.items, array.value);
}

function writeNumbers(bytes: Bytes, type: NumberType, values: NumberArray): void {
  for (const value of values) bytes.number(type, value);
}

/** Bytes of a tensor. Throws RangeError where a row is no whole number of blocks. */
export function tensorBytes({ name, type, shape }: PlannedTensor): number {
  const columns = shape.at(-1) ?? 0;
  const { elements } = BLOCKS[type];
  if (columns === 0 || columns % elements !== 0) throw new RangeError(`Cannot write tensor ${name} as ${type}: a row has ${columns} elements, a block ${elements}`);
  return shape.slice(0, -1).reduce((product, size) => product * size, rowBytes(type, columns));
}

/** The header, padded up to where the data begins, and the bytes that each tensor takes there, padding included. */
export function encodeHeader(
  metadata: Iterable<readonly [key: string, value: GgufValue]>,
  tensors: readonly PlannedTensor[],
  alignment: number,
): { readonly head: Uint8Array; readonly lengths: readonly number[] } {
  const keys = [...metadata];
  const bytes = new Bytes();
  bytes.raw(new TextEncoder().encode('GGUF'));
  bytes.number('u32', 3);
  bytes.number('u64', tensors.length);
  bytes.number('u64', keys.length);
  for (const [key, value] of keys) {
    bytes.string(key);
    writeValue(bytes, value);
  }
  const lengths = tensors.map((tensor) => Math.ceil(tensorBytes(tensor) / alignment) * alignment);
  let offset = 0;
  for (const [i, { name, type, shape }] of tensors.entries()) {
    bytes.string(name);
    bytes.number('u32', shape.length);
    for (const size of shape.toReversed()) bytes.number('u64', size);
    bytes.number('u32', typeNumber(type));
    bytes.number('u64', offset);
    offset += lengths[i];
  }
  return { head: bytes.padded(alignment), lengths };
}
