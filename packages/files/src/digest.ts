/** SHA-256 of bytes and of values, the identity of everything a run stores. */
import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';

/** A hash takes less than 2 GiB at once; weights of a model in float32 have more. */
const PIECE_BYTES = 2 ** 30;

/**
 * SHA-256 in lower-case hexadecimal: of the bytes themselves for a Uint8Array, of the UTF-8 canonical JSON otherwise.
 * A string is a JSON value here, so its digest is that of its quoted form.
 */
export function digest(value: unknown): string {
  const bytes = value instanceof Uint8Array ? value : new TextEncoder().encode(canonicalJson(value));
  const hash = createHash('sha256');
  for (let start = 0; start < bytes.byteLength; start += PIECE_BYTES) hash.update(bytes.subarray(start, start + PIECE_BYTES));
  return hash.digest('hex');
}

/** The first 16 hexadecimal digits of `digest(value)`: the id of a record. */
export function digestId(value: unknown): string {
  return digest(value).slice(0, 16);
}
