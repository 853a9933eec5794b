/**
 * Text to token ids and back, by `tokenizer.json`: exactly as Hugging Face's tokenizers 0.23.
 *
 * A text is cut at added tokens, normalised, cut into words and looked up (`added-tokens.ts`, `normalizers.ts`,
 * `pre-tokenizers.ts`, `bpe.ts`); `decoders.ts` is the way back. Truncation and padding that a file asks for are left
 * out: they would cut training texts and are no part of tokenising. What a file asks for and is not implemented is
 * refused by name.
 *
 * What is a letter and how it is composed follows the runtime's Unicode (17 in Node 24), the reference's is older: they
 * differ in some scripts of Unicode 16 and 17.
 */

import { problemsOf, quoted } from '@seal/files';
import { type } from 'arktype';
import { readAddedTokens } from './added-tokens.ts';
import { readBpe } from './bpe.ts';
import { decodeEnd, decodePiece, readDecoder } from './decoders.ts';
import { readNormalizer } from './normalizers.ts';
import { readPostProcessor } from './post-processors.ts';
import { readPreTokenizer } from './pre-tokenizers.ts';
import { unsupported } from './text-patterns.ts';
import { readVocabulary } from './vocabulary.ts';
import { remembered } from './word-cache.ts';
import { readWordPiece } from './word-piece.ts';

/** A loaded tokenizer. */
export interface Tokenizer {
  /**
   * Token ids of a text as it stands: no special tokens are added, those written in the text are recognised. A lone
   * surrogate is read as U+FFFD.
   */
  encode(text: string): number[];
  /** Token ids with those that the file puts before and behind every text, as `tokenizer(text)` of transformers does. */
  encodeWithSpecials(text: string): number[];
  /**
   * The text of ids, special tokens left out unless `skipSpecialTokens` is false. An id without a token is no text: an
   * embedding may have more rows than there are tokens.
   */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** Text of tokens as they come; see `createDecodeStream`. */
  stream(options?: DecodeOptions): DecodeStream;
  /** Where places of a text (UTF-16 offsets, ascending) lie among its tokens. Throws RangeError where no tokens end there. */
  locate(text: string, offsets: readonly number[]): Located;
  /** Id of a token. Throws RangeError when the vocabulary has none such. */
  id(token: string): number;
  /** Whether a token is a special one: a mark of the format, no text. */
  isSpecial(id: number): boolean;
  /** The special tokens written in a text, by UTF-16 offsets. */
  specials(text: string): { readonly id: number; readonly start: number; readonly end: number }[];
  /** Id of the unknown token, or null where every text can be encoded. */
  readonly unknownId: number | null;
  /** The largest id that a text can be encoded to. */
  readonly largestId: number;
}

export interface DecodeOptions {
  readonly skipSpecialTokens?: boolean;
}

/** Turns tokens into text as they come. */
export interface DecodeStream {
  /** Takes the next token and gives the text that is complete now: never half a character. */
  push(id: number): string;
  /** The rest. All that was given, put together, is what `decode` gives for all tokens. */
  end(): string;
}

/** A text's tokens and, for each place asked for, the tokens that end at or before it and those that begin before it. */
export interface Located {
  readonly tokens: number[];
  readonly places: readonly { readonly ended: number; readonly begun: number }[];
}

/** Text of tokens as they come, for what shows an answer while it is written. */
export function createDecodeStream(tokenizer: Pick<Tokenizer, 'stream'>, options: DecodeOptions = {}): DecodeStream {
  return tokenizer.stream(options);
}

const fileSchema = type({
  model: { 'type?': 'string', 'unk_token?': 'string | null', 'vocab?': 'unknown' },
  'added_tokens?': 'unknown',
  'normalizer?': 'unknown',
  'pre_tokenizer?': 'unknown',
  'post_processor?': 'unknown',
  'decoder?': 'unknown',
});

const utf8 = new TextEncoder();
const byteLengthOf = (text: string): number => utf8.encode(text).length;

/**
 * Reads a parsed `tokenizer.json`. Throws SyntaxError when it is none, or asks for what is not implemented. `rows` is how many
 * tokens the model has: RangeError where the vocabulary has more. Added tokens beyond it are let be, as transformers does (a
 * pad token that no text has); a text that holds one throws RangeError when it is encoded.
 */
export function createTokenizer(json: unknown, place: string, rows = Infinity): Tokenizer {
  const file = fileSchema(json);
  if (file instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: ${problemsOf(file)}`);
  // Old files do not name the kind: merges are what only BPE has.
  const kind = file.model.type ?? ('merges' in file.model ? 'BPE' : 'WordPiece');
  if (kind !== 'BPE' && kind !== 'WordPiece') throw unsupported('model', kind, ['BPE', 'WordPiece'], place);
  const vocabulary = readVocabulary(file.model.vocab, place);
  const normalise = readNormalizer(file.normalizer, place);
  const added = readAddedTokens(file.added_tokens, vocabulary, normalise, place);
  const { cut, spell } = readPreTokenizer(file.pre_tokenizer, place);
  const frame = readPostProcessor(file.post_processor, place);
  if (vocabulary.largestId >= rows) {
    throw new RangeError(`Cannot use ${place}: it has token id ${vocabulary.largestId}, the model has a vocabulary of ${rows}`);
  }
  /** Tokens of a text, all of which the model has. */
  const known = (ids: number[]): number[] => {
    const beyond = added.largestId < rows ? undefined : ids.find((id) => id >= rows);
    if (beyond === undefined) return ids;
    throw new RangeError(`Cannot encode a text with ${quoted(tokenOf(beyond) ?? '')}: ${place} gives it id ${beyond}, the model has a vocabulary of ${rows}`);
  };
  const decoder = readDecoder(file.decoder, place);
  const lookUp = (kind === 'BPE' ? readBpe : readWordPiece)(file.model, vocabulary, place);
  const idsOfWord = remembered((word: string) => lookUp(spell(word)));

  const tokenOf = (id: number): string | undefined => added.texts.get(id) ?? vocabulary.tokens.get(id);
  const idOf = (token: string): number | undefined => added.ids.get(token) ?? vocabulary.ids.get(token);

  /** Visits a normalised piece: added tokens and words in order. */
  const visit = (piece: string, isFirst: boolean, seeAdded: (id: number, text: string) => void, seeWord: (word: string) => void): void => {
    for (const { start, end, id } of added.inNormalised(piece)) {
      const text = start === 0 && end === piece.length ? piece : piece.slice(start, end);
      if (id !== null) seeAdded(id, text);
      else for (const word of cut(text, isFirst && start === 0)) if (word !== '') seeWord(word);
    }
  };
  const encodeInto = (out: number[], text: string, isFirst: boolean): void =>
    visit(
      normalise(text),
      isFirst,
      (id) => out.push(id),
      (word) => {
        for (const id of idsOfWord(word)) out.push(id);
      },
    );
  const encode = (text: string): number[] => {
    const source = text.toWellFormed();
    const out: number[] = [];
    for (const { start, end, id } of added.inText(source)) {
      if (id !== null) out.push(id);
      else encodeInto(out, source.slice(start, end), start === 0);
    }
    return known(out);
  };

  /** A piece as the model sees it. */
  const spelled = (text: string, isFirst: boolean): string => {
    let out = '';
    visit(normalise(text), isFirst, (_, written) => (out += written), (word) => (out += spell(word)));
    return out;
  };
  /** How many bytes of `spelled` each token of a piece takes. Throws RangeError where it has unknown letters. */
  const tokenLengths = (text: string, isFirst: boolean): number[] => {
    const lengths: number[] = [];
    const seeWord = (word: string): void => {
      const letters = spell(word);
      const own = idsOfWord(word).map((id) => {
        const token = tokenOf(id) ?? '';
        return token.length === 6 && /^<0x[0-9A-F]{2}>$/.test(token) && !letters.includes(token) ? 1 : byteLengthOf(token);
      });
      if (own.reduce((sum, length) => sum + length, 0) !== byteLengthOf(letters)) {
        throw new RangeError(`Cannot tell which tokens stand for ${JSON.stringify(word.slice(0, 40))}: it holds letters that ${place} has no tokens for`);
      }
      for (const length of own) lengths.push(length);
    };
    visit(normalise(text), isFirst, (_, written) => lengths.push(byteLengthOf(written)), seeWord);
    return lengths;
  };

  const stream = ({ skipSpecialTokens = true }: DecodeOptions = {}): DecodeStream => {
    const stages = decoder();
    return {
      push(id) {
        const token = tokenOf(id);
        // The reference fails to leave out special tokens that are `normalized`: it compares their normalised text.
        return token === undefined || (skipSpecialTokens && added.specialIds.has(id)) ? '' : decodePiece(stages, token);
      },
      end: () => decodeEnd(stages),
    };
  };

  const unknown = file.model.unk_token;
  return {
    encode,
    encodeWithSpecials: (text) => known([...frame.before, ...encode(text), ...frame.after]),
    decode(ids, options) {
      const open = stream(options);
      let text = '';
      for (const id of ids) text += open.push(id);
      return text + open.end();
    },
    stream,
    locate(text, offsets) {
      const source = text.toWellFormed();
      const tokens: number[] = [];
      const places: { ended: number; begun: number }[] = [];
      for (const { start, end, id } of added.inText(source)) {
        const before = tokens.length;
        if (id !== null) tokens.push(id);
        else encodeInto(tokens, source.slice(start, end), start === 0);
        for (let offset = offsets[places.length]; offset !== undefined && offset < end; offset = offsets[places.length]) {
          if (offset <= start) places.push({ ended: before, begun: before });
          else if (id !== null) places.push({ ended: before, begun: before + 1 });
          else places.push(locateWithin(source.slice(start, end), offset - start, start === 0, before));
        }
      }
      while (places.length < offsets.length) places.push({ ended: tokens.length, begun: tokens.length });
      return { tokens: known(tokens), places };
    },
    id(token) {
      const id = idOf(token);
      if (id === undefined) throw new RangeError(`Cannot find token ${quoted(token)} in ${place}`);
      return id;
    },
    isSpecial: (id) => added.specialIds.has(id),
    specials: (text) =>
      added.inText(text.toWellFormed()).flatMap(({ id, start, end }) => (id !== null && added.specialIds.has(id) ? [{ id, start, end }] : [])),
    unknownId: unknown ? (idOf(unknown) ?? null) : null,
    largestId: Math.max(vocabulary.largestId, added.largestId),
  };

  /** The tokens around a place in a piece of text, counted from `before`. */
  function locateWithin(text: string, offset: number, isFirst: boolean, before: number): { ended: number; begun: number } {
    const head = spelled(text.slice(0, offset), isFirst);
    if (!spelled(text, isFirst).startsWith(head)) {
      throw new RangeError(`Cannot part ${JSON.stringify(text.slice(Math.max(0, offset - 20), offset + 20))} after ${JSON.stringify(text.slice(0, offset).slice(-20))}: ${place} reads it otherwise as a whole`);
    }
    const length = byteLengthOf(head);
    let [ended, begun, position] = [before, before, 0];
    for (const own of tokenLengths(text, isFirst)) {
      if (position < length) begun++;
      position += own;
      if (position <= length) ended++;
    }
    return { ended, begun };
  }
}
