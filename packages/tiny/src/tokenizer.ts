/**
 * The vocabulary and its tokenizer: whole phrases, words, and the syllables of names.
 *
 * `tokenizerFile` describes it to Hugging Face readers: phrases are added tokens, words and syllables a WordPiece model
 * (a name is `dal ##ric hol ##by`). `encode` is the same function written for this world, so that the corpus needs no
 * tokenizer at run time; the tests hold the two against each other.
 */

import {
  FILLERS, FIRST_END, FIRST_START, LAST_END, LAST_START, LORE, LORE_QUESTION, MARKERS, PRONOUNS, PUNCTUATION, RELATIONS,
} from './lexicon.ts';
import { normalise } from './sentences.ts';
import { syllablesOf } from './people.ts';

const PREFIX = '##';
const distinct = (words: readonly string[]): string[] => [...new Set(words)];
const markers: readonly string[] = Object.values(MARKERS);
const starts = distinct([...FIRST_START, ...LAST_START]);
const ends = distinct([...FIRST_END, ...LAST_END]).map((end) => PREFIX + end);

const phrases = {
  passage: distinct(RELATIONS.flatMap(({ passage }) => passage)),
  statement: distinct(RELATIONS.flatMap(({ direct, derived, inverse }) => [...direct, ...derived, ...inverse.flat()])),
  question: distinct(
    RELATIONS.flatMap(({ directQuestion, derivedQuestion, inverseQuestion }) => [
      ...directQuestion.flat(),
      ...derivedQuestion.flat(),
      ...inverseQuestion,
    ]),
  ),
  vague: distinct([...RELATIONS.map(({ vague }) => vague), ...FILLERS]),
  lore: [LORE, LORE_QUESTION],
};
const values = RELATIONS.flatMap(({ categories }) => Object.values(categories).flat());
const categories = RELATIONS.flatMap(({ categories: named }) => Object.keys(named));

/** Every token once; its place is its id. */
export const VOCABULARY: readonly string[] = distinct([
  ...markers,
  ...PUNCTUATION,
  ...PRONOUNS,
  ...values,
  ...categories,
  ...Object.values(phrases).flat(),
  ...starts,
  ...ends,
]);

const ids: ReadonlyMap<string, number> = new Map(VOCABULARY.map((token, id) => [token, id]));
const syllables: ReadonlySet<string> = new Set([...starts, ...ends]);
/** What stands as it is in a text: neither a marker nor a syllable. */
const whole: ReadonlySet<string> = new Set(
  VOCABULARY.filter((token) => !markers.includes(token) && !syllables.has(token)),
);
const longestPhrase = Math.max(...[...whole].map((token) => token.split(' ').length));

/** Id of a token. Throws RangeError when there is none such. */
export function tokenId(token: string): number {
  const id = ids.get(token);
  if (id === undefined) throw new RangeError(`Cannot find token ${JSON.stringify(token)} in the tiny vocabulary`);
  return id;
}

/** Reads words left to right, the longest phrase first, then a word, then a name. */
function scan(
  text: string,
  known: (tokens: readonly string[]) => void,
  unknown: (word: string, index: number) => void,
): void {
  const words = normalise(text).split(' ').filter((word) => word !== '');
  let index = 0;
  while (index < words.length) {
    const word = words[index] ?? '';
    let length = Math.min(longestPhrase, words.length - index);
    while (length > 0 && !whole.has(words.slice(index, index + length).join(' '))) length--;
    if (length > 0) {
      known([words.slice(index, index + length).join(' ')]);
    } else {
      length = 1;
      const parts = syllablesOf(word, 'first') ?? syllablesOf(word, 'last');
      if (parts) known([parts[0], PREFIX + parts[1]]);
      else unknown(word, index);
    }
    index += length;
  }
}

/** Token ids of a text; markers written in it are recognised, any other unknown word is the unknown token. */
export function encode(text: string): number[] {
  const out: number[] = [];
  scan(
    text,
    (tokens) => out.push(...tokens.map(tokenId)),
    (word) => out.push(tokenId(markers.includes(word) ? word : MARKERS.unknown)),
  );
  return out;
}

/** The words of a text that are outside the vocabulary, with their place among its words (0 the first). */
export function unknownWords(text: string): { readonly word: string; readonly index: number }[] {
  const found: { word: string; index: number }[] = [];
  scan(text, () => undefined, (word, index) => found.push({ word, index }));
  return found;
}

/** A part of the vocabulary, for people who want to write passages. */
export interface VocabularyRole {
  readonly role: string;
  readonly words: readonly string[];
}

/** The vocabulary by what it is for. */
export function vocabularyByRole(): VocabularyRole[] {
  return [
    { role: 'first name, first syllable', words: FIRST_START },
    { role: 'first name, second syllable', words: FIRST_END },
    { role: 'last name, first syllable', words: LAST_START },
    { role: 'last name, second syllable', words: LAST_END },
    { role: 'pronoun', words: PRONOUNS },
    { role: 'punctuation and joins', words: PUNCTUATION },
    ...RELATIONS.flatMap(({ name, categories: named, ...relation }) => [
      { role: `${name}: in a passage`, words: relation.passage },
      { role: `${name}: in a statement`, words: [...relation.direct, ...relation.derived, ...relation.inverse.flat()] },
      {
        role: `${name}: in a question`,
        words: [...relation.directQuestion.flat(), ...relation.derivedQuestion.flat(), ...relation.inverseQuestion],
      },
      { role: `${name}: categories`, words: Object.keys(named) },
      ...Object.entries(named).map(([category, members]) => ({ role: `${name}: ${category}`, words: members })),
    ]),
    { role: 'saying nothing', words: phrases.vague },
    { role: 'category', words: phrases.lore },
    { role: 'marker', words: markers },
  ];
}

/** A Hugging Face `tokenizer.json`. */
export function tokenizerFile(): Record<string, unknown> {
  const added = VOCABULARY.flatMap((content, id) => {
    const special = markers.includes(content);
    if (!special && !content.includes(' ')) return [];
    return [{ id, content, single_word: !special, lstrip: false, rstrip: false, normalized: !special, special }];
  });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: {
      type: 'Sequence',
      normalizers: [{ type: 'Lowercase' }, { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' }],
    },
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: null,
    decoder: { type: 'WordPiece', prefix: PREFIX, cleanup: false },
    model: {
      type: 'WordPiece',
      unk_token: MARKERS.unknown,
      continuing_subword_prefix: PREFIX,
      max_input_chars_per_word: 64,
      vocab: Object.fromEntries(VOCABULARY.map((token, id) => [token, id])),
    },
  };
}

/** The `tokenizer_config.json` beside it; without it a reader closes up the spaces before full stops. */
export function tokenizerConfigFile(): Record<string, unknown> {
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    clean_up_tokenization_spaces: false,
    bos_token: MARKERS.begin,
    eos_token: MARKERS.end,
    pad_token: MARKERS.pad,
    unk_token: MARKERS.unknown,
    model_max_length: 512,
  };
}

/** Rows of the embedding: the vocabulary rounded up to a multiple of 4, which is what the fast kernels take. */
const EMBEDDING_ROWS = Math.ceil(VOCABULARY.length / 4) * 4;

/** A Hugging Face `config.json`: the Llama of half a million parameters that this world is learnt by. */
export const tinyModelConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: EMBEDDING_ROWS,
  hidden_size: 128,
  intermediate_size: 256,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  tie_word_embeddings: true,
  hidden_act: 'silu',
  attention_bias: false,
  mlp_bias: false,
  bos_token_id: tokenId(MARKERS.begin),
  eos_token_id: tokenId(MARKERS.end),
  pad_token_id: tokenId(MARKERS.pad),
  torch_dtype: 'float32',
} as const;

/** Whether a tokenizer has the words of this world and no others, so that its model can be asked about nothing else. */
export function speaksTinyWorld(tokenizer: { readonly largestId: number; id(token: string): number }): boolean {
  try {
    return VOCABULARY.length === tokenizer.largestId + 1 && VOCABULARY.every((token, id) => tokenizer.id(token) === id);
  } catch {
    return false;
  }
}
