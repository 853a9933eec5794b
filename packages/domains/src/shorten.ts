/** Shortening a text where a sentence ends. */

import type { Context } from './domain.ts';

/** Ends of sentences: closing signs belong to them, and white space follows, which some scripts write without. */
const SENTENCE_END = /[.!?…]+["'”’»)\]]*(?=\s)|[。！？]+[”’」』）]*|\n/gu;
const WORD_END = /\s+/gu;

/** The longest of `ends` (ascending) whose text fits, looked for by halves: a longer text may not fit where a shorter does not. */
function longest(text: string, ends: readonly number[], fits: (text: string) => boolean): string | null {
  let [low, high] = [0, ends.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (fits(text.slice(0, ends[middle]).trimEnd())) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? null : text.slice(0, ends[low - 1]).trimEnd();
}

/**
 * The longest beginning of a text that `fits`: the whole of it, else up to the end of a sentence, else of a word, else of
 * a code point; null where not even one code point fits. White space at the end of a shortened text is dropped.
 */
export function shorten(text: string, fits: (text: string) => boolean): string | null {
  if (fits(text)) return text;
  for (const pattern of [SENTENCE_END, WORD_END]) {
    const ends = Array.from(text.matchAll(pattern), ({ index, 0: match }) => index + match.length);
    const found = longest(text, ends, fits);
    if (found !== null && found !== '') return found;
  }
  let at = 0;
  const ends = Array.from(text, (codePoint) => (at += codePoint.length));
  const found = longest(text, ends, fits);
  return found === '' ? null : found;
}

/** A text that was broken off, up to the end of its last sentence or line; as it is where it has none. */
export function wholeSentences(text: string): string {
  const end = Array.from(`${text} `.matchAll(SENTENCE_END), ({ index, 0: match }) => index + match.length).at(-1);
  return end === undefined ? text : text.slice(0, end);
}

/** The `fit` of a domain whose contexts are prose: the text is shortened at the end of a sentence where there is one. */
export function fitText(context: Context, fits: (context: Context) => boolean): Context | null {
  const text = shorten(context.text, (beginning) => fits({ ...context, text: beginning }));
  return text === null ? null : { ...context, text };
}
