/**
 * A whole run: rounds of ReST-EM, then the table on held-out contexts.
 *
 * Every self-edit, reward, selection and fine-tuning is looked up in the run's records before it is made, so that going
 * on after a stop is the same code as starting: what is there is recalled, what is missing is made, with the same bits.
 */

import { stream, type StreamName } from '@seal/files';
import { digestId } from '@seal/files/node';
import type { Context, Domain } from '@seal/domains';
import { conditionName, WINNER, type Phase, type RewardRecord, type RunStore, type SelfEditRecord } from '@seal/runs';
import { selfEditReader } from './adaptation.ts';
import { loraConfig } from './config.ts';
import { Examiner, trainedTokens, type BrokenOff, type ExaminerInput, type Job, type Policy, type Timings } from './examiner.ts';
import { openLedger, type Ledger } from './ledger.ts';
import { gainOf } from './likelihood.ts';
import { nothingKept } from './notes.ts';
import { ProgressMeter, type Progress } from './progress.ts';
import { plannedWork, tableRows, type Row, type RowParts } from './rows.ts';
import { groupWithoutConflicts, select, selectRandom, type Candidate } from './selection.ts';
import { mean, rewardSpread } from './statistics.ts';
import { BASE_POLICY, type Executor } from './work.ts';

/** What a run works on. */
export interface RunInput extends ExaminerInput {
  /** Contexts of every round, `outer.contexts` each. */
  readonly rounds: readonly (readonly Context[])[];
  /** Held-out contexts of the table. */
  readonly evaluation: readonly Context[];
  /** Digest of the weights that the run begins with. */
  readonly modelDigest: string;
}

/** What a run hears, and what stops it. */
export interface RunHooks {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Told what a reader should know at once. */
  readonly onNote?: ((note: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Self-edits to write: who is asked, under which names. */
interface Wish {
  readonly phase: Phase;
  readonly round: number;
  readonly condition: string | null;
  readonly samples: readonly number[];
  readonly temperature: number;
}

/** The self-edit of a context in a repeat, or null for the control alone. */
type EditOf = (context: Context, repeat: number) => SelfEditRecord | null;

/** Policies by round, 0 the initial one, and that of the control which selects at random. */
interface Policies {
  readonly rounds: readonly Policy[];
  readonly random: Policy | null;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** A run under way. */
export class SealRun {
  readonly timings: Timings = { sampling: 0, adapting: 0, answering: 0, fineTuning: 0 };
  /** Answers and self-edits so far that reached their most tokens and were broken off. */
  readonly broken: BrokenOff = { answers: 0, selfEdits: 0 };
  readonly #input: RunInput;
  readonly #executor: Executor;
  readonly #store: RunStore;
  readonly #meter: ProgressMeter;
  readonly #hooks: RunHooks;
  readonly #parts: RowParts;
  readonly #initial: Policy;
  #ledger: Ledger | null = null;
  #examiner: Examiner | null = null;

  constructor(input: RunInput, executor: Executor, store: RunStore, hooks: RunHooks = {}) {
    const { domain, config, rounds, evaluation } = input;
    this.#input = input;
    this.#executor = executor;
    this.#store = store;
    this.#hooks = hooks;
    this.#initial = { ref: BASE_POLICY, digest: input.modelDigest };
    this.#parts = { control: evaluation.some((context) => domain.control(context).length > 0), reading: domain.reading !== undefined, perfect: domain.perfectSelfEdit !== undefined };
    const sizeOf = (contexts: readonly Context[]) => ({ contexts: contexts.length, groups: this.#groups(contexts).length });
    const planned = plannedWork(config, this.#parts, rounds.map(sizeOf), sizeOf(evaluation));
    const fineTunings = config.outer.rounds * (1 + Number(config.evaluation.randomSelection));
    const { maxAnswerTokens } = config.inner;
    this.#meter = new ProgressMeter({ ...planned, fineTunings, maxAnswerTokens }, hooks.onProgress ?? (() => {}));
  }

  /**
   * Runs or goes on to the end and returns the rewards of the final evaluation. Rejects with the signal's reason when
   * stopped; the records then hold everything that was finished.
   */
  async complete(): Promise<RewardRecord[]> {
    const { config, domain, codec, lengths } = this.#input;
    this.#ledger = await openLedger(this.#store, selfEditReader(domain, codec, lengths.document));
    this.#examiner = new Examiner(this.#input, {
      executor: this.#executor,
      store: this.#store,
      ledger: this.#ledger,
      meter: this.#meter,
      timings: this.timings,
      broken: this.broken,
      signal: this.#hooks.signal,
    });
    const policies: Policy[] = [this.#initial];
    let random: Policy | null = config.evaluation.randomSelection && config.outer.rounds > 0 ? this.#initial : null;
    for (let round = 1; round <= config.outer.rounds; round++) {
      const before = policies.at(-1) ?? this.#initial;
      const edits = await this.#sampleRound('rl', round, before);
      await this.#rewardRound(round, before, edits);
      policies.push(await this.#learn('rl', round, before, edits));
      if (!random) continue;
      const own = round === 1 ? edits : await this.#sampleRound('random', round, random);
      random = await this.#learn('random', round, random, own);
    }
    return this.#evaluate({ rounds: policies, random });
  }

  #known(): Ledger {
    if (!this.#ledger) throw new TypeError('The run was not begun');
    return this.#ledger;
  }

  #measure(policy: Policy, jobs: readonly Job[]): Promise<void> {
    return this.#examiner?.measure(policy, jobs) ?? Promise.resolve();
  }

  #contexts(round: number): readonly Context[] {
    const contexts = this.#input.rounds[round - 1];
    if (!contexts) throw new RangeError(`Cannot run round ${round}: there are contexts for ${this.#input.rounds.length}`);
    return contexts;
  }

  #groups(contexts: readonly Context[]): Context[][] {
    return groupContexts(this.#input.domain, contexts, this.#input.config.inner.contextsPerAdapter);
  }

  /** What the domain calls the rows that every domain has. */
  #name(row: Pick<Row, 'condition'>['condition']): string {
    return conditionName(row, this.#input.domain.terms);
  }

  /** M self-edits of every context of a round, written by `policy`. */
  #sampleRound(phase: 'rl' | 'random', round: number, policy: Policy): Promise<SelfEditRecord[]> {
    const { samples, temperature } = this.#input.config.outer;
    this.#meter.enter('self-edits', round);
    return this.#write(this.#contexts(round), policy, { phase, round, condition: null, samples: upTo(samples), temperature });
  }

  async #write(contexts: readonly Context[], policy: Policy, wish: Wish): Promise<SelfEditRecord[]> {
    const { domain, codec, seed } = this.#input;
    const { samples, temperature, ...where } = wish;
    const ledger = this.#known();
    const wanted = contexts.flatMap((context) =>
      samples.map((sample) => {
        const name: StreamName = [seed, 'self-edit', where.phase, where.condition ?? '', where.round, context.id, sample];
        return { context, sample, name, id: digestId({ name: [...name], policy: policy.digest, prompt: domain.prompt(context), temperature }) };
      }),
    );
    const missing = wanted.filter(({ id }) => !ledger.hasEdit(id));
    this.#meter.add({ selfEdits: wanted.length - missing.length, recalled: true });
    if (missing.length > 0) {
      const begun = performance.now();
      const grouped = [...Map.groupBy(missing, ({ context }) => context)];
      const work = grouped.map(([context, items]) => ({
        policy: policy.ref,
        prompt: codec.prompt(domain.prompt(context)),
        streams: items.map(({ name }) => name),
        temperature,
      }));
      const hooks = { onProgress: this.#meter.executing(), signal: this.#hooks.signal };
      let next = 0;
      for await (const written of this.#executor.write(work, hooks)) {
        let editTokens = 0;
        let count = 0;
        for (const samplesOf of written) {
          const [context, items] = grouped[next] ?? [];
          const prompt = work[next]?.prompt ?? [];
          next += 1;
          if (!context || !items) continue;
          for (const [j, { sample, name: [, ...names], id }] of items.entries()) {
            const { tokens, broken } = samplesOf[j] ?? { tokens: [], broken: false };
            if (broken) this.broken.selfEdits += 1;
            const text = codec.decode(tokens, prompt, broken);
            const origin = { policyDigest: policy.digest, stream: names.join('/') };
            await ledger.addEdit(context, { id, ...where, contextId: context.id, sample, text, tokens: tokens.length, ...origin });
            editTokens += tokens.length;
            count += 1;
          }
        }
        await this.#store.checkpoint();
        this.#meter.add({ selfEdits: count, editTokens });
      }
      this.timings.sampling += (performance.now() - begun) / 1_000;
    }
    return wanted.map(({ id }) => ledger.edit(id));
  }

  /** Jobs of one condition: every group in every repeat. */
  #jobs(
    groups: readonly Context[][],
    where: Pick<Job, 'phase' | 'round' | 'condition'>,
    repeats: number,
    edit: EditOf,
    steps: number = this.#input.config.inner.steps,
  ): Job[] {
    return upTo(repeats).flatMap((repeat) =>
      groups.map((group) => ({ ...where, repeat, sample: 0, group, edits: group.map((context) => edit(context, repeat)), steps })),
    );
  }

  /** Jobs that ask weights as they are: one a context. */
  #unadapted(contexts: readonly Context[], where: Pick<Job, 'phase' | 'round'>, kind: 'base' | 'reading' = 'base'): Job[] {
    const condition = this.#name({ kind, round: null, greedy: false });
    const jobs = this.#jobs(contexts.map((context) => [context]), { ...where, condition }, 1, () => null, 0);
    return kind === 'reading' ? jobs.map((job) => ({ ...job, inSight: true })) : jobs;
  }

  /** Rewards of every self-edit of a round: candidate j of every context of a group shares one adapter. */
  async #rewardRound(round: number, policy: Policy, edits: readonly SelfEditRecord[]): Promise<void> {
    const { outer } = this.#input.config;
    this.#meter.enter('adaptation', round);
    const contexts = this.#contexts(round);
    const groups = this.#groups(contexts);
    const where = { phase: 'rl', round, condition: null } as const;
    const jobs = upTo(outer.samples).flatMap((sample) => {
      const own = new Map(edits.filter((edit) => edit.sample === sample).map((edit) => [edit.contextId, edit]));
      return this.#jobs(groups, where, outer.repeats, ({ id }) => own.get(id) ?? null).map((job) => ({ ...job, sample }));
    });
    const unadapted = () => this.#examiner?.measureUnadapted(policy, this.#unadapted(contexts, where));
    if (outer.selection.threshold === 'none') {
      await this.#measure(policy, jobs);
      // A gain in likelihood is one over the weights as they are.
      if (outer.reward === 'likelihood') await unadapted();
      return;
    }
    const condition = this.#name({ kind: 'control', round: null, greedy: false });
    const control = this.#parts.control ? this.#jobs(groups, { ...where, condition }, outer.repeats, () => null) : [];
    await this.#measure(policy, [...jobs, ...control]);
    await unadapted();
  }

  /** What self-edits of a round are chosen by: the share of right answers, or the gain in likelihood; 0 for an adapter that cannot say any. */
  #worth(reward: RewardRecord): number {
    if (this.#input.config.outer.reward !== 'likelihood') return reward.reward;
    const { round, contextId } = reward;
    const condition = this.#name({ kind: 'base', round: null, greedy: false });
    const [base] = this.#known().rewards({ phase: 'rl', round, condition, contextId });
    return gainOf(reward, base?.likelihood ?? null) ?? 0;
  }

  /** Keeps self-edits and fine-tunes the policy on them. `random` keeps without looking at rewards. */
  async #learn(phase: 'rl' | 'random', round: number, policy: Policy, edits: readonly SelfEditRecord[]): Promise<Policy> {
    const { seed, config, domain, codec, lengths } = this.#input;
    const { selection } = config.outer;
    const ledger = this.#known();
    const selections = (await this.#store.records('selections')).filter((one) => one.round === round);
    const keptOf = (of: Phase) => new Map(selections.filter((one) => one.phase === of).map((one) => [one.contextId, one.kept ?? [one.selfEditId ?? []].flat()]));
    const chosen = keptOf(phase);
    const byReward = keptOf('rl');
    const rewarded = phase === 'rl';
    for (const context of this.#contexts(round)) {
      if (chosen.has(context.id)) continue;
      const candidates = this.#candidates(context, round, edits);
      const draw = stream(seed, 'selection', phase, round, context.id);
      const count = selection.keep === 'all' ? Math.max(1, byReward.get(context.id)?.length ?? 1) : 1;
      const { kept, reason } = rewarded ? select(candidates, selection, this.#baselines(context, round), draw) : selectRandom(candidates, draw, count);
      const ids = kept.map(({ selfEditId }) => selfEditId);
      const [first] = kept;
      await this.#store.append('selections', {
        round,
        phase,
        contextId: context.id,
        selfEditId: first?.selfEditId ?? null,
        reward: first && rewarded ? mean(first.rewards) : null,
        candidates: rewarded ? candidates.map(({ selfEditId, rewards }) => ({ selfEditId, reward: mean(rewards) })) : [],
        reason,
        ...(selection.keep === 'all' && { kept: ids }),
      });
      chosen.set(context.id, ids);
    }
    if (rewarded) {
      await this.#recordSpread(round, edits);
      await this.#rescoreWinners(round, policy, chosen);
    }
    const examples = this.#contexts(round).flatMap((context) =>
      (chosen.get(context.id) ?? []).map((id) => ({ prompt: domain.prompt(context), text: ledger.edit(id).text })),
    );
    return this.#fineTune(phase, round, policy, examples.map((example) => () => codec.document(example, lengths.example)));
  }

  #candidates(context: Context, round: number, edits: readonly SelfEditRecord[]): Candidate[] {
    const rewards = this.#known().rewards({ phase: 'rl', round, condition: null, contextId: context.id });
    return edits
      .filter(({ contextId }) => contextId === context.id)
      .map(({ id, sequences }) => {
        const own = rewards.filter(({ selfEditId }) => selfEditId === id);
        const eligible = sequences > 0 && own.every(({ status }) => status === 'ok');
        return { selfEditId: id, rewards: own.map((reward) => this.#worth(reward)), eligible };
      });
  }

  #baselines(context: Context, round: number): number[] {
    return (['base', 'control'] as const).flatMap((kind) => {
      const condition = this.#name({ kind, round: null, greedy: false });
      const own = this.#known().rewards({ phase: 'rl', round, condition, contextId: context.id });
      return own.length > 0 ? [mean(own.map((reward) => this.#worth(reward)))] : [];
    });
  }

  async #hasMetric(name: string, round: number): Promise<boolean> {
    return (await this.#store.records('metrics')).some((metric) => metric.name === name && metric.round === round);
  }

  async #recordSpread(round: number, edits: readonly SelfEditRecord[]): Promise<void> {
    if (await this.#hasMetric('reward-spread', round)) return;
    const spread = rewardSpread(this.#contexts(round).map((c) => this.#candidates(c, round, edits).map(({ rewards }) => rewards)));
    const details = { ...spread };
    await this.#store.append('metrics', { name: 'reward-spread', value: spread.betweenEdits, round, condition: null, details });
  }

  /** Measures the kept edits on a repeat that did not choose them: what selection gained beyond luck. */
  async #rescoreWinners(round: number, policy: Policy, chosen: ReadonlyMap<string, readonly string[]>): Promise<void> {
    if (await this.#hasMetric('winner', round)) return;
    const ledger = this.#known();
    const most = Math.max(0, ...[...chosen.values()].map(({ length }) => length));
    if (most === 0) return;
    const repeat = this.#input.config.outer.repeats;
    const where = { phase: 'rl', round, condition: WINNER } as const;
    const jobs = upTo(most).flatMap((place) => {
      const kept = this.#contexts(round).filter(({ id }) => chosen.get(id)?.[place] !== undefined);
      const winner = ({ id }: Context) => ledger.edit(chosen.get(id)?.[place] ?? '');
      return this.#jobs(this.#groups(kept), where, 1, winner).map((job) => ({ ...job, repeat, sample: place }));
    });
    await this.#measure(policy, jobs);
    const average = (rewards: readonly RewardRecord[]) => mean(rewards.map((reward) => this.#worth(reward)));
    const rescored = average(ledger.rewards({ phase: 'rl', round, condition: WINNER }));
    const all = ledger.rewards({ phase: 'rl', round, condition: null });
    const inSample = average(all.filter(({ contextId, selfEditId }) => selfEditId !== null && chosen.get(contextId)?.includes(selfEditId)));
    const details = { inSample, rescored, everyEdit: average(all) };
    await this.#store.append('metrics', { name: 'winner', value: rescored, round, condition: null, details });
  }

  async #fineTune(phase: 'rl' | 'random', round: number, policy: Policy, examples: readonly (() => ReturnType<RunInput['codec']['document']>)[]): Promise<Policy> {
    const { config, seed } = this.#input;
    const lora = loraConfig(config.outer.sft.lora);
    const after = (adapterDigest: string, digest: string): Policy => ({ ref: { adapters: [...policy.ref.adapters, { digest: adapterDigest, lora }] }, digest });
    const known = (await this.#store.records('sft')).find((one) => one.phase === phase && one.round === round);
    if (known) {
      this.#meter.fineTuned(null);
      return known.adapterDigest === null ? policy : after(known.adapterDigest, known.policyAfter);
    }
    this.#meter.enter('fine-tuning', round);
    const base = { round, phase, policyBefore: policy.digest };
    if (examples.length === 0) {
      const nothing = { examples: 0, steps: 0, losses: [], policyAfter: policy.digest, adapterDigest: null };
      await this.#store.append('sft', { ...base, ...nothing });
      this.#meter.fineTuned(null);
      const note = phase === 'rl' && nothingKept(round, { selections: await this.#store.records('selections') }, this.#input.domain.terms);
      if (note) this.#hooks.onNote?.(note);
      return policy;
    }
    const begun = performance.now();
    const work = { policy: policy.ref, documents: examples.map((document) => document()), stream: [seed, 'sft', phase, round] as const };
    const { files, losses, policyDigest } = await this.#executor.fineTune(work, { signal: this.#hooks.signal });
    const adapterDigest = await this.#store.putBlob('adapters', files);
    const result = { examples: examples.length, steps: losses.length, losses: [...losses], policyAfter: policyDigest, adapterDigest };
    await this.#store.append('sft', { ...base, ...result });
    await this.#store.checkpoint();
    const seconds = (performance.now() - begun) / 1_000;
    this.timings.fineTuning += seconds;
    this.#meter.fineTuned(seconds);
    return after(adapterDigest, policyDigest);
  }

  /** The table: every condition on the held-out contexts, `evaluation.repeats` times. */
  async #evaluate({ rounds, random }: Policies): Promise<RewardRecord[]> {
    const { config, evaluation } = this.#input;
    const last = rounds.length - 1;
    this.#meter.enter('evaluation', null);
    for (const together of tableRows(config, this.#parts)) {
      const [first] = together;
      if (!first) continue;
      const policy = first.policy === 'random' ? (random ?? this.#initial) : (rounds[first.policy] ?? this.#initial);
      const round = first.policy === 'random' ? last : first.policy;
      const jobs: Job[] = [];
      for (const row of together) jobs.push(...(await this.#rowJobs(row, policy, round)));
      if (first.steps === 'none') await this.#examiner?.measureUnadapted(policy, this.#unadapted(evaluation, { phase: 'evaluate', round: 0 }, first.condition.kind === 'reading' ? 'reading' : 'base'));
      else await this.#measure(policy, jobs);
    }
    return this.#known().rewards({ phase: 'evaluate' });
  }

  /** The jobs of a row, its self-edits written. */
  async #rowJobs(row: Row, policy: Policy, round: number): Promise<Job[]> {
    const { config, evaluation } = this.#input;
    if (row.steps === 'none') return [];
    const { repeats } = config.evaluation;
    const groups = this.#groups(evaluation);
    const where = { phase: 'evaluate', round, condition: this.#name(row.condition) } as const;
    if (row.edits === 'none') {
      const steps = row.steps === 'matched' ? this.#matchedSteps() : config.inner.steps;
      return this.#jobs(groups, where, repeats, () => null, steps);
    }
    if (row.edits === 'perfect') {
      const perfect = new Map<string, SelfEditRecord>();
      for (const context of evaluation) perfect.set(context.id, await this.#perfectEdit(context, where.condition));
      return this.#jobs(groups, where, repeats, ({ id }) => perfect.get(id) ?? null);
    }
    const isGreedy = row.edits === 'greedy';
    const samples = isGreedy ? [0] : upTo(repeats);
    const temperature = isGreedy ? 0 : config.outer.temperature;
    const edits = await this.#write(evaluation, policy, { ...where, samples, temperature });
    const find = new Map(edits.map((edit) => [`${edit.contextId}/${edit.sample}`, edit]));
    return this.#jobs(groups, where, repeats, ({ id }, repeat) => find.get(`${id}/${isGreedy ? 0 : repeat}`) ?? null);
  }

  #perfectEdit(context: Context, condition: string): Promise<SelfEditRecord> {
    const { domain, codec } = this.#input;
    const text = domain.perfectSelfEdit?.(context) ?? '';
    const where = { round: 0, phase: 'evaluate', condition, contextId: context.id, sample: 0 } as const;
    const tokens = codec.prompt(text).length;
    const id = digestId({ oracle: context.id, text });
    return this.#known().addEdit(context, { id, ...where, text, tokens, policyDigest: 'generator', stream: 'oracle' });
  }

  /** Steps in which the control alone is as many tokens as the last round's self-edits were. */
  #matchedSteps(): number {
    const { outer, inner } = this.#input.config;
    const tokens = (kind: 'round' | 'control') => {
      const condition = this.#name({ kind, round: kind === 'round' ? outer.rounds : null, greedy: false });
      return trainedTokens(this.#known().rewards({ phase: 'evaluate', condition }));
    };
    return Math.max(1, Math.round((inner.steps * tokens('round')) / tokens('control')));
  }
}

/** Groups of contexts that may share an adapter, of at most `size`. */
export function groupContexts(domain: Domain, contexts: readonly Context[], size: number): Context[][] {
  return groupWithoutConflicts(contexts, size, (a, b) => domain.conflicts?.(a, b) ?? false);
}
