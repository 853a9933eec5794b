/**
 * From a domain's text to token sequences with loss weights, and back.
 *
 * There are two codecs. `createCodec` is for vocabularies of whole words such as the tiny world's, where the tokens of a
 * prompt and of what follows are those of both apart. `createTextCodec` is for real tokenizers, whose tokens depend on
 * what stands before: a document is tokenised whole, and a completion is what the text of prompt and completion has more
 * than that of the prompt.
 */

import { shorten, wholeSentences, type TrainingSequence } from '@seal/domains';
import type { ModelConfig, TokenSequence } from '@seal/model';
import { beginOf, type ChatMessage, type ChatTemplate, type Tokenizer } from '@seal/tokenizer';

/** What turns text into tokens: begin token first where there is one, end token last. */
export interface Codec {
  /** A prompt to continue. */
  prompt(text: string): number[];
  /**
   * A document: the loss is on `text` and the end token. What is longer than `limit` is cut, the end token then missing.
   * Throws RangeError where a prompt leaves no room for any text.
   */
  document(sequence: TrainingSequence, limit?: number): TokenSequence;
  /** Tokens of a document, however long. */
  length(sequence: TrainingSequence): number;
  /** The text of tokens that continue the prompt `after`; where they were broken off, up to the last whole sentence. */
  decode(tokens: readonly number[], after?: readonly number[], broken?: boolean): string;
  readonly stopTokens: readonly number[];
  /** Different documents that were cut so far. */
  readonly cutDocuments: number;
}

function endToken([end]: readonly number[]): number {
  if (end === undefined) throw new RangeError('Cannot train this model: its configuration names no eos_token_id, and without one no text ends');
  return end;
}

/** The codec of a vocabulary of whole words. Throws RangeError when the model has no end token. */
export function createCodec(tokenizer: Pick<Tokenizer, 'encode' | 'decode'>, config: ModelConfig, maxTokens: number): Codec {
  const end = endToken(config.eosTokenIds);
  const begin = config.bosTokenId === null ? [] : [config.bosTokenId];
  const cut = new Set<string>();
  const whole = ({ prompt, text }: TrainingSequence) => {
    const before = [...begin, ...tokenizer.encode(prompt)];
    return { before: before.length, tokens: [...before, ...tokenizer.encode(text), end] };
  };
  return {
    prompt: (text) => [...begin, ...tokenizer.encode(text)],
    document(sequence, limit = maxTokens) {
      const { before, tokens: all } = whole(sequence);
      const tokens = all.slice(0, Math.min(limit, maxTokens));
      if (tokens.length < all.length) cut.add(sequence.text);
      return { tokens, targetWeights: tokens.map((_, i) => (i < before ? 0 : 1)) };
    },
    length: (sequence) => whole(sequence).tokens.length,
    decode: (tokens) => tokenizer.decode(tokens),
    stopTokens: config.eosTokenIds,
    get cutDocuments() {
      return cut.size;
    },
  };
}

/** What the codec of a real tokenizer is made of. */
export interface TextCodecParts {
  readonly tokenizer: Pick<Tokenizer, 'encode' | 'encodeWithSpecials' | 'decode'>;
  /** Tokens that end a completion; documents end with the first. */
  readonly stopTokens: readonly number[];
  /** Where there is one, prompts are what a user says and what follows is the assistant's turn. */
  readonly chat?: ChatTemplate | null;
}

/**
 * The codec of a real tokenizer. Texts begin as the tokenizer's own rule says and are cut at the end of a sentence. Throws
 * RangeError when there is no end token.
 */
export function createTextCodec({ tokenizer, stopTokens, chat = null }: TextCodecParts, maxTokens: number): Codec {
  const begin = beginOf(tokenizer);
  const end = endToken(stopTokens);
  const cut = new Set<string>();
  const plain = (text: string) => [...begin, ...tokenizer.encode(text)];
  const said = (content: string): ChatMessage => ({ role: 'user', content });
  const prompt = (text: string) =>
    chat === null ? plain(text) : tokenizer.encode(chat.render([said(text)], { addGenerationPrompt: true }));
  /** The tokens of a whole document, its end among them. */
  const whole = ({ prompt: asked, text }: TrainingSequence): TokenSequence => {
    if (chat !== null && asked !== '') return chat.tokenise([said(asked), { role: 'assistant', content: text }]);
    // A token that spans the end of the prompt counts as text.
    const before = asked === '' ? begin : plain(asked);
    const tokens = [...plain(asked + text), end];
    const differs = tokens.findIndex((token, i) => token !== before[i]);
    return { tokens, targetWeights: tokens.map((_, i) => (i < differs ? 0 : 1)) };
  };
  return {
    prompt,
    document(sequence, limit = maxTokens) {
      const most = Math.min(limit, maxTokens);
      const all = whole(sequence);
      if (all.tokens.length <= most) return all;
      // Only what the loss is on may be missing at the end: the tokens that close the text.
      const trimmed = (text: string) => {
        const { tokens, targetWeights = [] } = whole({ ...sequence, text });
        const last = Array.from(targetWeights).lastIndexOf(1);
        return { tokens: Array.from(tokens).slice(0, last), targetWeights: Array.from(targetWeights).slice(0, last) };
      };
      const text = shorten(sequence.text, (beginning) => trimmed(beginning).tokens.length <= most);
      if (text === null) {
        const { length } = trimmed('').tokens;
        throw new RangeError(`Cannot train on a text behind ${length} tokens: ${most} fit in all; shorten what stands before it`);
      }
      cut.add(sequence.prompt + sequence.text);
      return trimmed(text);
    },
    length: (sequence) => whole(sequence).tokens.length,
    decode(tokens, after = [], broken = false) {
      const told = tokenizer.decode(after);
      const all = tokenizer.decode([...after, ...tokens]);
      const text = all.startsWith(told) ? all.slice(told.length) : tokenizer.decode(tokens);
      // A code point that lacks its last bytes is no text yet.
      return broken ? wholeSentences(text.replace(/\ufffd+$/, '')) : text;
    },
    stopTokens,
    get cutDocuments() {
      return cut.size;
    },
  };
}

/** Pads every document with end tokens up to the longest and puts the loss on them, as the reference does. */
export function padWithEnd(documents: readonly TokenSequence[], end: number): TokenSequence[] {
  const longest = Math.max(0, ...documents.map(({ tokens }) => tokens.length));
  return documents.map(({ tokens, targetWeights }) => {
    const missing = longest - tokens.length;
    const weights = targetWeights ? Array.from(targetWeights) : Array.from(tokens, () => 1);
    return {
      tokens: [...Array.from(tokens), ...Array.from({ length: missing }, () => end)],
      targetWeights: [...weights, ...Array.from({ length: missing }, () => 1)],
    };
  });
}
