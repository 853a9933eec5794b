/** The values that a GGUF header holds by keys, with the types that they are stored in. */

import { quoted } from '@seal/files';

/** Numbers of one type, as many as there are. */
export type NumberArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

/** A number of one of these types; 64 bits of an integer are a bigint. */
export const NUMBER_TYPES = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'f32', 'f64', 'u64', 'i64'] as const;
export type NumberType = (typeof NUMBER_TYPES)[number];

/** A list; one of lists has no use in a model, and is kept as it is. */
export type GgufArray =
  | { readonly items: NumberType; readonly value: NumberArray }
  | { readonly items: 'bool'; readonly value: readonly boolean[] }
  | { readonly items: 'string'; readonly value: readonly string[] }
  | { readonly items: 'array'; readonly value: readonly GgufArray[] };

/** A value with its type. */
export type GgufValue =
  | { readonly type: NumberType; readonly value: number | bigint }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | ({ readonly type: 'array' } & GgufArray);

/** The numbers by which a file names the types. */
export const TYPE_NUMBERS = {
  u8: 0, i8: 1, u16: 2, i16: 3, u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10, i64: 11, f64: 12,
} as const satisfies Readonly<Record<GgufValue['type'], number>>;

/** Bytes of a number by its type. */
export const NUMBER_BYTES = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, f64: 8, u64: 8, i64: 8 } as const satisfies Readonly<
  Record<NumberType, number>
>;

/**
 * The decimal number that a float32 was written as, as far as that can be told: the shortest that rounds to it. A
 * configuration says 1e-5, and the file 9.999999747378752e-6.
 */
function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return rounded;
  }
  return value;
}

/** Values by key. What is asked for in a type that it does not have throws SyntaxError, naming file and key. */
export class Metadata {
  readonly values: ReadonlyMap<string, GgufValue>;
  readonly #place: string;

  constructor(values: ReadonlyMap<string, GgufValue>, place: string) {
    this.values = values;
    this.#place = place;
  }

  has(key: string): boolean {
    return this.values.has(key);
  }

  /** A text, undefined where there is none. */
  text(key: string): string | undefined {
    const found = this.values.get(key);
    if (found === undefined) return undefined;
    return found.type === 'string' ? found.value : this.#refuse(key, found, 'a string');
  }

  flag(key: string): boolean | undefined {
    const found = this.values.get(key);
    if (found === undefined) return undefined;
    return found.type === 'bool' ? found.value : this.#refuse(key, found, 'a boolean');
  }

  /** A finite number; one in f32 as the shortest decimal that it stands for. */
  number(key: string): number | undefined {
    const found = this.values.get(key);
    if (found === undefined) return undefined;
    const value = found.type === 'string' || found.type === 'bool' || found.type === 'array' ? NaN : Number(found.value);
    if (!Number.isFinite(value)) return this.#refuse(key, found, 'a finite number');
    return found.type === 'f32' ? shortest(value) : value;
  }

  /** A whole number from 0 on. */
  count(key: string): number | undefined {
    const value = this.number(key);
    const found = this.values.get(key);
    if (value === undefined || !found) return undefined;
    return Number.isSafeInteger(value) && value >= 0 ? value : this.#refuse(key, found, 'a whole number');
  }

  texts(key: string): readonly string[] | undefined {
    const found = this.values.get(key);
    if (found === undefined) return undefined;
    if (found.type !== 'array') return this.#refuse(key, found, 'a list of strings');
    // An empty list may have any type of items.
    if (found.items === 'string') return found.value;
    return found.value.length === 0 ? [] : this.#refuse(key, found, 'a list of strings');
  }

  numbers(key: string): ArrayLike<number> | undefined {
    const found = this.values.get(key);
    if (found === undefined) return undefined;
    if (found.type !== 'array') return this.#refuse(key, found, 'a list of numbers');
    if (found.items === 'string' || found.items === 'bool' || found.items === 'array' || found.items === 'u64' || found.items === 'i64') {
      return found.value.length === 0 ? [] : this.#refuse(key, found, 'a list of numbers of at most 32 bits');
    }
    return found.value as Exclude<NumberArray, BigUint64Array | BigInt64Array>;
  }

  #refuse(key: string, found: GgufValue, wanted: string): never {
    const value = found.type === 'array' ? `a list of ${found.value.length} items of type ${found.items}` : quoted(String(found.value));
    throw new SyntaxError(`Cannot read ${this.#place}: ${quoted(key)} is ${value}, not ${wanted}`);
  }
}
