/**
 * The work of one reward phase, made as a run makes it: contexts of the `dev` people, self-edits that the shipped model
 * samples, groups that share an adapter, and for every group and sample the documents, the replay and the questions.
 */

import { stream } from '@seal/files';
import { type Context, type Domain, type Task, type TrainingSequence } from '@seal/domains';
import type { TokenSequence } from '@seal/model';
import { contextsOf } from '@seal/tiny';
import { groupWithoutConflicts, type Adaptation, type SealConfig, type Workbench } from '@seal/trainer';

/** One adapter to train and to ask. */
export interface RewardJob {
  /** The adaptation from its beginning: every call has a random stream of its own in the same state. */
  readonly adaptation: () => Adaptation;
  readonly tasks: readonly Task[];
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

/**
 * Jobs of a whole reward phase, sample by sample as a run orders them. The policy's weights must be in use. Throws
 * RangeError where there are not so many people.
 */
export async function rewardJobs(
  bench: Workbench,
  domain: Domain,
  { inner, outer }: SealConfig,
  { contexts: count, edits: samples, seed }: RewardPhase,
): Promise<RewardJob[]> {
  const contexts = contextsOf('dev', count, seed);
  const prompts = contexts.map((context) => ({
    prompt: domain.prompt(context),
    draws: Array.from({ length: samples }, (_, sample) => {
      const random = stream(seed, 'self-edit', context.id, sample);
      return () => random.next();
    }),
  }));
  const written = await bench.write(prompts, outer.temperature);
  const edits = new Map(contexts.map(({ id }, i) => [id, written[i]?.map(({ text }) => text) ?? []]));
  const groups = groupWithoutConflicts(contexts, inner.contextsPerAdapter, (a, b) => domain.conflicts?.(a, b) ?? false);
  return Array.from({ length: samples }, (_, sample) =>
    groups.map((group): RewardJob => {
      const ids = group.map(({ id }) => id).join(' ');
      const documents = group.flatMap((context) => [
        ...domain.baseline(context),
        ...domain.parse(context, edits.get(context.id)?.[sample] ?? '').sequences,
      ]);
      const replay = domain.replay?.(group, stream(seed, 'replay', ids)) ?? [];
      const toTokens = (sequences: readonly TrainingSequence[]): TokenSequence[] => sequences.map((one) => bench.codec.document(one));
      const made = {
        documents: toTokens(documents),
        replay: toTokens(replay),
        steps: inner.steps,
        learningRate: inner.learningRate,
      };
      return {
        adaptation: () => ({ ...made, random: stream(seed, 'adapt', ids) }),
        tasks: group.flatMap((context) => domain.tasks(context)),
        contexts: group,
      };
    }),
  ).flat();
}
