/**
 * Messages over a pipe: a JSON text with its bytes behind it, so that weights are not spelled out. A frame is the lengths of
 * both in four bytes each (little endian), the JSON, and the bytes; in the JSON `{"$bytes": [start, length]}` stands for
 * each Uint8Array. Other typed arrays come out as lists of numbers.
 */

/** What a message may hold: JSON and bytes. */
export type Sendable = null | boolean | number | string | Uint8Array | readonly Sendable[] | { readonly [key: string]: Sendable | undefined };

const HEADER_BYTES = 8;
/** A frame that claims more is no frame of ours. */
const MOST_BYTES = 2 ** 32 - 1;

/** A message as bytes, in pieces to be written one behind the other. */
export function frame(message: Sendable): Uint8Array[] {
  const attached: Uint8Array[] = [];
  let length = 0;
  const text = JSON.stringify(message, function (this: Readonly<Record<string, unknown>>, key, made: unknown) {
    // The value itself: of a Buffer, JSON has something made already.
    const value = this[key];
    if (value instanceof Uint8Array) {
      attached.push(value);
      length += value.byteLength;
      return { $bytes: [length - value.byteLength, value.byteLength] };
    }
    return ArrayBuffer.isView(value) && !(value instanceof DataView) ? Array.from(value as Float32Array) : made;
  });
  const json = new TextEncoder().encode(text);
  if (HEADER_BYTES + json.byteLength + length > MOST_BYTES) throw new RangeError(`Cannot send ${json.byteLength + length} bytes at once: at most ${MOST_BYTES - HEADER_BYTES} fit into a message`);
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, json.byteLength, true);
  view.setUint32(4, length, true);
  return [header, json, ...attached];
}

/** Puts frames together from what comes in, however it is cut. */
export class FrameReader {
  readonly #onMessage: (message: unknown) => void;
  #pieces: Uint8Array[] = [];
  #length = 0;

  constructor(onMessage: (message: unknown) => void) {
    this.#onMessage = onMessage;
  }

  /** Takes the next bytes. Throws SyntaxError for what is no frame. */
  push(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.#length += bytes.byteLength;
    for (;;) {
      if (this.#length < HEADER_BYTES) return;
      const header = this.#peek(HEADER_BYTES);
      const view = new DataView(header.buffer, header.byteOffset);
      const [jsonLength, byteLength] = [view.getUint32(0, true), view.getUint32(4, true)];
      const whole = HEADER_BYTES + jsonLength + byteLength;
      if (whole > MOST_BYTES) throw new SyntaxError('Cannot read a message: its length is absurd');
      if (this.#length < whole) return;
      const all = this.#peek(whole);
      this.#drop(whole);
      const json = new TextDecoder().decode(all.subarray(HEADER_BYTES, HEADER_BYTES + jsonLength));
      const attached = all.subarray(HEADER_BYTES + jsonLength, whole);
      this.#onMessage(JSON.parse(json, (_, value: unknown) => revived(value, attached)));
    }
  }

  /** The first bytes as one piece. */
  #peek(length: number): Uint8Array {
    const [first] = this.#pieces;
    if (first && first.byteLength >= length) return first.subarray(0, length);
    const joined = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#pieces) {
      joined.set(piece, at);
      at += piece.byteLength;
    }
    this.#pieces = [joined];
    return joined.subarray(0, length);
  }

  #drop(length: number): void {
    const [first] = this.#pieces;
    if (!first) return;
    this.#pieces[0] = first.subarray(length);
    this.#length -= length;
  }
}

function revived(value: unknown, attached: Uint8Array): unknown {
  if (typeof value !== 'object' || value === null || !('$bytes' in value) || !Array.isArray(value.$bytes)) return value;
  const [start, length] = value.$bytes as [number, number];
  return attached.slice(start, start + length);
}
