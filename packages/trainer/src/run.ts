/**
 * A whole run: rounds of ReST-EM, then the table on held-out contexts.
 *
 * Every self-edit, reward, selection and fine-tuning is looked up in the run's records before it is made, so that going
 * on after a stop is the same code as starting: what is there is recalled, what is missing is made, with the same bits.
 */

import { stream } from '@seal/files';
import { digest, digestId } from '@seal/files/node';
import { type Context, type Domain } from '@seal/domains';
import { adapterFiles, loraLayout } from '@seal/model';
import { type Phase, type RewardRecord, type RunDirectory, type SelfEditRecord } from '@seal/runs';
import { Examiner, trainedTokens, type ExaminerInput, type Job, type Timings } from './examiner.ts';
import { Ledger } from './ledger.ts';
import { nothingKept } from './notes.ts';
import { afterRound, fineTune } from './policy.ts';
import { ProgressMeter, type Progress } from './progress.ts';
import { groupWithoutConflicts, selectBest, selectRandom, type Candidate } from './selection.ts';
import { mean, rewardSpread } from './statistics.ts';
import { loraConfig, type Policy, type Workbench } from './workbench.ts';

/** What a run works on. */
export interface RunInput extends ExaminerInput {
  /** Contexts of every round, `outer.contexts` each. */
  readonly rounds: readonly (readonly Context[])[];
  /** Held-out contexts of the table. */
  readonly evaluation: readonly Context[];
  readonly initial: Policy;
}

/** Self-edits to write: who is asked, under which names. */
interface Wish {
  readonly phase: Phase;
  readonly round: number;
  readonly condition: string | null;
  readonly samples: readonly number[];
  readonly temperature: number;
}

/** The self-edit of a context in a repeat, or null for the passage alone. */
type EditOf = (context: Context, repeat: number) => SelfEditRecord | null;

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** A run under way. */
export class SealRun {
  readonly timings: Timings = { sampling: 0, adapting: 0, answering: 0, fineTuning: 0 };
  readonly #input: RunInput;
  readonly #bench: Workbench;
  readonly #store: RunDirectory;
  readonly #meter: ProgressMeter;
  readonly #signal: AbortSignal | undefined;
  readonly #onNote: (note: string) => void;
  readonly #ledger: Ledger;
  readonly #examiner: Examiner;

  constructor(
    input: RunInput,
    bench: Workbench,
    store: RunDirectory,
    options: {
      readonly onProgress?: (progress: Progress) => void;
      /** Told what a reader should know at once. */
      readonly onNote?: (note: string) => void;
      readonly signal?: AbortSignal;
    } = {},
  ) {
    this.#input = input;
    this.#bench = bench;
    this.#store = store;
    this.#signal = options.signal;
    this.#onNote = options.onNote ?? (() => {});
    this.#meter = new ProgressMeter(plannedWork(input), options.onProgress ?? (() => {}));
    this.#ledger = new Ledger(store, input.domain);
    this.#examiner = new Examiner(input, bench, store, this.#ledger, this.#meter, this.timings, options.signal);
  }

  /**
   * Runs or goes on to the end and returns the rewards of the final evaluation. Rejects with the signal's reason when
   * stopped; the records then hold everything that was finished.
   */
  async complete(): Promise<RewardRecord[]> {
    const { config, initial } = this.#input;
    const policies: Policy[] = [initial];
    let random: Policy | null = config.evaluation.randomSelection && config.outer.rounds > 0 ? initial : null;
    for (let round = 1; round <= config.outer.rounds; round++) {
      const before = policies.at(-1) ?? initial;
      const edits = await this.#sampleRound('rl', round, before);
      await this.#rewardRound(round, before, edits);
      policies.push(await this.#learn('rl', round, before, edits));
      if (!random) continue;
      const own = round === 1 ? edits : await this.#sampleRound('random', round, random);
      random = await this.#learn('random', round, random, own);
    }
    return this.#evaluate(policies, random);
  }

  #contexts(round: number): readonly Context[] {
    const contexts = this.#input.rounds[round - 1];
    if (!contexts) throw new RangeError(`Cannot run round ${round}: there are contexts for ${this.#input.rounds.length}`);
    return contexts;
  }

  #groups(contexts: readonly Context[]): Context[][] {
    return grouped(this.#input.domain, contexts, this.#input.config.inner.contextsPerAdapter);
  }

  /** M self-edits of every context of a round, written by `policy`. */
  #sampleRound(phase: 'rl' | 'random', round: number, policy: Policy): Promise<SelfEditRecord[]> {
    const { samples, temperature } = this.#input.config.outer;
    this.#meter.enter('self-edits', round);
    return this.#write(this.#contexts(round), policy, { phase, round, condition: null, samples: upTo(samples), temperature });
  }

  async #write(contexts: readonly Context[], policy: Policy, wish: Wish): Promise<SelfEditRecord[]> {
    const { domain, seed } = this.#input;
    const { samples, temperature, ...where } = wish;
    const wanted = contexts.flatMap((context) =>
      samples.map((sample) => {
        const name = ['self-edit', where.phase, where.condition ?? '', where.round, context.id, sample] as const;
        const identity = { name: [seed, ...name], policy: policy.digest, prompt: domain.prompt(context), temperature };
        return { context, sample, name, id: digestId(identity) };
      }),
    );
    const missing = wanted.filter(({ id }) => !this.#ledger.hasEdit(id));
    this.#meter.add({ selfEdits: wanted.length - missing.length, recalled: true });
    if (missing.length > 0) {
      const begun = performance.now();
      this.#bench.use(policy);
      const grouped = [...Map.groupBy(missing, ({ context }) => context)];
      const prompts = grouped.map(([context, items]) => ({
        prompt: domain.prompt(context),
        draws: items.map(({ name }) => {
          const random = stream(seed, ...name);
          return () => random.next();
        }),
      }));
      const hooks = { onTokens: (tokens: number) => this.#meter.writing(tokens), signal: this.#signal };
      let next = 0;
      for await (const written of this.#bench.writeGroups(prompts, temperature, hooks)) {
        const own = grouped.slice(next, (next += written.length));
        own.forEach(([context, items], i) =>
          items.forEach(({ sample, name, id }, j) => {
            const { text, tokens } = written[i]?.[j] ?? { text: '', tokens: 0 };
            const origin = { policyDigest: policy.digest, stream: name.join('/') };
            this.#ledger.addEdit(context, { id, ...where, contextId: context.id, sample, text, tokens, ...origin });
          }),
        );
        this.#store.checkpoint();
        this.#meter.add({ selfEdits: own.reduce((sum, [, items]) => sum + items.length, 0) });
      }
      this.timings.sampling += (performance.now() - begun) / 1_000;
    }
    return wanted.map(({ id }) => this.#ledger.edit(id));
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
    if (outer.selection.threshold === 'none') return this.#examiner.measure(policy, jobs);
    const baseline = this.#jobs(groups, { ...where, condition: 'passage' }, outer.repeats, () => null);
    await this.#examiner.measure(policy, [...jobs, ...baseline]);
    const alone = contexts.map((context) => [context]);
    await this.#examiner.measureUnadapted(policy, this.#jobs(alone, { ...where, condition: 'base' }, 1, () => null, 0));
  }

  /** Keeps self-edits and fine-tunes the policy on them. `random` keeps without looking at rewards. */
  async #learn(phase: 'rl' | 'random', round: number, policy: Policy, edits: readonly SelfEditRecord[]): Promise<Policy> {
    const { seed, config } = this.#input;
    const known = this.#store.records('selections').filter((s) => s.phase === phase && s.round === round);
    const chosen = new Map(known.map(({ contextId, selfEditId }) => [contextId, selfEditId]));
    const rewarded = phase === 'rl';
    for (const context of this.#contexts(round)) {
      if (chosen.has(context.id)) continue;
      const candidates = this.#candidates(context, round, edits);
      const draw = stream(seed, 'selection', phase, round, context.id);
      const { kept, reason } = rewarded
        ? selectBest(candidates, config.outer.selection, this.#baselines(context, round), draw)
        : selectRandom(candidates, draw);
      this.#store.append('selections', {
        round,
        phase,
        contextId: context.id,
        selfEditId: kept?.selfEditId ?? null,
        reward: kept && rewarded ? mean(kept.rewards) : null,
        candidates: rewarded ? candidates.map(({ selfEditId, rewards }) => ({ selfEditId, reward: mean(rewards) })) : [],
        reason,
      });
      chosen.set(context.id, kept?.selfEditId ?? null);
    }
    if (rewarded) {
      this.#recordSpread(round, edits);
      await this.#rescoreWinners(round, policy, chosen);
    }
    const examples = this.#contexts(round).flatMap((context) => {
      const id = chosen.get(context.id);
      return id ? [{ context, text: this.#ledger.edit(id).text }] : [];
    });
    return this.#fineTune(phase, round, policy, examples);
  }

  #candidates(context: Context, round: number, edits: readonly SelfEditRecord[]): Candidate[] {
    const rewards = this.#ledger.rewards({ phase: 'rl', round, condition: null, contextId: context.id });
    return edits
      .filter(({ contextId }) => contextId === context.id)
      .map(({ id, sequences }) => {
        const own = rewards.filter(({ selfEditId }) => selfEditId === id);
        const eligible = sequences > 0 && own.every(({ status }) => status === 'ok');
        return { selfEditId: id, rewards: own.map(({ reward }) => reward), eligible };
      });
  }

  #baselines(context: Context, round: number): number[] {
    return ['base', 'passage'].flatMap((condition) => {
      const own = this.#ledger.rewards({ phase: 'rl', round, condition, contextId: context.id });
      return own.length > 0 ? [mean(own.map(({ reward }) => reward))] : [];
    });
  }

  #recordSpread(round: number, edits: readonly SelfEditRecord[]): void {
    if (this.#store.records('metrics').some((metric) => metric.name === 'reward-spread' && metric.round === round)) return;
    const spread = rewardSpread(this.#contexts(round).map((c) => this.#candidates(c, round, edits).map(({ rewards }) => rewards)));
    const details = { ...spread };
    this.#store.append('metrics', { name: 'reward-spread', value: spread.betweenEdits, round, condition: null, details });
  }

  /** Measures the kept edits on a repeat that did not choose them: what selection gained beyond luck. */
  async #rescoreWinners(round: number, policy: Policy, chosen: ReadonlyMap<string, string | null>): Promise<void> {
    if (this.#store.records('metrics').some((metric) => metric.name === 'winner' && metric.round === round)) return;
    const kept = this.#contexts(round).filter(({ id }) => chosen.get(id));
    if (kept.length === 0) return;
    const winner = ({ id }: Context) => this.#ledger.edit(chosen.get(id) ?? '');
    const repeat = this.#input.config.outer.repeats;
    const where = { phase: 'rl', round, condition: 'winner' } as const;
    const jobs = this.#jobs(this.#groups(kept), where, 1, winner).map((job) => ({ ...job, repeat }));
    await this.#examiner.measure(policy, jobs);
    const average = (rewards: readonly RewardRecord[]) => mean(rewards.map(({ reward }) => reward));
    const rescored = average(this.#ledger.rewards({ phase: 'rl', round, condition: 'winner' }));
    const all = this.#ledger.rewards({ phase: 'rl', round, condition: null });
    const inSample = average(all.filter(({ contextId, selfEditId }) => chosen.get(contextId) === selfEditId));
    const details = { inSample, rescored, everyEdit: average(all) };
    this.#store.append('metrics', { name: 'winner', value: rescored, round, condition: null, details });
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
    const merged = (bytes: Uint8Array): Policy => {
      const weights = afterRound(policy.weights, this.#bench.model.config, lora, bytes, `the adapter of round ${round}`);
      return { weights, digest: weightsDigest(weights) };
    };
    const known = this.#store.records('sft').find((s) => s.phase === phase && s.round === round);
    if (known) return known.adapterDigest === null ? policy : merged(this.#store.readBlob('adapters', known.adapterDigest));
    this.#meter.enter('fine-tuning', round);
    const base = { round, phase, policyBefore: policy.digest };
    if (examples.length === 0) {
      const nothing = { examples: 0, steps: 0, losses: [], policyAfter: policy.digest, adapterDigest: null };
      this.#store.append('sft', { ...base, ...nothing });
      const note = phase === 'rl' && nothingKept(round, { selections: this.#store.records('selections') });
      if (note) this.#onNote(note);
      return policy;
    }
    const begun = performance.now();
    this.#bench.use(policy);
    const { codec, lengths } = this.#bench;
    const documents = examples.map(({ context, text }) => codec.document({ prompt: domain.prompt(context), text }, lengths.example));
    const settings = { ...config.outer.sft, lora };
    const { values, losses } = await fineTune(this.#bench.model, documents, settings, stream(seed, 'sft', phase, round), this.#signal);
    const files = adapterFiles(layout, lora, values, baseModel);
    const adapterDigest = this.#store.putBlob('adapters', files);
    const next = merged(files['adapter_model.safetensors']);
    const result = { examples: examples.length, steps: losses.length, losses, policyAfter: next.digest, adapterDigest };
    this.#store.append('sft', { ...base, ...result });
    this.#store.checkpoint();
    this.timings.fineTuning += (performance.now() - begun) / 1_000;
    return next;
  }

  /** The table: every condition on the held-out contexts, `evaluation.repeats` times. */
  async #evaluate(policies: readonly Policy[], random: Policy | null): Promise<RewardRecord[]> {
    const { config, evaluation, domain, initial } = this.#input;
    const { repeats, oracle } = config.evaluation;
    const groups = this.#groups(evaluation);
    const last = policies.length - 1;
    const where = (condition: string, round: number) => ({ phase: 'evaluate', round, condition }) as const;
    this.#meter.enter('evaluation', null);
    const written = async (condition: string, policy: Policy, round: number, greedy = false): Promise<Job[]> => {
      const samples = greedy ? [0] : upTo(repeats);
      const temperature = greedy ? 0 : config.outer.temperature;
      const edits = await this.#write(evaluation, policy, { ...where(condition, round), samples, temperature });
      const find = new Map(edits.map((edit) => [`${edit.contextId}/${edit.sample}`, edit]));
      const edit: EditOf = ({ id }, repeat) => find.get(`${id}/${greedy ? 0 : repeat}`) ?? null;
      return this.#jobs(groups, where(condition, round), repeats, edit);
    };

    for (let round = last; round >= 1; round--) {
      const policy = policies[round] ?? initial;
      const jobs = await written(`round-${round}`, policy, round);
      if (round === last) jobs.push(...(await written(`round-${round}-greedy`, policy, round, true)));
      await this.#examiner.measure(policy, jobs);
    }
    if (random) await this.#examiner.measure(random, await written('random-selection', random, last));
    const jobs = [
      ...this.#jobs(groups, where('passage', 0), repeats, () => null),
      ...(await written('self-edit', initial, 0)),
      ...(await written('self-edit-greedy', initial, 0, true)),
    ];
    if (oracle && domain.perfectSelfEdit) {
      const perfect = new Map(evaluation.map((context) => [context.id, this.#perfectEdit(context)]));
      jobs.push(...this.#jobs(groups, where('oracle', 0), repeats, ({ id }) => perfect.get(id) ?? null));
    }
    await this.#examiner.measure(initial, jobs);
    if (last >= 1) {
      const steps = this.#matchedSteps(`round-${last}`);
      await this.#examiner.measure(initial, this.#jobs(groups, where('passage-matched', 0), repeats, () => null, steps));
    }
    const alone = evaluation.map((context) => [context]);
    await this.#examiner.measureUnadapted(initial, this.#jobs(alone, where('base', 0), 1, () => null, 0));
    return this.#ledger.rewards({ phase: 'evaluate' });
  }

  #perfectEdit(context: Context): SelfEditRecord {
    const text = this.#input.domain.perfectSelfEdit?.(context) ?? '';
    const where = { round: 0, phase: 'evaluate', condition: 'oracle', contextId: context.id, sample: 0 } as const;
    const tokens = this.#bench.codec.prompt(text).length;
    const id = digestId({ oracle: context.id, text });
    return this.#ledger.addEdit(context, { id, ...where, text, tokens, policyDigest: 'generator', stream: 'oracle' });
  }

  /** Steps in which the passages alone are as many tokens as `condition` trained on. */
  #matchedSteps(condition: string): number {
    const tokens = (name: string) => trainedTokens(this.#ledger.rewards({ phase: 'evaluate', condition: name }));
    return Math.max(1, Math.round((this.#input.config.inner.steps * tokens(condition)) / tokens('passage')));
  }
}

/** SHA-256 over the tensors' names and bytes in order of name. */
export function weightsDigest(weights: Policy['weights']): string {
  const tensors = [...weights].sort(([a], [b]) => (a < b ? -1 : 1));
  return digest(
    tensors.map(([name, { buffer, byteOffset, byteLength }]) => [name, digest(new Uint8Array(buffer, byteOffset, byteLength))]),
  );
}

function grouped(domain: Domain, contexts: readonly Context[], size: number): Context[][] {
  return groupWithoutConflicts(contexts, size, (a, b) => domain.conflicts?.(a, b) ?? false);
}

/** Self-edits and adaptations of a whole run. */
function plannedWork({ config, domain, rounds, evaluation }: RunInput): { selfEdits: number; adaptations: number } {
  const { outer, inner } = config;
  const { repeats, randomSelection, oracle } = config.evaluation;
  const groups = (contexts: readonly Context[]) => grouped(domain, contexts, inner.contextsPerAdapter).length;
  const R = outer.rounds;
  const learnt = Number(R > 0);
  const random = Number(randomSelection) * learnt;
  const used = rounds.slice(0, R);
  const sampled = [...used, ...(random ? used.slice(1) : [])].reduce((sum, contexts) => sum + contexts.length, 0);
  const adapted = used.reduce((sum, contexts) => sum + groups(contexts), 0);
  const perRound = outer.samples * outer.repeats + 1 + (outer.selection.threshold === 'none' ? 0 : outer.repeats);
  // Rounds, self-edit, passage, greedy before; greedy after and matched passages; random selection; oracle.
  const conditions = R + 3 + 2 * learnt + random + Number(oracle);
  return {
    selfEdits: sampled * outer.samples + evaluation.length * ((R + 1 + random) * repeats + 1 + learnt),
    adaptations: adapted * perRound + groups(evaluation) * repeats * conditions,
  };
}
