/** How long texts may be, by the model's positions and the configuration's steps, and contexts that keep to it. */

import { type Context, type Domain } from '@seal/domains';
import type { SealConfig } from './config.ts';
import type { Codec } from './sequences.ts';

/** A text of fewer says nothing: it begins, and it ends. */
const LEAST_TOKENS = 8;

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
 * questions and contexts have at most `most` tokens.
 * Throws RangeError where so many documents or examples share a step that none of them has any text.
 */
export function lengthsOf({ inner, outer }: SealConfig, positions: number, most: number): Lengths {
  const answering = Math.min(most, positions);
  const document = Math.min(positions, Math.floor(inner.tokensPerStep / (inner.documentsPerStep + inner.replayPerStep)));
  const example = Math.min(positions, Math.floor(outer.sft.tokensPerStep / outer.sft.batchSize));
  if (document < LEAST_TOKENS) {
    const { tokensPerStep, documentsPerStep, replayPerStep } = inner;
    throw new RangeError(
      `Cannot train on documents of ${document} tokens: inner.tokensPerStep ${tokensPerStep} holds inner.documentsPerStep ${documentsPerStep} ` +
        `and inner.replayPerStep ${replayPerStep} of them; raise the first or lower the others`,
    );
  }
  if (example < LEAST_TOKENS) {
    const { tokensPerStep, batchSize } = outer.sft;
    throw new RangeError(`Cannot train on examples of ${example} tokens: outer.sft.tokensPerStep ${tokensPerStep} holds outer.sft.batchSize ${batchSize} of them; raise the first or lower the second`);
  }
  return {
    prompt: Math.min(most, Math.max(positions - outer.maxSelfEditTokens, positions >> 1)),
    writing: Math.min(most + outer.maxSelfEditTokens, positions),
    question: answering - Math.min(inner.maxAnswerTokens, answering >> 1),
    answering,
    document,
    example,
  };
}

/** Says of a context whether it can be asked for a self-edit and trained on. */
export function fitsWithin(domain: Domain, codec: Codec, lengths: Lengths): (context: Context) => boolean {
  return (context) =>
    codec.prompt(domain.prompt(context)).length <= lengths.prompt &&
    [...domain.always(context), ...domain.control(context)].every((sequence) => codec.length(sequence) <= lengths.document);
}

/** Contexts that fit, and what that cost. */
export interface Fitted {
  readonly contexts: readonly Context[];
  /** Contexts that were shortened, and the tokens that asking for their self-edits took before and takes now. */
  readonly shortened: { readonly contexts: number; readonly tokensBefore: number; readonly tokensAfter: number };
  /** Contexts that the domain leaves out where they do not fit. */
  readonly leftOut: number;
}

/**
 * Contexts as the domain makes them fit: until each can be asked for a self-edit and trained on. What does not fit whatever
 * is done, or asks a question that does not, is left out where the domain says so; else RangeError is thrown, in which
 * `place` names where the contexts come from and `items` the place of each there.
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
  const fits = fitsWithin(domain, codec, lengths);
  const isLeftOut = domain.tooLong === 'left out';
  let [count, tokensBefore, tokensAfter, leftOut] = [0, 0, 0, 0];
  const fitted = contexts.flatMap((context, i) => {
    const item = items[i];
    const long = domain.tasks(context).findIndex(({ prompt }) => codec.prompt(prompt).length > lengths.question);
    const short = long >= 0 ? null : fits(context) ? context : (domain.fit?.(context, fits) ?? null);
    if (short === null && isLeftOut) {
      leftOut += 1;
      return [];
    }
    if (long >= 0) {
      const { length } = codec.prompt(domain.tasks(context)[long]?.prompt ?? '');
      throw new RangeError(
        `Cannot ask ${place}: item ${item}, questions[${long}]: it is ${length} tokens long, at most ${lengths.question} fit; shorten it`,
      );
    }
    if (short === null) {
      const most = Math.min(lengths.prompt, lengths.document);
      throw new RangeError(`Cannot learn item ${item} of ${place}: nothing of it fits into ${most} tokens beside its title; shorten that`);
    }
    if (short !== context) {
      count += 1;
      tokensBefore += asking(context);
      tokensAfter += asking(short);
    }
    return [short];
  });
  return { contexts: fitted, shortened: { contexts: count, tokensBefore, tokensAfter }, leftOut };
}
