/**
 * What ends a text: the one rule for what training appends, what generation stops at, and what a chat template closes a turn
 * with. What a model was taught to end with ends its answers.
 */

import type { ChatTemplate } from './chat.ts';

/** What is known of a model's ends. */
export interface EndSources {
  /** The `eos_token` of the tokenizer's configuration. */
  readonly eosTokenId: number | null;
  readonly chat: Pick<ChatTemplate, 'endOfTurn'> | null;
}

/**
 * All tokens that end a text, none twice: the tokenizer's own end, those that the model's files name (`configured`), and what
 * the template ends a turn with. The first is what training appends. Empty where nothing names one.
 */
export function endsOf({ eosTokenId, chat }: EndSources, configured: readonly number[]): number[] {
  const turn = chat?.endOfTurn ?? null;
  return [...new Set([...(eosTokenId === null ? [] : [eosTokenId]), ...configured, ...(turn === null ? [] : [turn])])];
}

/** A text's tokens with the first of its ends behind them, unless they end in one already. */
export function endedWith(tokens: readonly number[], ends: readonly number[]): number[] {
  const [end] = ends;
  const last = tokens.at(-1);
  return end === undefined || (last !== undefined && ends.includes(last)) ? [...tokens] : [...tokens, end];
}
