/**
 * From a domain's text to token sequences with loss weights, and back.
 *
 * There are two codecs. `createCodec` is for vocabularies of whole words such as the tiny world's, where the tokens of a
 * prompt and of what follows are those of both apart. `createTextCodec` is for real tokenizers, whose tokens depend on
 * what stands before: a document is tokenised whole, and a completion is what the text of prompt and completion has more
 * than that of the prompt.
 */

import { shorten, wholeSentences, type Prompt, type TrainingSequence } from '@seal/domains';
import type { ModelConfig, ScoredText, TokenSequence } from '@seal/model';
import { beginOf, type ChatMessage, type ChatTemplate, type Tokenizer } from '@seal/tokenizer';

/** What turns text into tokens: begin token first where there is one, end token last. */
export interface Codec {
  /** A prompt to continue. Throws RangeError for a conversation where the model has no form for one. */
  prompt(prompt: Prompt): number[];
  /**
   * A document: the loss is on `text` and the end token, or on all of it. What is longer than `limit` is cut, the end token
   * then missing. Throws RangeError where a prompt leaves no room for any text.
   */
  document(sequence: TrainingSequence, limit?: number): TokenSequence;
  /**
   * A prompt with an answer as it would be written behind it, whose tokens are scored: those of both together that are not
   * the prompt's. What ends a text is not among them, as an answer is right whatever it goes on with. What is longer than
   * `limit` is cut there.
   */
  answer(prompt: Prompt, text: string, limit?: number): ScoredText;
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

/** A vocabulary of whole words has no roles: what is said in a conversation stands in a row. */
function textOf(prompt: Prompt): string {
  return typeof prompt === 'string' ? prompt : prompt.map(({ content }) => content).join(' ');
}

/** A text that goes on where a prompt ends; a token that spans the end of the prompt counts as the text's. */
function behind(prompt: readonly number[], all: readonly number[], limit: number): ScoredText {
  const differs = all.findIndex((token, i) => token !== prompt[i]);
  return { tokens: all.slice(0, limit), first: Math.max(1, differs < 0 ? all.length : differs) };
}

/** The codec of a vocabulary of whole words. Throws RangeError when the model has no end token. */
export function createCodec(tokenizer: Pick<Tokenizer, 'encode' | 'decode'>, config: ModelConfig, maxTokens: number): Codec {
  const end = endToken(config.eosTokenIds);
  const begin = config.bosTokenId === null ? [] : [config.bosTokenId];
  const cut = new Set<string>();
  const plain = (prompt: Prompt) => [...begin, ...tokenizer.encode(textOf(prompt))];
  const whole = ({ prompt, text, lossOn }: TrainingSequence) => {
    const before = plain(prompt);
    return { before: lossOn === 'all' ? begin.length : before.length, tokens: [...before, ...tokenizer.encode(text), end] };
  };
  return {
    prompt: plain,
    document(sequence, limit = maxTokens) {
      const { before, tokens: all } = whole(sequence);
      const tokens = all.slice(0, Math.min(limit, maxTokens));
      if (tokens.length < all.length) cut.add(sequence.text);
      return { tokens, targetWeights: tokens.map((_, i) => (i < before ? 0 : 1)) };
    },
    answer(prompt, text, limit = maxTokens) {
      const before = plain(prompt);
      return behind(before, [...before, ...tokenizer.encode(text)], limit);
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
  /** Renders prompts that are conversations, where the model has one. */
  readonly chat?: ChatTemplate | null;
  /** Whether texts to continue too are what a user says, and what follows is the assistant's turn. */
  readonly asChat?: boolean;
}

/**
 * The codec of a real tokenizer. Texts begin as the tokenizer's own rule says and are cut at the end of a sentence. Throws
 * RangeError when there is no end token.
 */
export function createTextCodec({ tokenizer, stopTokens, chat = null, asChat = false }: TextCodecParts, maxTokens: number): Codec {
  const begin = beginOf(tokenizer);
  const end = endToken(stopTokens);
  const cut = new Set<string>();
  const plain = (text: string) => [...begin, ...tokenizer.encode(text)];
  /** A prompt as a conversation, null where it is a text to continue. */
  const said = (prompt: Prompt): readonly ChatMessage[] | null => {
    if (typeof prompt === 'string') return asChat && prompt !== '' ? [{ role: 'user', content: prompt }] : null;
    if (chat === null) throw new RangeError('Cannot put a conversation to this model: it has no chat template; use an instruct model');
    return prompt;
  };
  const prompt = (asked: Prompt) => {
    const conversation = said(asked);
    return conversation === null || chat === null ? plain(String(asked)) : tokenizer.encode(chat.render(conversation, { addGenerationPrompt: true }));
  };
  /** The tokens of a whole document, its end among them. */
  const whole = ({ prompt: asked, text, lossOn }: TrainingSequence): TokenSequence => {
    const conversation = said(asked);
    if (conversation !== null && chat !== null) {
      const { tokens, targetWeights } = chat.tokenise([...conversation, { role: 'assistant', content: text }]);
      if (lossOn === 'all') return { tokens, targetWeights: tokens.map(() => 1) };
      // Of several turns of the assistant only the last is the text.
      const last = targetWeights.lastIndexOf(1);
      const first = targetWeights.lastIndexOf(0, last) + 1;
      return { tokens, targetWeights: targetWeights.map((weight, i) => (i < first ? 0 : weight)) };
    }
    // A token that spans the end of the prompt counts as text.
    const before = asked === '' || lossOn === 'all' ? begin : plain(String(asked));
    const tokens = [...plain(String(asked) + text), end];
    const differs = tokens.findIndex((token, i) => token !== before[i]);
    return { tokens, targetWeights: tokens.map((_, i) => (i < differs ? 0 : 1)) };
  };
  return {
    prompt,
    document(sequence, limit = maxTokens) {
      const most = Math.min(limit, maxTokens);
      const all = whole(sequence);
      if (all.tokens.length <= most) return all;
      // What closes the text is missing at its end, wherever the loss is.
      const trimmed = (text: string) => {
        const { tokens, targetWeights = [] } = whole({ ...sequence, text, lossOn: 'text' });
        const last = Array.from(targetWeights).lastIndexOf(1);
        const weights = sequence.lossOn === 'all' ? (whole({ ...sequence, text }).targetWeights ?? []) : targetWeights;
        return { tokens: Array.from(tokens).slice(0, last), targetWeights: Array.from(weights).slice(0, last) };
      };
      const text = shorten(sequence.text, (beginning) => trimmed(beginning).tokens.length <= most);
      if (text === null) {
        const { length } = trimmed('').tokens;
        throw new RangeError(`Cannot train on a text behind ${length} tokens: ${most} fit in all; shorten what stands before it`);
      }
      cut.add(JSON.stringify([sequence.prompt, sequence.text]));
      return trimmed(text);
    },
    answer(asked, text, limit = maxTokens) {
      const conversation = said(asked);
      const before = prompt(asked);
      if (conversation !== null && chat !== null) {
        return behind(before, tokenizer.encode(chat.render(conversation, { addGenerationPrompt: true }) + text), limit);
      }
      // Words stand behind a space unless the prompt brings its own.
      return behind(before, plain(`${String(asked)}${/(^|\s)$/.test(String(asked)) ? '' : ' '}${text}`), limit);
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
