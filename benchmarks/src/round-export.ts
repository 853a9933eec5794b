/** The jobs of a reward phase as files that another implementation can run: same values, tokens, order and constants. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { streamOf } from '@seal/files';
import { DEFAULT_OPTIMISER, initialAdapter, type AdapterValues, type LoraConfig, type LoraLayout, type Segment } from '@seal/model';
import { planSteps, type Codec, type SealConfig } from '@seal/trainer';
import type { RewardJob } from './round-jobs.ts';

/** Where an adapter starts and what each of its steps trains on. */
export interface AdapterPlan {
  readonly initial: AdapterValues;
  readonly steps: readonly Segment[];
  readonly learningRate: number;
}

/**
 * What the inner loop will draw for a job: the initial adapter first, then the documents of every step. Throws RangeError for
 * a learning rate that is not the same in every step.
 */
export function planOf({ work }: RewardJob, layout: LoraLayout, { lora, documentsPerStep, replayPerStep }: SealConfig['inner']): AdapterPlan {
  const random = streamOf(work.stream);
  const initial = initialAdapter(layout, lora.rank, () => random.next());
  const steps = planSteps(work, { documentsPerStep, replayPerStep }, random);
  const { learningRate, schedule, warmUpSteps } = work.rate;
  if (schedule !== 'constant' || warmUpSteps > 0 || steps.some(({ chosenRate }) => chosenRate !== null)) {
    throw new RangeError('Cannot plan an adapter whose learning rate changes: peers train at one rate');
  }
  return { initial, steps: steps.map(({ segment }) => segment), learningRate };
}

export interface ExportInput {
  readonly checkpoint: string;
  readonly lora: LoraConfig;
  readonly layout: LoraLayout;
  readonly inner: SealConfig['inner'];
  readonly codec: Codec;
  readonly jobs: readonly RewardJob[];
  readonly plans: readonly AdapterPlan[];
  /** Threads that the other implementation may use. */
  readonly threads: number;
}

/** Writes `jobs.json` and `initial.f32` (adapters, stride) into `folder`. Throws RangeError for unequal learning rates. */
export function exportJobs(folder: string, input: ExportInput): void {
  const { checkpoint, lora, layout, inner, codec, jobs, plans, threads } = input;
  const [learningRate, ...others] = new Set(plans.map((plan) => plan.learningRate));
  if (learningRate === undefined || others.length > 0) {
    throw new RangeError(`Cannot export ${plans.length} adapters with ${others.length + 1} learning rates: there must be one`);
  }
  const document = {
    checkpoint,
    lora,
    ...layout,
    optimiser: DEFAULT_OPTIMISER,
    learningRate,
    maxNewTokens: inner.maxAnswerTokens,
    stopTokens: codec.stopTokens,
    threads,
    adapters: jobs.map(({ work }, i) => ({
      steps: plans[i]?.steps.map((documents) =>
        documents.map(({ tokens, targetWeights }) => ({
          tokens: Array.from(tokens),
          weights: Array.from(targetWeights ?? tokens, (weight) => (targetWeights ? weight : 1)),
        })),
      ),
      prompts: work.ask,
    })),
  };
  const initial = new Float32Array(plans.length * layout.stride);
  plans.forEach((plan, i) => initial.set(plan.initial, i * layout.stride));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'jobs.json'), JSON.stringify(document));
  writeFileSync(join(folder, 'initial.f32'), initial);
}
