/** Training adapters and examining them: jobs in, rewards in the ledger. */

import { stream } from '@seal/files';
import { digest } from '@seal/files/node';
import { type Context, type Domain, type SelfEditSettings, type TrainingSequence } from '@seal/domains';
import { adapterFiles, loraLayout, type TokenSequence } from '@seal/model';
import { type Phase, type RewardRecord, type RunDirectory, type SelfEditRecord } from '@seal/runs';
import type { SealConfig } from './config.ts';
import type { Adaptation, Adapted } from './inner-loop.ts';
import type { Ledger } from './ledger.ts';
import type { ProgressMeter } from './progress.ts';
import { padWithEnd } from './sequences.ts';
import { mean } from './statistics.ts';
import { loraConfig, type Policy, type Workbench } from './workbench.ts';

/** Part of every reward's key: a change that changes rewards must change it. */
export const ENGINE_VERSION = '1';

/** Time spent, in seconds. */
export type Timings = Record<'sampling' | 'adapting' | 'answering' | 'fineTuning', number>;

/** One adapter to train and measure for all contexts of its group. */
export interface Job {
  readonly phase: Phase;
  readonly round: number;
  readonly condition: string | null;
  readonly repeat: number;
  readonly sample: number;
  readonly group: readonly Context[];
  /** Per context of the group; null trains on the passage alone. */
  readonly edits: readonly (SelfEditRecord | null)[];
  /** 0 asks the weights as they are. */
  readonly steps: number;
}

/** What an examiner works with for a whole run. */
export interface ExaminerInput {
  readonly config: SealConfig;
  readonly seed: number;
  readonly domain: Domain;
  readonly baseModel: string;
}

/** Measures jobs that have no rewards yet; each comes out as it would alone, whatever shares its pack. */
export class Examiner {
  readonly #input: ExaminerInput;
  readonly #bench: Workbench;
  readonly #store: RunDirectory;
  readonly #ledger: Ledger;
  readonly #meter: ProgressMeter;
  readonly #timings: Timings;
  readonly #signal: AbortSignal | undefined;

  constructor(
    input: ExaminerInput,
    bench: Workbench,
    store: RunDirectory,
    ledger: Ledger,
    meter: ProgressMeter,
    timings: Timings,
    signal: AbortSignal | undefined,
  ) {
    this.#input = input;
    this.#bench = bench;
    this.#store = store;
    this.#ledger = ledger;
    this.#meter = meter;
    this.#timings = timings;
    this.#signal = signal;
  }

  /** Trains and examines, with the policy's weights under the adapters. */
  async measure(policy: Policy, jobs: readonly Job[]): Promise<void> {
    const { domain } = this.#input;
    const missing = this.#missing(policy, jobs);
    this.#meter.add({ adaptations: jobs.length - missing.length, recalled: true });
    if (missing.length === 0) return;
    this.#bench.use(policy);
    const work = missing.map(({ job }) => ({
      adaptation: this.#adaptation(job),
      tasks: job.group.flatMap((context) => domain.tasks(context)),
    }));
    const clock = {
      adapt: (ms: number) => (this.#timings.adapting += ms / 1_000),
      answer: (ms: number) => (this.#timings.answering += ms / 1_000),
    };
    let added = 0;
    const onProgress = (adapters: number) => this.#meter.running(adapters - added);
    for await (const group of this.#bench.adaptAndAnswer(work, onProgress, clock, this.#signal)) {
      for (const { index, adapted, answers } of group) {
        const item = missing[index];
        if (item) this.#record(item.job, item.keys, answers, adapted, this.#keepAdapter(adapted));
      }
      this.#store.checkpoint();
      added += group.length;
      this.#meter.add({ adaptations: group.length });
    }
  }

  /**
   * Asks the policy's weights as they are; jobs of 0 steps with one context each. What the same weights were asked about a
   * context in another round or condition, or before a stop, is not asked again.
   */
  async measureUnadapted(policy: Policy, jobs: readonly Job[]): Promise<void> {
    const { domain } = this.#input;
    const missing = this.#missing(policy, jobs);
    const answered = new Map<Context, readonly string[]>();
    for (const { job } of missing) {
      for (const context of job.group) {
        const known = this.#recall(policy, job, context);
        if (known) answered.set(context, known);
      }
    }
    const asked = new Set(missing.flatMap(({ job }) => job.group));
    const open = [...asked].filter((context) => !answered.has(context));
    if (open.length > 0) {
      this.#bench.use(policy);
      const begun = performance.now();
      const answers = await this.#bench.answer(open.map((context) => domain.tasks(context)), this.#signal);
      this.#timings.answering += (performance.now() - begun) / 1_000;
      open.forEach((context, i) => answered.set(context, answers[i] ?? []));
    }
    for (const { job, keys } of missing) {
      this.#record(job, keys, job.group.flatMap((context) => answered.get(context) ?? []), null, null);
    }
  }

  /** Recorded answers of the same weights to the same tasks: those whose reward's key this policy and context make. */
  #recall(policy: Policy, job: Job, context: Context): readonly string[] | null {
    for (const { key, phase, round, condition, repeat } of this.#ledger.rewards({ contextId: context.id, steps: 0 })) {
      const asked = { ...job, phase, round, condition, repeat, sample: 0 };
      if (this.#key(policy, asked, context) === key) return this.#ledger.unadaptedAnswers(key);
    }
    return null;
  }

  #missing(policy: Policy, jobs: readonly Job[]): { job: Job; keys: string[] }[] {
    return jobs
      .map((job) => ({ job, keys: job.group.map((context) => this.#key(policy, job, context)) }))
      .filter(({ keys }) => keys.some((key) => !this.#ledger.hasReward(key)));
  }

  #record(job: Job, keys: readonly string[], answers: readonly string[], adapted: Adapted | null, adapterDigest: string | null): void {
    let at = 0;
    job.group.forEach((context, i) => {
      const count = this.#input.domain.tasks(context).length;
      const edit = job.edits[i] ?? null;
      const invalid = edit !== null && edit.sequences === 0;
      const broken = adapted?.status === 'non-finite';
      this.#ledger.addReward(context, answers.slice(at, at + count), {
        key: keys[i] ?? '',
        round: job.round,
        phase: job.phase,
        condition: job.condition,
        selfEditId: edit?.id ?? null,
        group: job.group.map(({ id }) => id),
        adapterDigest,
        repeat: job.repeat,
        steps: adapted?.steps ?? 0,
        trainedTokens: adapted?.trainedTokens ?? 0,
        firstLoss: adapted?.firstLoss ?? null,
        lastLoss: adapted?.lastLoss ?? null,
        status: broken ? 'non-finite' : invalid ? 'invalid' : 'ok',
        cause: broken ? adapted.cause : invalid ? (edit.rejected ?? 'the self-edit is empty') : null,
      });
      at += count;
    });
  }

  #keepAdapter({ values }: Adapted): string {
    const { config, baseModel } = this.#input;
    const lora = loraConfig(config.inner.lora);
    const files = adapterFiles(loraLayout(this.#bench.model.config, lora), lora, values, baseModel);
    return config.keepAdapters ? this.#store.putBlob('adapters', files) : digest(files['adapter_model.safetensors']);
  }

  /** Everything that determines the reward of one context of a job. */
  #key(policy: Policy, job: Job, context: Context): string {
    const { config, domain, seed } = this.#input;
    // Neither how many adapters share a step nor what is computed again changes a bit of any of them.
    const { packSize: _packSize, tokensPerStep: _tokensPerStep, recompute: _recompute, ...inner } = config.inner;
    const settings = this.#settings(job);
    return digest({
      ...(settings && { settings: { ...settings } }),
      engine: ENGINE_VERSION,
      policy: policy.digest,
      inner,
      domain: domain.name,
      group: job.group.map(({ id, title, text }, i) => ({ id, title, text, edit: job.edits[i]?.text ?? null })),
      tasks: domain.tasks(context).map(({ prompt, gold }) => ({ prompt, gold })),
      steps: job.steps,
      seed,
      repeat: job.repeat,
      of: [job.phase, job.round, job.condition, job.sample, context.id],
    });
  }

  /** Initial adapter and order of documents depend on group and repeat alone: conditions are compared on equal draws. */
  #adaptation(job: Job): Adaptation {
    const { config, domain, seed } = this.#input;
    const { codec } = this.#bench;
    const ids = job.group.map(({ id }) => id).join(' ');
    const replay = domain.replay?.(job.group, stream(seed, 'replay', ids, job.repeat)) ?? [];
    const document = (sequence: TrainingSequence) => codec.document(sequence, this.#bench.lengths.document);
    const documents = job.group.flatMap((context, i) => {
      const edit = job.edits[i] ?? null;
      const own = edit === null ? [] : domain.parse(context, edit.text).sequences;
      return [...domain.baseline(context), ...own].map(document);
    });
    return {
      documents: this.#padded(documents),
      replay: this.#padded(replay.map(document)),
      ...chosenTraining(job.steps, config.inner, documents.length, this.#settings(job)),
      random: stream(seed, 'adapt', ids, job.repeat),
    };
  }

  /** What a self-edit chose of its own training, where the domain lets it and it has the adapter to itself. */
  #settings({ group, edits }: Job): SelfEditSettings | undefined {
    const [context, ...others] = group;
    const edit = edits[0];
    return context && others.length === 0 && edit ? this.#input.domain.parse(context, edit.text).settings : undefined;
  }

  #padded(documents: TokenSequence[]): TokenSequence[] {
    const [end] = this.#bench.codec.stopTokens;
    return this.#input.config.inner.trainOnPadding && end !== undefined ? padWithEnd(documents, end) : documents;
  }
}

/** A self-edit may train at most this many times the configured steps, and at most at this many times its rate. */
const MOST_STEPS = 4;
const MOST_RATE = 10;

/**
 * Steps and learning rate of an adaptation: the configuration's, or those that its self-edit chose, within bounds. Epochs
 * are walks over all documents. An adaptation of 0 steps stays one.
 */
export function chosenTraining(
  steps: number,
  { learningRate, documentsPerStep }: SealConfig['inner'],
  documents: number,
  { epochs, learningRate: rate }: SelfEditSettings = {},
): { readonly steps: number; readonly learningRate: number } {
  const walks = epochs === undefined || !(epochs >= 0) ? steps : Math.round((epochs * documents) / documentsPerStep);
  return {
    steps: Math.min(walks, MOST_STEPS * steps),
    learningRate: rate === undefined || !(rate >= 0) ? learningRate : Math.min(rate, MOST_RATE * learningRate),
  };
}

/** Trained tokens of a reward's adapter, for comparing budgets. */
export function trainedTokens(rewards: readonly RewardRecord[]): number {
  return mean(rewards.map((reward) => reward.trainedTokens));
}
