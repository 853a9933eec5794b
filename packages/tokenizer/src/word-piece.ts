/** WordPiece: the longest token at the start of a word, then the longest continuation, and so on. */

import { problemsOf, quoted } from '@seal/files';
import { type } from 'arktype';
import type { Vocabulary } from './vocabulary.ts';

const fileSchema = type({
  unk_token: 'string',
  continuing_subword_prefix: 'string <= 64',
  'max_input_chars_per_word?': '0 <= number.integer <= 10000',
});

/** Reads `model` of type WordPiece; gives the ids of one word. Throws SyntaxError. */
export function readWordPiece(json: object, { ids }: Vocabulary, place: string): (word: string) => readonly number[] {
  const file = fileSchema(json);
  if (file instanceof type.errors) throw new SyntaxError(`Cannot use ${place}: model: ${problemsOf(file)}`);
  const { unk_token: unknownToken, continuing_subword_prefix: prefix, max_input_chars_per_word: maxLetters = 100 } = file;
  const unknownId = ids.get(unknownToken);
  if (unknownId === undefined) {
    throw new SyntaxError(`Cannot use ${place}: the unknown token ${quoted(unknownToken)} is not in the vocabulary`);
  }
  return (word) => {
    const letters = Array.from(word);
    if (letters.length > maxLetters) return [unknownId];
    const out: number[] = [];
    let start = 0;
    while (start < letters.length) {
      let end = letters.length;
      let id: number | undefined;
      while (end > start && (id = ids.get((start > 0 ? prefix : '') + letters.slice(start, end).join(''))) === undefined) end--;
      if (id === undefined) return [unknownId];
      out.push(id);
      start = end;
    }
    return out;
  };
}
