/** Training adapters and examining them: jobs in, rewards in the ledger. Plans work and records what came of it. */

import type { StreamName } from '@seal/files';
import { digest } from '@seal/files/node';
import type { Context, Domain, Judgement, SelfEditSettings, Task } from '@seal/domains';
import type { Phase, RewardRecord, RunStore, SelfEditRecord } from '@seal/runs';
import { adaptationOf, expectedTokens, type AdaptationOf } from './adaptation.ts';
import type { SealConfig } from './config.ts';
import type { GoldScore, Ledger } from './ledger.ts';
import type { Lengths } from './lengths.ts';
import type { ProgressMeter } from './progress.ts';
import type { Codec } from './sequences.ts';
import { mean } from './statistics.ts';
import type { ScoredText } from '@seal/model';
import type { AdaptedRecord, AdaptResult, Executor, PolicyRef, Sampled } from './work.ts';

/** Part of every reward's key: a change that changes rewards must change it. */
export const ENGINE_VERSION = '1';

/** Time spent, in seconds. */
export type Timings = Record<'sampling' | 'adapting' | 'answering' | 'fineTuning', number>;

/** A policy with the digest of its weights. */
export interface Policy {
  readonly ref: PolicyRef;
  readonly digest: string;
}

/** One adapter to train and measure for all contexts of its group. */
export interface Job {
  readonly phase: Phase;
  readonly round: number;
  readonly condition: string | null;
  readonly repeat: number;
  readonly sample: number;
  readonly group: readonly Context[];
  /** Per context of the group; null trains the domain's control alone. */
  readonly edits: readonly (SelfEditRecord | null)[];
  /** 0 asks the weights as they are. */
  readonly steps: number;
  /** Whether the contexts stand in the prompts; out of sight where absent. */
  readonly inSight?: boolean;
}

/** What an examiner works with for a whole run. */
export interface ExaminerInput {
  readonly config: SealConfig;
  readonly seed: number;
  readonly domain: Domain;
  readonly codec: Codec;
  readonly lengths: Lengths;
}

/** Texts that reached their most tokens. */
export interface BrokenOff {
  answers: number;
  selfEdits: number;
}

/** What an examiner shares with its run. */
export interface ExaminerParts {
  readonly executor: Executor;
  readonly store: RunStore;
  readonly ledger: Ledger;
  readonly meter: ProgressMeter;
  readonly timings: Timings;
  readonly broken: BrokenOff;
  readonly signal: AbortSignal | undefined;
}

/** What became of a context's questions; no judgements where no answers were written, null scores where one is not finite. */
interface Examined {
  readonly judgements: readonly Judgement[];
  readonly scores: readonly GoldScore[] | null;
}

type Asked = Pick<Job, 'inSight'>;

interface Missing {
  readonly job: Job;
  readonly keys: readonly string[];
}

/** Measures jobs that have no rewards yet; each comes out as it would alone, whatever shares its pack. */
export class Examiner {
  readonly #input: ExaminerInput;
  readonly #parts: ExaminerParts;

  constructor(input: ExaminerInput, parts: ExaminerParts) {
    this.#input = input;
    this.#parts = parts;
  }

  /** Trains and examines, with the policy's weights under the adapters. Where there is nothing to train on, the weights are asked as they are. */
  async measure(policy: Policy, jobs: readonly Job[]): Promise<void> {
    const { meter, executor, store, timings, signal } = this.#parts;
    const missing = this.#missing(policy, jobs);
    meter.add({ adaptations: jobs.length - missing.length, recalled: true });
    if (missing.length === 0) return;
    const planned = missing.map((one) => ({ ...one, adaptation: this.#adaptation(one.job) }));
    const trained = planned.flatMap(({ adaptation, ...one }) => (adaptation ? [{ ...one, adaptation }] : []));
    const untrained = planned.filter(({ adaptation }) => adaptation === null);
    const work = trained.map(({ job, adaptation }) => ({
      ...adaptation,
      policy: policy.ref,
      stream: this.#stream('adapt', job),
      ask: this.#isWritten(job) ? this.#prompts(job, job.group) : [],
      ...(this.#isScored && { score: this.#golds(job, job.group) }),
      keep: this.#input.config.keepAdapters,
    }));
    const asked = work.reduce((sum, { ask }) => sum + ask.length, 0);
    meter.expect({ adaptations: work.length, tokens: work.reduce((sum, one) => sum + expectedTokens(one, this.#input.config.inner), 0), answers: asked });
    if (work.length > 0) {
      const onProgress = meter.executing((on, seconds) => (timings[on] += seconds));
      for await (const group of executor.adapt(work, { onProgress, signal })) {
        for (const result of group) {
          const item = trained[result.index];
          if (item) await this.#recordAdapted(item, result);
        }
        await store.checkpoint();
        meter.add({ adaptations: group.length, answers: group.reduce((sum, { answers }) => sum + answers.length, 0) });
      }
    }
    if (untrained.length === 0) return;
    await this.#askUnadapted(policy, untrained);
    meter.add({ adaptations: untrained.length, recalled: true });
  }

  /**
   * Asks the policy's weights as they are; jobs of 0 steps with one context each. What the same weights were asked about a
   * context in another round or condition, or before a stop, is not asked again.
   */
  async measureUnadapted(policy: Policy, jobs: readonly Job[]): Promise<void> {
    await this.#askUnadapted(policy, this.#missing(policy, jobs));
  }

  async #askUnadapted(policy: Policy, missing: readonly Missing[]): Promise<void> {
    const { domain } = this.#input;
    const { executor, timings, signal } = this.#parts;
    const examined = new Map<Context, Examined>();
    for (const { job } of missing) {
      for (const context of job.group) {
        const known = this.#recall(policy, job, context);
        if (known) examined.set(context, known);
      }
    }
    const asked = new Set(missing.flatMap(({ job }) => job.group));
    const open = [...asked].filter((context) => !examined.has(context));
    // All jobs of a call are of one phase.
    const isWritten = missing.some(({ job }) => this.#isWritten(job));
    // All jobs of a call ask in one way.
    const asker = missing[0]?.job ?? {};
    if (open.length > 0) {
      const begun = performance.now();
      const work = open.map((context) => ({ policy: policy.ref, ask: this.#prompts(asker, [context]) }));
      const answers = isWritten ? await executor.answer(work, { signal }) : null;
      const scores = this.#isScored ? await executor.score(open.map((context) => ({ policy: policy.ref, score: this.#golds(asker, [context]) })), { signal }) : null;
      timings.answering += (performance.now() - begun) / 1_000;
      open.forEach((context, i) =>
        examined.set(context, {
          judgements: answers ? domain.judge(context, this.#texts(asker, context, answers[i] ?? [])) : [],
          scores: scores ? this.#scored(asker, context, scores[i] ?? []) : [],
        }),
      );
    }
    for (const { job, keys } of missing) {
      for (const [i, context] of job.group.entries()) await this.#record({ job, keys }, i, examined.get(context) ?? { judgements: [], scores: [] }, null);
    }
  }

  /** Whether gold answers are scored. */
  get #isScored(): boolean {
    return this.#input.config.outer.reward === 'likelihood';
  }

  /** Whether answers are written: those of the table are, whatever chose the self-edits. */
  #isWritten({ phase }: Pick<Job, 'phase'>): boolean {
    return phase === 'evaluate' || this.#input.config.outer.answers !== 'skipped';
  }

  /** The tasks of a group with their gold answers as tokens. Throws RangeError for a task without one. */
  #golds(job: Asked, group: readonly Context[]): ScoredText[] {
    return group.flatMap((context) => this.#tasks(job, context).map((task) => this.#gold(task)));
  }

  #gold({ prompt, gold, question }: Task): ScoredText {
    const { codec, lengths } = this.#input;
    const text = codec.answer(prompt, gold, lengths.answering);
    if (text.first < text.tokens.length) return text;
    throw new RangeError(`Cannot reward by likelihood: the question ${JSON.stringify(question)} has no gold answer; use outer.reward 'accuracy'`);
  }

  /** Log-probabilities of a context's gold answers with what they are of; null where one is not finite. */
  #scored(job: Asked, context: Context, scores: readonly (number | null)[]): GoldScore[] | null {
    const scored = this.#tasks(job, context).flatMap((task, i): GoldScore[] => {
      const logProbability = scores[i] ?? null;
      const { tokens, first } = this.#gold(task);
      const { question, kind, gold } = task;
      return logProbability === null ? [] : [{ question, kind, gold, logProbability, tokens: tokens.length - first }];
    });
    return scored.length === scores.length ? scored : null;
  }

  /** What a job asks of a context. */
  #tasks({ inSight = false }: Asked, context: Context): readonly Task[] {
    const { domain } = this.#input;
    return (inSight && domain.reading?.(context)) || domain.tasks(context);
  }

  #prompts(job: Asked, group: readonly Context[]): number[][] {
    const { codec } = this.#input;
    return group.flatMap((context) => this.#tasks(job, context).map(({ prompt }) => codec.prompt(prompt)));
  }

  /** Answers to a context's tasks, without the white space around them. */
  #texts(job: Asked, context: Context, answers: readonly Sampled[]): string[] {
    const { codec } = this.#input;
    return this.#tasks(job, context).map(({ prompt }, i) => {
      const { tokens, broken } = answers[i] ?? { tokens: [], broken: false };
      if (broken) this.#parts.broken.answers += 1;
      return codec.decode(tokens, codec.prompt(prompt)).trim();
    });
  }

  /** What the same weights came to at the same tasks: records whose reward's key this policy and context make. */
  #recall(policy: Policy, job: Job, context: Context): Examined | null {
    const { ledger } = this.#parts;
    for (const { key, phase, round, condition, repeat } of ledger.rewards({ contextId: context.id, steps: 0 })) {
      const asked = { ...job, group: [context], edits: [null], steps: 0, phase, round, condition, repeat, sample: 0 };
      if (this.#isWritten(asked) !== this.#isWritten(job) || this.#key(policy, asked, context) !== key) continue;
      const judgements = ledger.unadaptedAnswers(key);
      return judgements && { judgements, scores: ledger.unadaptedScores(key) };
    }
    return null;
  }

  #missing(policy: Policy, jobs: readonly Job[]): Missing[] {
    return jobs
      .map((job) => ({ job, keys: job.group.map((context) => this.#key(policy, job, context)) }))
      .filter(({ keys }) => keys.some((key) => !this.#parts.ledger.hasReward(key)));
  }

  async #recordAdapted(missing: Missing, { adapted, answers, scores }: AdaptResult): Promise<void> {
    const { domain } = this.#input;
    if (adapted.files) await this.#parts.store.putBlob('adapters', adapted.files);
    let at = 0;
    for (const [i, context] of missing.job.group.entries()) {
      const count = domain.tasks(context).length;
      const judgements = this.#isWritten(missing.job) ? domain.judge(context, this.#texts(missing.job, context, answers.slice(at, at + count))) : [];
      await this.#record(missing, i, { judgements, scores: this.#isScored ? this.#scored(missing.job, context, scores.slice(at, at + count)) : [] }, adapted);
      at += count;
    }
  }

  async #record({ job, keys }: Missing, i: number, examined: Examined, adapted: AdaptedRecord | null): Promise<void> {
    const context = job.group[i];
    if (!context) return;
    const edit = job.edits[i] ?? null;
    const invalid = edit !== null && edit.sequences === 0;
    const { judgements, scores } = examined;
    const broken = adapted?.status === 'non-finite' || scores === null;
    const { learningRate } = edit?.settings ?? {};
    await this.#parts.ledger.addReward(context, judgements, {
      key: keys[i] ?? '',
      round: job.round,
      phase: job.phase,
      condition: job.condition,
      selfEditId: edit?.id ?? null,
      group: job.group.map(({ id }) => id),
      adapterDigest: adapted?.digest ?? null,
      repeat: job.repeat,
      steps: adapted?.steps ?? 0,
      trainedTokens: adapted?.trainedTokens ?? 0,
      firstLoss: adapted?.firstLoss ?? null,
      lastLoss: adapted?.lastLoss ?? null,
      status: broken ? 'non-finite' : invalid ? 'invalid' : 'ok',
      cause: broken ? (adapted?.cause ?? 'the log-probability of a gold answer is not finite') : invalid ? (edit.rejected ?? 'the self-edit is empty') : null,
      ...(typeof learningRate === 'number' && { learningRate }),
    }, scores ?? []);
  }

  /** Everything that determines the reward of one context of a job. */
  #key(policy: Policy, job: Job, context: Context): string {
    const { config, domain, seed } = this.#input;
    // Neither how many adapters share a step nor what is computed again changes a bit of any of them.
    const { packSize: _packSize, tokensPerStep: _tokensPerStep, recompute: _recompute, ...inner } = config.inner;
    const settings = this.#settings(job);
    return digest({
      ...(settings && { settings }),
      ...(this.#isScored && { reward: 'likelihood', written: this.#isWritten(job) }),
      engine: ENGINE_VERSION,
      policy: policy.digest,
      inner,
      domain: domain.name,
      group: job.group.map(({ id, title, text, data }, i) => ({ id, title, text, ...(data !== undefined && { data }), edit: job.edits[i]?.text ?? null })),
      tasks: this.#tasks(job, context).map(({ prompt, gold }) => ({ prompt, gold })),
      steps: job.steps,
      seed,
      repeat: job.repeat,
      of: [job.phase, job.round, job.condition, job.sample, context.id],
    });
  }

  /** What the self-edits of a job chose, where any of them did. */
  #settings({ group, edits }: Job): SelfEditSettings | readonly (SelfEditSettings | null)[] | null {
    const chosen = group.map((context, i) => {
      const edit = edits[i] ?? null;
      return (edit && this.#parts.ledger.parsed(context, edit).settings) ?? null;
    });
    if (chosen.every((one) => one === null)) return null;
    const [only = null] = chosen;
    return chosen.length === 1 ? only : chosen;
  }

  /** Initial adapter and order of documents depend on group and repeat alone: conditions are compared on equal draws. */
  #stream(of: string, job: Job): StreamName {
    return [this.#input.seed, of, job.group.map(({ id }) => id).join(' '), job.repeat];
  }

  #adaptation(job: Job): AdaptationOf | null {
    const { config, domain, codec, lengths } = this.#input;
    const group = job.group.map((context, i) => {
      const edit = job.edits[i] ?? null;
      return edit === null
        ? ({ context, edits: [], beside: 'control' } as const)
        : ({ context, edits: [this.#parts.ledger.parsed(context, edit)], beside: 'always' } as const);
    });
    return adaptationOf(domain, codec, group, { inner: config.inner, steps: job.steps, longest: lengths.document, replay: this.#stream('replay', job) });
  }
}

/** Trained tokens of a reward's adapter, for comparing budgets. */
export function trainedTokens(rewards: readonly RewardRecord[]): number {
  return mean(rewards.map((reward) => reward.trainedTokens));
}
