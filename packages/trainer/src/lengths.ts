/** How long texts may be, by the model's positions and the configuration's steps, and contexts that keep to it. */

import { shorten, type Context, type Domain } from '@seal/domains';
import type { SealConfig } from './config.ts';
import { promptTokens } from './presets.ts';
import type { Codec } from './sequences.ts';

/** Most tokens of every kind of text. */
export interface Lengths {
  /** What asks for a self-edit, the passage in it. */
  readonly prompt: number;
  /** The same with the self-edit: what the caches of writing hold. */
  readonly writing: number;
  /** What asks for an answer. */
  readonly question: number;
  /** The same with the answer: what the caches of answering hold. */
  readonly answering: number;
  /** A document that an adapter is trained on: as many as a step takes fit into it. */
  readonly document: number;
  /** A kept self-edit behind its prompt, which the policy is trained on: a whole batch fits into a step. */
  readonly example: number;
}

/**
 * The lengths for a model of so many positions. A self-edit has at least half of them, or the tokens that it may have;
 * questions and passages have at most `most` tokens.
 */
export function lengthsOf({ inner, outer }: SealConfig, positions: number, most: number = promptTokens.tiny): Lengths {
  const answering = Math.min(most, positions);
  return {
    prompt: Math.min(most, Math.max(positions - outer.maxSelfEditTokens, positions >> 1)),
    writing: Math.min(most + outer.maxSelfEditTokens, positions),
    question: answering - Math.min(inner.maxAnswerTokens, answering >> 1),
    answering,
    document: Math.min(positions, Math.floor(inner.tokensPerStep / (inner.documentsPerStep + inner.replayPerStep))),
    example: Math.min(positions, Math.floor(outer.sft.tokensPerStep / outer.sft.batchSize)),
  };
}

/** Contexts whose texts fit, and what that cost. */
export interface Fitted {
  readonly contexts: readonly Context[];
  /** Contexts that were shortened, and the tokens that asking for their self-edits took before and takes now. */
  readonly shortened: { readonly contexts: number; readonly tokensBefore: number; readonly tokensAfter: number };
}

/**
 * Contexts with the text of each shortened, at the end of a sentence where there is one, until it can be asked for a
 * self-edit and trained on. Throws RangeError for a question that does not fit and for a context of which nothing does;
 * `place` names where they come from and `items` the place of each there.
 */
export function fitContexts(
  contexts: readonly Context[],
  domain: Domain,
  codec: Codec,
  lengths: Lengths,
  place: string,
  items: readonly number[] = [...contexts.keys()],
): Fitted {
  const asking = (context: Context) => codec.prompt(domain.prompt(context)).length;
  const fits = (context: Context) =>
    asking(context) <= lengths.prompt &&
    domain.baseline(context).every((sequence) => codec.length(sequence) <= lengths.document);
  let [count, tokensBefore, tokensAfter] = [0, 0, 0];
  const fitted = contexts.map((context, i) => {
    const item = items[i];
    domain.tasks(context).forEach(({ prompt }, number) => {
      const { length } = codec.prompt(prompt);
      if (length <= lengths.question) return;
      throw new RangeError(
        `Cannot ask ${place}: item ${item}, questions[${number}]: it is ${length} tokens long, at most ${lengths.question} fit; shorten it`,
      );
    });
    if (fits(context)) return context;
    const text = shorten(context.text, (beginning) => fits({ ...context, text: beginning }));
    if (text === null) {
      const most = Math.min(lengths.prompt, lengths.document);
      throw new RangeError(`Cannot learn item ${item} of ${place}: nothing of it fits into ${most} tokens beside its title; shorten that`);
    }
    const short = { ...context, text };
    count += 1;
    tokensBefore += asking(context);
    tokensAfter += asking(short);
    return short;
  });
  return { contexts: fitted, shortened: { contexts: count, tokensBefore, tokensAfter } };
}
