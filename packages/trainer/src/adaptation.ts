/**
 * From contexts and self-edits to what an adapter is trained on: the one place where self-edits become documents.
 *
 * What a self-edit chose of its training holds for its own documents, and for those that are always trained with it where
 * it is the only one of its context. So it is obeyed however many contexts share the adapter: a document is walked over as
 * often as was chosen for it, and a step runs at the mean of what its documents chose.
 */

import { messageOf, stream, type StreamName } from '@seal/files';
import type { Context, Domain, ParsedSelfEdit, SelfEditSettings, TrainingSequence } from '@seal/domains';
import type { TokenSequence } from '@seal/model';
import type { SealConfig } from './config.ts';
import { padWithEnd, type Codec } from './sequences.ts';
import type { Rate, WorkDocument } from './work.ts';

/** What an adaptation trains on, and how; the rest of its work is who asks what. */
export interface AdaptationOf {
  readonly documents: readonly WorkDocument[];
  readonly replay: readonly TokenSequence[];
  readonly steps: number;
  readonly rate: Rate;
}

/** A context with what was written about it. */
export interface EditedContext {
  readonly context: Context;
  readonly edits: readonly ParsedSelfEdit[];
  /** What is trained beside the edits: what the domain always trains, or its control. */
  readonly beside: 'always' | 'control';
}

/** How an adaptation is made. */
export interface AdaptationOptions {
  readonly inner: Pick<SealConfig['inner'], 'learningRate' | 'schedule' | 'warmUpSteps' | 'documentsPerStep' | 'trainOnPadding'>;
  /** Where self-edits choose no number of epochs. */
  readonly steps: number;
  /** Most tokens of a document. */
  readonly longest: number;
  readonly replay: StreamName;
}

/** The schedule of the configuration. */
export function rateOf({ learningRate, schedule = 'constant', warmUpSteps = 0 }: AdaptationOptions['inner']): Rate {
  return { learningRate, schedule, warmUpSteps };
}

/**
 * The adaptation of a group of contexts that share an adapter, or null where there is nothing to train on. Throws RangeError
 * for a prompt that leaves no room for its text, and for settings that no domain may let through.
 */
export function adaptationOf(domain: Domain, codec: Codec, group: readonly EditedContext[], options: AdaptationOptions): AdaptationOf | null {
  const { inner, longest } = options;
  const document = (sequence: TrainingSequence) => codec.document(sequence, longest);
  const padded = (documents: TokenSequence[]) => {
    const [end] = codec.stopTokens;
    return inner.trainOnPadding && end !== undefined ? padWithEnd(documents, end) : documents;
  };
  const chosen = group.flatMap(({ context, edits, beside }) => {
    const own = edits.length === 1 ? edits[0]?.settings : undefined;
    return [
      ...domain[beside](context).map((sequence) => ({ sequence, settings: own })),
      ...edits.flatMap(({ sequences, settings }) => sequences.map((sequence) => ({ sequence, settings }))),
    ];
  });
  if (chosen.length === 0) return null;
  const settings = chosen.map((one) => checked(one.settings ?? {}));
  // Where any document has a number of its own, the others have that of the configuration: else they would go along.
  const usual = Math.max(1, Math.round((options.steps * inner.documentsPerStep) / chosen.length));
  const others = settings.some(({ epochs }) => epochs !== undefined) ? { epochs: usual } : {};
  const documents = padded(chosen.map(({ sequence }) => document(sequence))).map((sequence, i): WorkDocument => ({ ...sequence, ...others, ...settings[i] }));
  const contexts = group.map(({ context }) => context);
  const [seed, ...names] = options.replay;
  const replay = domain.replay?.(contexts, stream(seed, ...names)) ?? [];
  return { documents, replay: padded(replay.map(document)), steps: stepsOf(documents, options), rate: rateOf(inner) };
}

/** Steps in which every document is walked over as often as was chosen for it. */
function stepsOf(documents: readonly WorkDocument[], { steps, inner: { documentsPerStep } }: AdaptationOptions): number {
  if (documents.every(({ epochs }) => epochs === undefined)) return steps;
  return Math.ceil(documents.reduce((sum, { epochs = 0 }) => sum + epochs, 0) / documentsPerStep);
}

/**
 * Reads self-edits of a domain: what it parsed, less the sequences whose prompt leaves no room for any text. What a model
 * wrote can be too long in places nobody thought of; that makes a self-edit invalid, never an error.
 */
export function selfEditReader(domain: Domain, codec: Codec, longest: number): (context: Context, text: string) => ParsedSelfEdit {
  const refusal = (sequence: TrainingSequence): string | null => {
    try {
      const { tokens, targetWeights } = codec.document(sequence, longest);
      // The first token is behind nothing, whatever its weight.
      const learnt = Array.from(tokens, (_, i) => i > 0 && (targetWeights?.[i] ?? 1) > 0);
      return learnt.includes(true) ? null : `${tokens.length} tokens without any text`;
    } catch (error) {
      if (error instanceof RangeError) return messageOf(error);
      throw error;
    }
  };
  return (context, text) => {
    const parsed = domain.parse(context, text);
    const judged = parsed.sequences.map((sequence) => ({ sequence, reason: refusal(sequence) }));
    const reasons = judged.flatMap(({ reason }) => reason ?? []);
    if (reasons.length === 0) return parsed;
    const refused = [...new Set(reasons)].map((reason) => ({ reason, count: reasons.filter((one) => one === reason).length }));
    return { ...parsed, sequences: judged.flatMap((one) => (one.reason === null ? [one.sequence] : [])), rejected: [...parsed.rejected, ...refused] };
  };
}

/** A domain bounds what its self-edits choose; what cannot be a rate or a count at all is a fault of the domain. */
function checked({ learningRate, epochs }: SelfEditSettings): Pick<SelfEditSettings, 'learningRate' | 'epochs'> {
  if (learningRate !== undefined && !(learningRate >= 0 && learningRate <= 1)) {
    throw new RangeError(`A domain let a self-edit choose the learning rate ${learningRate}: it must be from 0 to 1`);
  }
  if (epochs !== undefined && !(Number.isInteger(epochs) && epochs >= 0 && epochs <= 10_000)) {
    throw new RangeError(`A domain let a self-edit choose ${epochs} epochs: they must be a whole number from 0 to 10000`);
  }
  return { ...(learningRate !== undefined && { learningRate }), ...(epochs !== undefined && { epochs }) };
}

/** Tokens that an adaptation will train on, but for how its last walk is cut. */
export function expectedTokens({ documents, replay, steps }: AdaptationOf, { documentsPerStep, replayPerStep }: { readonly documentsPerStep: number; readonly replayPerStep: number }): number {
  const mean = (all: readonly TokenSequence[]) => (all.length === 0 ? 0 : all.reduce((sum, { tokens }) => sum + tokens.length, 0) / all.length);
  return steps * (documentsPerStep * mean(documents) + (replay.length > 0 ? replayPerStep * mean(replay) : 0));
}
