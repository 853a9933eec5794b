/** Text to token ids and back, by `tokenizer.json`. */

import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { type } from 'arktype';
import { problemsOf } from './problems.ts';

/** A loaded tokenizer. */
export interface Tokenizer {
  /** Token ids of a text as it stands: no special tokens are added, those written in the text are recognised. */
  encode(text: string): number[];
  /** The text of ids, special tokens left out. */
  decode(ids: readonly number[]): string;
  /** Id of a token. Throws RangeError when the vocabulary has none such. */
  id(token: string): number;
  /** Id of the unknown token, or null where every text can be encoded. */
  readonly unknownId: number | null;
  /** The largest id that a text can be encoded to. */
  readonly largestId: number;
}

const fileSchema = type({
  model: { 'unk_token?': 'string | null' },
  'added_tokens?': type({ id: 'number.integer', content: 'string' }).array(),
});

/** Reads parsed `tokenizer.json` and `tokenizer_config.json` (`{}` where absent). Throws SyntaxError when they are not. */
export function createTokenizer(json: unknown, config: unknown, place: string): Tokenizer {
  const file = fileSchema(json);
  if (file instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: ${problemsOf(file)}`);
  let inner: HuggingFaceTokenizer;
  try {
    // Truncation and padding written into a tokenizer would cut training texts: they are not part of tokenising.
    inner = new HuggingFaceTokenizer({ ...(json as object), truncation: null, padding: null }, config as object);
  } catch (cause) {
    throw new SyntaxError(`Cannot read ${place}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  const find = (token: string) => inner.token_to_id(token);
  const unknown = file.model.unk_token;
  const largestId = [...inner.get_vocab(true).values()].reduce((most, id) => Math.max(most, id), -1);
  return {
    encode: (text) => inner.encode(text, { add_special_tokens: false }).ids,
    // An embedding may have more rows than the tokenizer has tokens; the library refuses an empty list.
    decode(ids) {
      const known = ids.filter((id) => id <= largestId);
      return known.length === 0 ? '' : inner.decode(known, { skip_special_tokens: true });
    },
    id(token) {
      const id = find(token);
      if (id === undefined) throw new RangeError(`Cannot find token ${JSON.stringify(token)} in ${place}`);
      return id;
    },
    unknownId: unknown ? (find(unknown) ?? null) : null,
    largestId,
  };
}
