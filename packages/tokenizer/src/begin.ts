/** What a tokenizer puts before every text. */

import type { Tokenizer } from './tokenizer.ts';

/** The tokens that a tokenizer's own rule puts before every text; none where it changes a text's own tokens. */
export function beginOf(tokenizer: Pick<Tokenizer, 'encode' | 'encodeWithSpecials'>): readonly number[] {
  const own = tokenizer.encode('a');
  const framed = tokenizer.encodeWithSpecials('a');
  const at = framed.findIndex((_, i) => own.every((token, j) => framed[i + j] === token));
  return framed.slice(0, Math.max(0, at));
}
