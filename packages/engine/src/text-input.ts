/** Texts that a request holds or names a file of. */

import { readText } from '@seal/files/node';

export type TextInput = string | { readonly text: string; readonly place?: string | undefined };

/** The text, and what problems call it. Throws a problem of kind `data` for a file that cannot be read. */
export function textOf(input: TextInput): { readonly text: string; readonly place: string } {
  if (typeof input !== 'string') return { text: input.text, place: input.place ?? '`input`' };
  return { text: readText(input, 'data'), place: input };
}
