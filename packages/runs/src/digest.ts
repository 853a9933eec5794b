/** SHA-256 of bytes and of values, the identity of everything a run stores. */
import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';

/**
 * SHA-256 in lower-case hexadecimal: of the bytes themselves for a Uint8Array, of the UTF-8 canonical JSON otherwise.
 * A string is a JSON value here, so its digest is that of its quoted form.
 */
export const digest = (value: unknown): string => {
  const bytes = value instanceof Uint8Array ? value : new TextEncoder().encode(canonicalJson(value));
  return createHash('sha256').update(bytes).digest('hex');
};

/** The first 16 hexadecimal digits of `digest(value)`: the id of a record. */
export const digestId = (value: unknown): string => digest(value).slice(0, 16);
