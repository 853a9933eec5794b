/** From a domain's text to token sequences with loss weights. */

import type { TrainingSequence } from '@seal/domains';
import type { ModelConfig, Tokenizer, TokenSequence } from '@seal/model';

/** What turns text into tokens: begin token first where the model has one, end token last. */
export interface Codec {
  /** A prompt to continue. */
  prompt(text: string): number[];
  /** A document: the loss is on `text` and the end token. Cut at `maxTokens`, the end token then missing. */
  document(sequence: TrainingSequence): TokenSequence;
  decode(tokens: readonly number[]): string;
  readonly stopTokens: readonly number[];
}

/** Throws RangeError when the model has no end token. */
export function createCodec(tokenizer: Pick<Tokenizer, 'encode' | 'decode'>, config: ModelConfig, maxTokens: number): Codec {
  const [end] = config.eosTokenIds;
  if (end === undefined) throw new RangeError('Cannot train this model: its config.json names no eos_token_id');
  const begin = config.bosTokenId === null ? [] : [config.bosTokenId];
  return {
    prompt: (text) => [...begin, ...tokenizer.encode(text)],
    document({ prompt, text }) {
      const before = [...begin, ...tokenizer.encode(prompt)];
      const tokens = [...before, ...tokenizer.encode(text), end].slice(0, maxTokens);
      return { tokens, targetWeights: tokens.map((_, i) => (i < before.length ? 0 : 1)) };
    },
    decode: (tokens) => tokenizer.decode(tokens),
    stopTokens: config.eosTokenIds,
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
