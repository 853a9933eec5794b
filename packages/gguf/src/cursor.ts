/** Reading a header through a window: little-endian values one after another, never beyond what the file has. */

import { quoted } from '@seal/files';

/** A file as a reader of its header sees it: it is read in pieces, wherever they are asked for. */
export interface GgufInput {
  readonly byteLength: number;
  /** Fills `target` with the bytes from `position` on, which are there. */
  readonly read: (position: number, target: Uint8Array) => void;
}

const WINDOW_BYTES = 256 * 1024;
/** Beyond any header: a vocabulary of 262,144 tokens takes some 6 MB. */
const MOST_BYTES = 512 * 1024 * 1024;

export class Cursor {
  /** Bytes read so far. */
  position = 0;
  readonly #input: GgufInput;
  readonly #place: string;
  readonly #limit: number;
  readonly #text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #start = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);

  constructor(input: GgufInput, place: string) {
    this.#input = input;
    this.#place = place;
    this.#limit = Math.min(input.byteLength, MOST_BYTES);
  }

  /** Throws SyntaxError about the file. */
  fail(what: string): never {
    throw new SyntaxError(`Cannot read ${this.#place}: ${what}`);
  }

  /** Throws SyntaxError where fewer than `count` items of at least `bytes` bytes each can follow; `what` names them. */
  expect(count: number, bytes: number, what: string): void {
    const left = this.#limit - this.position;
    if (count * bytes <= left) return;
    if (this.#limit < this.#input.byteLength) this.fail(`its header has more than ${MOST_BYTES} bytes`);
    this.fail(`${what} at byte ${this.position} needs ${count * bytes} bytes, the file has ${left} more; is it cut off?`);
  }

  /** Where the next `length` bytes lie in the window. */
  #take(length: number, what: string): number {
    this.expect(length, 1, what);
    const at = this.position - this.#start;
    this.position += length;
    if (at + length <= this.#bytes.byteLength) return at;
    this.#start = this.position - length;
    this.#bytes = new Uint8Array(Math.min(Math.max(WINDOW_BYTES, length), this.#limit - this.#start));
    this.#view = new DataView(this.#bytes.buffer);
    this.#input.read(this.#start, this.#bytes);
    return 0;
  }

  // The window may move while its place is asked for, so the place comes first.
  u8 = (what: string): number => this.#at(1, what, (at) => this.#view.getUint8(at));
  i8 = (what: string): number => this.#at(1, what, (at) => this.#view.getInt8(at));
  u16 = (what: string): number => this.#at(2, what, (at) => this.#view.getUint16(at, true));
  i16 = (what: string): number => this.#at(2, what, (at) => this.#view.getInt16(at, true));
  u32 = (what: string): number => this.#at(4, what, (at) => this.#view.getUint32(at, true));
  i32 = (what: string): number => this.#at(4, what, (at) => this.#view.getInt32(at, true));
  f32 = (what: string): number => this.#at(4, what, (at) => this.#view.getFloat32(at, true));
  f64 = (what: string): number => this.#at(8, what, (at) => this.#view.getFloat64(at, true));
  u64 = (what: string): bigint => this.#at(8, what, (at) => this.#view.getBigUint64(at, true));
  i64 = (what: string): bigint => this.#at(8, what, (at) => this.#view.getBigInt64(at, true));

  #at<T>(length: number, what: string, read: (at: number) => T): T {
    return read(this.#take(length, what));
  }

  /** A length or a count: 64 bits, of which no file has more than 53. */
  size(what: string): number {
    const value = this.u64(what);
    return value <= Number.MAX_SAFE_INTEGER ? Number(value) : this.fail(`${what} before byte ${this.position} is ${value}; the file is damaged`);
  }

  /** Bytes, copied. */
  bytes(length: number, what: string): Uint8Array<ArrayBuffer> {
    const at = this.#take(length, what);
    return this.#bytes.slice(at, at + length);
  }

  /** A length and so many bytes of UTF-8. */
  string(what: string, most = MOST_BYTES): string {
    const length = this.size(`the length of ${what}`);
    if (length > most) this.fail(`${what} at byte ${this.position} is ${length} bytes long, at most ${most} are read`);
    const at = this.#take(length, what);
    try {
      return this.#text.decode(this.#bytes.subarray(at, at + length));
    } catch {
      return this.fail(`${what} is not UTF-8: ${quoted(new TextDecoder().decode(this.#bytes.subarray(at, at + Math.min(length, 80))))}`);
    }
  }
}
