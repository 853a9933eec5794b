/**
 * The work of one reward phase, made as a run makes it: contexts of the `dev` people, self-edits that the shipped model
 * samples, groups that share an adapter, and for every group and sample the documents, the replay and the questions.
 */

import type { Context, Domain } from '@seal/domains';
import { hostWeights, type Checkpoint, type Model } from '@seal/model';
import { contextsOf } from '@seal/tiny';
import {
  adaptationOf,
  BASE_POLICY,
  createCodec,
  executorSettings,
  groupContexts,
  lengthsOf,
  LocalExecutor,
  type AdaptWork,
  type Codec,
  type Lengths,
  type Sampled,
  type SealConfig,
} from '@seal/trainer';

/** Longest sequence of a document, as a run cuts it, and most tokens of a question or a passage. */
const MAX_SEQUENCE = 512;
const PROMPT_TOKENS = 256;

/** One adapter to train and to ask. */
export interface RewardJob {
  readonly work: AdaptWork;
  /** Contexts that share the adapter. */
  readonly contexts: readonly Context[];
}

/** How large a reward phase is. */
export interface RewardPhase {
  readonly contexts: number;
  /** Self-edits of every context. */
  readonly edits: number;
  readonly seed: number;
}

/** What a phase is made and done with. */
export interface PhaseParts {
  readonly executor: LocalExecutor;
  readonly codec: Codec;
  readonly lengths: Lengths;
}

/** An executor over the tiny model; whoever opens it closes it. */
export function openPhase(model: Model, stored: Checkpoint, config: SealConfig): PhaseParts {
  const { tokenizer, config: modelConfig } = stored;
  const codec = createCodec(tokenizer, modelConfig, Math.min(MAX_SEQUENCE, modelConfig.maxPositionEmbeddings));
  const lengths = lengthsOf(config, modelConfig.maxPositionEmbeddings, PROMPT_TOKENS);
  const executor = new LocalExecutor({
    model,
    baseWeights: () => hostWeights(stored),
    settings: executorSettings(config, lengths, codec, 'tiny'),
    // The phase is one of the weights as they were loaded.
    readAdapter: (sha) => Promise.reject(new RangeError(`Cannot find adapter ${sha}`)),
  });
  return { executor, codec, lengths };
}

/** Jobs of a whole reward phase, sample by sample as a run orders them. Throws RangeError where there are not so many people. */
export async function rewardJobs(
  { executor, codec, lengths }: PhaseParts,
  domain: Domain,
  { inner, outer, keepAdapters }: SealConfig,
  { contexts: count, edits: samples, seed }: RewardPhase,
): Promise<RewardJob[]> {
  const contexts = contextsOf('dev', count, seed);
  const prompts = contexts.map((context) => ({
    policy: BASE_POLICY,
    prompt: codec.prompt(domain.prompt(context)),
    streams: Array.from({ length: samples }, (_, sample) => [seed, 'self-edit', context.id, sample] as const),
    temperature: outer.temperature,
  }));
  const written: (readonly Sampled[])[] = [];
  for await (const some of executor.write(prompts)) written.push(...some);
  const edits = new Map(
    contexts.map(({ id }, i) => [id, (written[i] ?? []).map(({ tokens, broken }) => codec.decode(tokens, prompts[i]?.prompt, broken))]),
  );
  const groups = groupContexts(domain, contexts, inner.contextsPerAdapter);
  return Array.from({ length: samples }, (_, sample) =>
    groups.map((group): RewardJob => {
      const ids = group.map(({ id }) => id).join(' ');
      const edited = group.map((context) => ({
        context,
        edits: [domain.parse(context, edits.get(context.id)?.[sample] ?? '')],
        beside: 'always' as const,
      }));
      const adaptation = adaptationOf(domain, codec, edited, { inner, steps: inner.steps, longest: lengths.document, replay: [seed, 'replay', ids] });
      if (!adaptation) throw new RangeError(`Cannot adapt to ${ids}: there is nothing to train on`);
      const ask = group.flatMap((context) => domain.tasks(context).map(({ prompt }) => codec.prompt(prompt)));
      return { work: { ...adaptation, policy: BASE_POLICY, stream: [seed, 'adapt', ids], ask, keep: keepAdapters }, contexts: group };
    }),
  ).flat();
}
