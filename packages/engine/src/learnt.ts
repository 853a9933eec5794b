/** Whether passages were learnt: how likely a model finds them before and after. */

import type { Context } from '@seal/domains';
import type { ScoredText } from '@seal/model';
import { SCORED_TOKENS, type Codec } from '@seal/trainer';

/** Mean losses in nats a token; null where they are not finite or there was no token to score. */
export interface MeanLosses {
  readonly lossBefore: number | null;
  readonly lossAfter: number | null;
}

export interface LearntPassage extends MeanLosses {
  readonly title: string;
}

/** A passage with its text as it is scored; null for one without a token behind another. */
export interface PassageText {
  readonly title: string;
  readonly text: ScoredText | null;
}

/** The plain texts of contexts, without title and end, every token behind those before it; as much of each as is read at once. */
export function passageTexts(contexts: readonly Context[], codec: Pick<Codec, 'answer'>): PassageText[] {
  return contexts.map(({ title, text }) => {
    const scored = codec.answer('', text, SCORED_TOKENS);
    return { title, text: scored.first < scored.tokens.length ? scored : null };
  });
}

/** Losses of every passage from the mean log-probabilities of those that were scored, in their order. */
export function learntOf(passages: readonly PassageText[], before: readonly (number | null)[], after: readonly (number | null)[]): LearntPassage[] {
  let next = 0;
  const loss = (score: number | null | undefined) => (score === null || score === undefined ? null : -score);
  return passages.map(({ title, text }) => {
    if (text === null) return { title, lossBefore: null, lossAfter: null };
    const place = next++;
    return { title, lossBefore: loss(before[place]), lossAfter: loss(after[place]) };
  });
}

/** Losses of all tokens of the passages together. */
export function meanLosses(passages: readonly PassageText[], learnt: readonly LearntPassage[]): MeanLosses {
  const counts = passages.map(({ text }) => (text === null ? 0 : text.tokens.length - text.first));
  const tokens = counts.reduce((sum, count) => sum + count, 0);
  const mean = (of: (passage: LearntPassage) => number | null): number | null => {
    const losses = learnt.map(of);
    if (tokens === 0 || losses.some((loss, i) => loss === null && (counts[i] ?? 0) > 0)) return null;
    return losses.reduce<number>((sum, loss, i) => sum + (loss ?? 0) * (counts[i] ?? 0), 0) / tokens;
  };
  return { lossBefore: mean(({ lossBefore }) => lossBefore), lossAfter: mean(({ lossAfter }) => lossAfter) };
}
