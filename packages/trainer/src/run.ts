/**
 * A whole run: rounds of ReST-EM, then the table on held-out contexts.
 *
 * Every self-edit, reward, selection and fine-tuning is looked up in the run's records before it is made, so that going
 * on after a stop is the same code as starting: what is there is recalled, what is missing is made, with the same bits.
 */

import { stream, type Context, type Domain } from '@seal/domains';
import {
  adapterConfigFile,
  adapterFile,
  loraLayout,
  mergeAdapter,
  parseAdapterFile,
  type TokenSequence,
} from '@seal/model';
import {
  digest,
  digestId,
  type Phase,
  type RewardRecord,
  type RunDirectory,
  type SelfEditRecord,
} from '@seal/runs';
import type { SealConfig } from './config.ts';
import type { Adaptation } from './inner-loop.ts';
import { fineTune } from './policy.ts';
import { ProgressMeter, type Progress } from './progress.ts';
import { groupWithoutConflicts, selectBest, selectRandom, type Candidate } from './selection.ts';
import { padWithEnd } from './sequences.ts';
import { rewardSpread } from './statistics.ts';
import { loraConfig, type Policy, type Workbench } from './workbench.ts';

/** Part of every reward's key: a change that changes rewards must change it. */
export const ENGINE_VERSION = '1';

/** What a run works on. */
export interface RunInput {
  readonly config: SealConfig;
  readonly seed: number;
  readonly domain: Domain;
  /** Contexts of every round, `outer.contexts` each. */
  readonly rounds: readonly (readonly Context[])[];
  /** Held-out contexts of the table. */
  readonly evaluation: readonly Context[];
  readonly initial: Policy;
  /** Name of the base model in exported adapters. */
  readonly baseModel: string;
}

/** Time spent, in seconds. */
export type Timings = Record<'sampling' | 'adapting' | 'answering' | 'fineTuning', number>;

/** One adapter to train and measure for all contexts of its group. */
interface Job {
  readonly phase: Phase;
  readonly round: number;
  readonly condition: string | null;
  readonly repeat: number;
  readonly sample: number;
  readonly group: readonly Context[];
  /** Per context of the group; null trains on the passage alone. */
  readonly edits: readonly (SelfEditRecord | null)[];
  readonly steps: number;
}

/** A run under way. */
export class SealRun {
  readonly #input: RunInput;
  readonly #bench: Workbench;
  readonly #store: RunDirectory;
  readonly #meter: ProgressMeter;
  readonly #signal: AbortSignal | undefined;
  readonly #edits = new Map<string, SelfEditRecord>();
  readonly #rewards = new Map<string, RewardRecord>();
  readonly timings: Timings = { sampling: 0, adapting: 0, answering: 0, fineTuning: 0 };

  constructor(
    input: RunInput,
    bench: Workbench,
    store: RunDirectory,
    options: { readonly onProgress?: (progress: Progress) => void; readonly signal?: AbortSignal } = {},
  ) {
    this.#input = input;
    this.#bench = bench;
    this.#store = store;
    this.#signal = options.signal;
    this.#meter = new ProgressMeter(plannedWork(input), options.onProgress ?? (() => {}));
    for (const edit of store.records('self-edits')) this.#edits.set(edit.id, edit);
    for (const reward of store.records('rewards')) this.#rewards.set(reward.key, reward);
  }

  /** Runs or continues to the end. Rejects with the signal's reason when stopped; the records then hold all so far. */
  async complete(): Promise<RewardRecord[]> {
    const { config, initial } = this.#input;
    const policies: Policy[] = [initial];
    let random: Policy = initial;
    for (let round = 1; round <= config.outer.rounds; round++) {
      const before = policies[round - 1] ?? initial;
      const edits = await this.#sampleRound('rl', round, before);
      await this.#rewardRound(round, before, edits);
      policies.push(await this.#learn('rl', round, before, edits));
      if (!config.evaluation.randomSelection) continue;
      const own = round === 1 ? edits : await this.#sampleRound('random', round, random);
      random = await this.#learn('random', round, random, own);
    }
    return this.#evaluate(policies, config.evaluation.randomSelection ? random : null);
  }

  /** M self-edits of every context of a round, written by `policy`. */
  async #sampleRound(phase: 'rl' | 'random', round: number, policy: Policy): Promise<SelfEditRecord[]> {
    const { outer } = this.#input.config;
    this.#meter.enter('self-edits', round);
    return this.#writeEdits(this.#roundContexts(round), policy, {
      phase,
      round,
      condition: null,
      samples: Array.from({ length: outer.samples }, (_, sample) => sample),
      temperature: outer.temperature,
    });
  }

  #roundContexts(round: number): readonly Context[] {
    const contexts = this.#input.rounds[round - 1];
    if (!contexts) throw new RangeError(`Cannot run round ${round}: there are contexts for ${this.#input.rounds.length} rounds`);
    return contexts;
  }

  async #writeEdits(
    contexts: readonly Context[],
    policy: Policy,
    wish: {
      readonly phase: Phase;
      readonly round: number;
      readonly condition: string | null;
      readonly samples: readonly number[];
      readonly temperature: number;
    },
  ): Promise<SelfEditRecord[]> {
    const { domain, seed } = this.#input;
    const { phase, round, condition, samples, temperature } = wish;
    const wanted = contexts.flatMap((context) =>
      samples.map((sample) => {
        const name = ['self-edit', phase, condition ?? '', round, context.id, sample] as const;
        const identity = { name: [seed, ...name], policy: policy.digest, prompt: domain.prompt(context), temperature };
        return { context, sample, name, id: digestId(identity) };
      }),
    );
    const missing = wanted.filter(({ id }) => !this.#edits.has(id));
    this.#meter.add({ selfEdits: wanted.length - missing.length, recalled: true });
    if (missing.length > 0) {
      this.#signal?.throwIfAborted();
      const begun = performance.now();
      this.#bench.use(policy);
      const grouped = [...Map.groupBy(missing, ({ context }) => context).entries()];
      const prompts = grouped.map(([context, items]) => ({
        prompt: domain.prompt(context),
        draws: items.map(({ name }) => {
          const random = stream(seed, ...name);
          return () => random.next();
        }),
      }));
      const written = await this.#bench.write(prompts, temperature);
      grouped.forEach(([context, items], i) =>
        items.forEach(({ sample, name, id }, j) => {
          const { text, tokens } = written[i]?.[j] ?? { text: '', tokens: 0 };
          this.#recordEdit(context, {
            id,
            round,
            phase,
            condition,
            contextId: context.id,
            sample,
            text,
            tokens,
            policyDigest: policy.digest,
            stream: name.join('/'),
          });
        }),
      );
      this.#store.checkpoint();
      this.timings.sampling += (performance.now() - begun) / 1_000;
      this.#meter.add({ selfEdits: missing.length });
    }
    return wanted.map(({ id }) => this.#edit(id));
  }

  #recordEdit(context: Context, edit: Omit<SelfEditRecord, 'sequences' | 'rejected'>): SelfEditRecord {
    const parsed = this.#input.domain.parse(context, edit.text);
    const rejected = parsed.rejected.map(({ reason, count }) => `${reason} (${count})`).join(', ');
    const record = { ...edit, sequences: parsed.sequences.length, rejected: rejected === '' ? null : rejected };
    this.#store.append('self-edits', record);
    this.#edits.set(record.id, record);
    return record;
  }

  #edit(id: string): SelfEditRecord {
    const edit = this.#edits.get(id);
    if (!edit) throw new RangeError(`Cannot find self-edit ${id} in the run's records`);
    return edit;
  }

  /** Rewards of every self-edit of a round: candidate j of every context of a group shares one adapter. */
  async #rewardRound(round: number, policy: Policy, edits: readonly SelfEditRecord[]): Promise<void> {
    const { outer, inner } = this.#input.config;
    this.#meter.enter('adaptation', round);
    const bySample = new Map(edits.map((edit) => [`${edit.contextId}/${edit.sample}`, edit]));
    const groups = this.#groups(this.#roundContexts(round));
    const jobs = Array.from({ length: outer.repeats }, (_, repeat) =>
      groups.flatMap((group) =>
        Array.from({ length: outer.samples }, (_unused, sample): Job => ({
          phase: 'rl',
          round,
          condition: null,
          repeat,
          sample,
          group,
          edits: group.map(({ id }) => bySample.get(`${id}/${sample}`) ?? null),
          steps: inner.steps,
        })),
      ),
    ).flat();
    const baselines = outer.selection.threshold === 'none' ? [] : this.#passageJobs(groups, 'rl', round, outer.repeats);
    await this.#measure(policy, [...jobs, ...baselines]);
    if (outer.selection.threshold !== 'none') await this.#measureUnadapted(policy, this.#roundContexts(round), 'rl', round);
  }

  #groups(contexts: readonly Context[]): Context[][] {
    const { domain, config } = this.#input;
    return groupWithoutConflicts(contexts, config.inner.contextsPerAdapter, (a, b) => domain.conflicts?.(a, b) ?? false);
  }

  #passageJobs(groups: readonly Context[][], phase: Phase, round: number, repeats: number, steps?: number, condition = 'passage'): Job[] {
    return Array.from({ length: repeats }, (_, repeat) =>
      groups.map((group) => ({
        phase,
        round,
        condition,
        repeat,
        sample: 0,
        group,
        edits: group.map(() => null),
        steps: steps ?? this.#input.config.inner.steps,
      })),
    ).flat();
  }

  /** Keeps self-edits and fine-tunes the policy on them. `random` keeps without looking at rewards. */
  async #learn(phase: 'rl' | 'random', round: number, policy: Policy, edits: readonly SelfEditRecord[]): Promise<Policy> {
    const { seed } = this.#input;
    const known = this.#store.records('selections').filter((s) => s.phase === phase && s.round === round);
    const chosen = new Map(known.map(({ contextId, selfEditId }) => [contextId, selfEditId]));
    for (const context of this.#roundContexts(round)) {
      if (chosen.has(context.id)) continue;
      const candidates = this.#candidates(context, round, edits);
      const draw = stream(seed, 'selection', phase, round, context.id);
      const { outer } = this.#input.config;
      const { kept, reason } =
        phase === 'rl' ? selectBest(candidates, outer.selection, this.#baselines(context, round), draw) : selectRandom(candidates, draw);
      const rewarded = phase === 'rl';
      this.#store.append('selections', {
        round,
        phase,
        contextId: context.id,
        selfEditId: kept?.selfEditId ?? null,
        reward: kept && rewarded ? average(kept.rewards) : null,
        candidates: rewarded ? candidates.map(({ selfEditId, rewards }) => ({ selfEditId, reward: average(rewards) })) : [],
        reason,
      });
      chosen.set(context.id, kept?.selfEditId ?? null);
    }
    if (phase === 'rl') this.#recordSpread(round, edits);
    const examples = this.#roundContexts(round).flatMap((context) => {
      const id = chosen.get(context.id);
      return id ? [{ context, text: this.#edit(id).text }] : [];
    });
    return this.#fineTune(phase, round, policy, examples);
  }

  #candidates(context: Context, round: number, edits: readonly SelfEditRecord[]): Candidate[] {
    const rewards = [...this.#rewards.values()].filter(
      (r) => r.phase === 'rl' && r.round === round && r.condition === null && r.contextId === context.id,
    );
    return edits
      .filter(({ contextId }) => contextId === context.id)
      .map(({ id, sequences }) => {
        const own = rewards.filter(({ selfEditId }) => selfEditId === id);
        return {
          selfEditId: id,
          rewards: own.map(({ reward }) => reward),
          eligible: sequences > 0 && own.every(({ status }) => status === 'ok'),
        };
      });
  }

  #baselines(context: Context, round: number): number[] {
    const own = [...this.#rewards.values()].filter(
      (r) => r.phase === 'rl' && r.round === round && r.condition !== null && r.contextId === context.id,
    );
    return [...Map.groupBy(own, ({ condition }) => condition).values()].map((rs) => average(rs.map(({ reward }) => reward)));
  }

  #recordSpread(round: number, edits: readonly SelfEditRecord[]): void {
    if (this.#store.records('metrics').some((m) => m.name === 'reward-spread' && m.round === round)) return;
    const rewards = this.#roundContexts(round).map((c) => this.#candidates(c, round, edits).map((x) => [...x.rewards]));
    const spread = rewardSpread(rewards);
    this.#store.append('metrics', {
      name: 'reward-spread',
      value: spread.betweenEdits,
      round,
      condition: null,
      details: { ...spread },
    });
  }

  async #fineTune(
    phase: 'rl' | 'random',
    round: number,
    policy: Policy,
    examples: readonly { readonly context: Context; readonly text: string }[],
  ): Promise<Policy> {
    const { config, domain, seed, baseModel } = this.#input;
    const lora = loraConfig(config.outer.sft.lora);
    const layout = loraLayout(this.#bench.model.config, lora);
    const known = this.#store.records('sft').find((s) => s.phase === phase && s.round === round);
    const merged = (bytes: Uint8Array): Policy => {
      const values = parseAdapterFile(bytes, layout, lora.rank, `the adapter of round ${round}`);
      return this.#policy(mergeAdapter(policy.weights, layout, lora, values));
    };
    if (known) return known.adapterDigest === null ? policy : merged(this.#store.readBlob('adapters', known.adapterDigest));
    this.#meter.enter('fine-tuning', round);
    const base = { round, phase, policyBefore: policy.digest };
    if (examples.length === 0) {
      const nothing = { examples: 0, steps: 0, losses: [], policyAfter: policy.digest, adapterDigest: null };
      this.#store.append('sft', { ...base, ...nothing });
      return policy;
    }
    const begun = performance.now();
    this.#bench.use(policy);
    const documents = examples.map(({ context, text }) => this.#bench.codec.document({ prompt: domain.prompt(context), text }));
    const random = stream(seed, 'sft', phase, round);
    const { values, losses } = await fineTune(this.#bench.model, documents, { ...config.outer.sft, lora }, random, this.#signal);
    const bytes = adapterFile(layout, lora.rank, values);
    const adapterDigest = this.#store.putBlob('adapters', {
      'adapter_model.safetensors': bytes,
      'adapter_config.json': `${JSON.stringify(adapterConfigFile(lora, baseModel), null, 2)}\n`,
    });
    const next = merged(bytes);
    this.#store.append('sft', {
      ...base,
      examples: examples.length,
      steps: losses.length,
      losses,
      policyAfter: next.digest,
      adapterDigest,
    });
    this.#store.checkpoint();
    this.timings.fineTuning += (performance.now() - begun) / 1_000;
    return next;
  }

  #policy(weights: Policy['weights']): Policy {
    return { weights, digest: weightsDigest(weights) };
  }

  /** Trains and examines the jobs that have no rewards yet. */
  async #measure(policy: Policy, jobs: readonly Job[]): Promise<void> {
    const { domain } = this.#input;
    const keyed = jobs.map((job) => ({ job, keys: job.group.map((_, i) => this.#key(policy, job, i)) }));
    const missing = keyed.filter(({ keys }) => keys.some((key) => !this.#rewards.has(key)));
    this.#meter.add({ adaptations: jobs.length - missing.length, recalled: true });
    if (missing.length === 0) return;
    this.#bench.use(policy);
    const work = missing.map(({ job }) => ({
      adaptation: this.#adaptation(job),
      tasks: job.group.flatMap((context) => domain.tasks(context)),
    }));
    const clock = {
      adapt: (ms: number) => (this.timings.adapting += ms / 1_000),
      answer: (ms: number) => (this.timings.answering += ms / 1_000),
    };
    let next = 0;
    const onStep = (adapters: number, done: number, of: number) => this.#meter.running(adapters, done / of);
    for await (const pack of this.#bench.adaptAndAnswer(work, onStep, clock, this.#signal)) {
      for (const { adapted, answers } of pack) {
        const { job, keys } = missing[next++] as (typeof missing)[number];
        const adapterDigest = this.#keepAdapter(adapted.values);
        let at = 0;
        job.group.forEach((context, i) => {
          const count = domain.tasks(context).length;
          const own = answers.slice(at, at + count);
          at += count;
          const edit = job.edits[i] ?? null;
          const invalid = edit !== null && edit.sequences === 0;
          this.#recordReward(context, own, {
            key: keys[i] as string,
            round: job.round,
            phase: job.phase,
            condition: job.condition,
            contextId: context.id,
            selfEditId: edit?.id ?? null,
            group: job.group.map(({ id }) => id),
            adapterDigest,
            repeat: job.repeat,
            steps: adapted.steps,
            trainedTokens: adapted.trainedTokens,
            firstLoss: adapted.firstLoss,
            lastLoss: adapted.lastLoss,
            status: adapted.status === 'ok' && invalid ? 'invalid' : adapted.status,
            cause: invalid ? (edit.rejected ?? 'the self-edit is empty') : adapted.cause,
          });
        });
      }
      this.#store.checkpoint();
      this.#meter.add({ adaptations: pack.length });
    }
  }

  #recordReward(
    context: Context,
    answers: readonly string[],
    reward: Omit<RewardRecord, 'correct' | 'questions' | 'reward'>,
  ): void {
    if (this.#rewards.has(reward.key)) return;
    const { domain } = this.#input;
    const tasks = domain.tasks(context);
    const judged = tasks.map((task, i) => {
      const answer = answers[i] ?? '';
      return { task, answer, correct: domain.grade(answer, task.gold) };
    });
    for (const { task, answer, correct } of judged) {
      this.#store.append('answers', {
        rewardKey: reward.key,
        contextId: context.id,
        question: task.question,
        kind: task.kind,
        gold: task.gold,
        answer,
        correct,
        adapterDigest: reward.adapterDigest,
      });
    }
    const correct = judged.filter((one) => one.correct).length;
    const record = { ...reward, correct, questions: tasks.length, reward: tasks.length === 0 ? 0 : correct / tasks.length };
    this.#store.append('rewards', record);
    this.#rewards.set(record.key, record);
  }

  #keepAdapter(values: Float32Array): string {
    const { inner, keepAdapters } = this.#input.config;
    const lora = loraConfig(inner.lora);
    const bytes = adapterFile(loraLayout(this.#bench.model.config, lora), lora.rank, values);
    if (!keepAdapters) return digest(bytes);
    return this.#store.putBlob('adapters', {
      'adapter_model.safetensors': bytes,
      'adapter_config.json': `${JSON.stringify(adapterConfigFile(lora, this.#input.baseModel), null, 2)}\n`,
    });
  }

  /** Everything that determines the reward of context `i` of a job. */
  #key(policy: Policy, job: Job, i: number): string {
    const { config, domain, seed } = this.#input;
    const context = job.group[i] as Context;
    return digest({
      engine: ENGINE_VERSION,
      policy: policy.digest,
      inner: config.inner,
      domain: domain.name,
      group: job.group.map(({ id, title, text }, j) => ({ id, title, text, edit: job.edits[j]?.text ?? null })),
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
    const random = stream(seed, 'adapt', ids, job.repeat);
    const replay = domain.replay?.(job.group, stream(seed, 'replay', ids, job.repeat)) ?? [];
    const documents = job.group.flatMap((context, i) => {
      const edit = job.edits[i] ?? null;
      const own = edit === null ? [] : domain.parse(context, edit.text).sequences;
      return [...domain.baseline(context), ...own].map((sequence) => codec.document(sequence));
    });
    return {
      documents: this.#padded(documents),
      replay: this.#padded(replay.map((sequence) => codec.document(sequence))),
      steps: job.steps,
      learningRate: config.inner.learningRate,
      random,
    };
  }

  #padded(documents: TokenSequence[]): TokenSequence[] {
    const [end] = this.#bench.codec.stopTokens;
    return this.#input.config.inner.trainOnPadding && end !== undefined ? padWithEnd(documents, end) : documents;
  }

  async #measureUnadapted(policy: Policy, contexts: readonly Context[], phase: Phase, round: number): Promise<void> {
    const { domain, config } = this.#input;
    const jobs = contexts.map((context): Job => ({
      phase,
      round,
      condition: 'base',
      repeat: 0,
      sample: 0,
      group: [context],
      edits: [null],
      steps: 0,
    }));
    const missing = jobs.filter((job) => !this.#rewards.has(this.#key(policy, job, 0)));
    if (missing.length === 0) return;
    this.#bench.use(policy);
    const tasks = missing.map(({ group }) => domain.tasks(group[0] as Context));
    const begun = performance.now();
    const answers = await this.#bench.answer(tasks.flat());
    this.timings.answering += (performance.now() - begun) / 1_000;
    let at = 0;
    missing.forEach((job, i) => {
      const count = tasks[i]?.length ?? 0;
      const context = job.group[0] as Context;
      this.#recordReward(context, answers.slice(at, at + count), {
        key: this.#key(policy, job, 0),
        round,
        phase,
        condition: 'base',
        contextId: context.id,
        selfEditId: null,
        group: [context.id],
        adapterDigest: null,
        repeat: 0,
        steps: 0,
        trainedTokens: 0,
        firstLoss: null,
        lastLoss: null,
        status: 'ok',
        cause: null,
      });
      at += count;
    });
    void config;
  }

  /** The table: every condition on the held-out contexts, `evaluation.repeats` times. */
  async #evaluate(policies: readonly Policy[], random: Policy | null): Promise<RewardRecord[]> {
    const { config, evaluation, domain, initial } = this.#input;
    const { repeats, oracle } = config.evaluation;
    const groups = this.#groups(evaluation);
    const last = policies.length - 1;
    this.#meter.enter('evaluation', null);
    const sampled = async (condition: string, policy: Policy, round: number, greedy = false) => {
      const edits = await this.#writeEdits(evaluation, policy, {
        phase: 'evaluate',
        round,
        condition,
        samples: greedy ? [0] : Array.from({ length: repeats }, (_, repeat) => repeat),
        temperature: greedy ? 0 : config.outer.temperature,
      });
      const find = new Map(edits.map((edit) => [`${edit.contextId}/${edit.sample}`, edit]));
      return this.#conditionJobs(groups, condition, round, (context, repeat) => find.get(`${context.id}/${greedy ? 0 : repeat}`) ?? null);
    };

    for (let round = last; round >= 1; round--) {
      const policy = policies[round] as Policy;
      const jobs = await sampled(`round-${round}`, policy, round);
      if (round === last) jobs.push(...(await sampled(`round-${round}-greedy`, policy, round, true)));
      await this.#measure(policy, jobs);
    }
    if (random) await this.#measure(random, await sampled('random-selection', random, last));
    const jobs = [
      ...this.#passageJobs(groups, 'evaluate', 0, repeats),
      ...(await sampled('self-edit', initial, 0)),
      ...(await sampled('self-edit-greedy', initial, 0, true)),
    ];
    if (oracle && domain.perfectSelfEdit) {
      const perfect = new Map(evaluation.map((context) => [context.id, this.#perfectEdit(context)]));
      jobs.push(...this.#conditionJobs(groups, 'oracle', 0, ({ id }) => perfect.get(id) ?? null));
    }
    await this.#measure(initial, jobs);
    if (last >= 1) {
      const steps = this.#matchedSteps(`round-${last}`);
      await this.#measure(initial, this.#passageJobs(groups, 'evaluate', 0, repeats, steps, 'passage-matched'));
    }
    await this.#measureUnadapted(initial, evaluation, 'evaluate', 0);
    return [...this.#rewards.values()].filter(({ phase }) => phase === 'evaluate');
  }

  #conditionJobs(
    groups: readonly Context[][],
    condition: string,
    round: number,
    edit: (context: Context, repeat: number) => SelfEditRecord | null,
  ): Job[] {
    const { config } = this.#input;
    return Array.from({ length: config.evaluation.repeats }, (_, repeat) =>
      groups.map((group) => ({
        phase: 'evaluate' as const,
        round,
        condition,
        repeat,
        sample: 0,
        group,
        edits: group.map((context) => edit(context, repeat)),
        steps: config.inner.steps,
      })),
    ).flat();
  }

  #perfectEdit(context: Context): SelfEditRecord {
    const text = this.#input.domain.perfectSelfEdit?.(context) ?? '';
    const id = digestId({ oracle: context.id, text });
    const { codec } = this.#bench;
    return (
      this.#edits.get(id) ??
      this.#recordEdit(context, {
        id,
        round: 0,
        phase: 'evaluate',
        condition: 'oracle',
        contextId: context.id,
        sample: 0,
        text,
        tokens: codec.prompt(text).length,
        policyDigest: 'generator',
        stream: 'oracle',
      })
    );
  }

  /** Steps in which the passages alone are as many tokens as `condition` trained on. */
  #matchedSteps(condition: string): number {
    const tokens = (name: string) => {
      const own = [...this.#rewards.values()].filter((r) => r.phase === 'evaluate' && r.condition === name);
      return average(own.map(({ trainedTokens }) => trainedTokens));
    };
    const { steps } = this.#input.config.inner;
    return Math.max(1, Math.round((steps * tokens(condition)) / tokens('passage')));
  }
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** SHA-256 over the tensors' names and bytes in order of name. */
export function weightsDigest(weights: Policy['weights']): string {
  const names = [...weights.keys()].sort();
  return digest(
    names.map((name) => {
      const data = weights.get(name) as Float32Array;
      return [name, digest(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))];
    }),
  );
}

/** Self-edits and adaptations of a whole run. */
function plannedWork({ config, rounds, evaluation }: RunInput): { selfEdits: number; adaptations: number } {
  const { outer, inner } = config;
  const groups = (contexts: number) => Math.ceil(contexts / inner.contextsPerAdapter);
  const R = outer.rounds;
  const { repeats, randomSelection, oracle } = config.evaluation;
  const perRound = rounds.slice(0, R).reduce((sum, contexts) => sum + contexts.length, 0);
  const conditions = R + Number(R > 0) + Number(randomSelection && R > 0) + 3 + Number(oracle) + Number(R > 0);
  const randomRounds = randomSelection ? rounds.slice(1, R).reduce((sum, contexts) => sum + contexts.length, 0) : 0;
  const adapted = rounds.slice(0, R).reduce((sum, contexts) => sum + groups(contexts.length), 0);
  const sampledConditions = R + 1 + Number(randomSelection && R > 0);
  return {
    selfEdits: (perRound + randomRounds) * outer.samples + evaluation.length * (sampledConditions * repeats + 1 + Number(R > 0)),
    adaptations: adapted * outer.samples * outer.repeats + groups(evaluation.length) * repeats * conditions,
  };
}
