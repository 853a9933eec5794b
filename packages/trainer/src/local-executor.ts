/** Executes work on a model in this process: one device, one model whose weights change with the policy. */

import { digest } from '@seal/files/node';
import { streamOf } from '@seal/files';
import {
  adapterFiles,
  cacheSlots,
  Generator,
  loraLayout,
  LoraPack,
  Scorer,
  type AdapterValues,
  type Completion,
  type HostWeights,
  type LoraConfig,
  type Model,
  type Piece,
  type ScoredText,
} from '@seal/model';
import { InnerLoop, type Adapted } from './inner-loop.ts';
import { afterRound, fineTune, weightsDigest } from './policy.ts';
import { Turns } from './turns.ts';
import type {
  AdaptedRecord,
  AdaptResult,
  AdaptWork,
  AnswerWork,
  Executor,
  ExecutorSettings,
  FineTuneResult,
  FineTuneWork,
  PolicyRef,
  ReadAdapter,
  Sampled,
  ScoreWork,
  WorkHooks,
  WriteWork,
} from './work.ts';

/** Most sequences that are decoded side by side, and most bytes of their keys and values. */
const SLOTS = 192;
const CACHE_BYTES = 2 ** 30;
/** Tokens of gold answers with their prompts that are read in one pass; a longer text has a pass that holds it. */
export const SCORED_TOKENS = 2_048;

/** Sequences of `length` tokens that may be decoded side by side; every layer's keys fit into one binding. */
export function slotsFor(model: Model, length: number): number {
  const { numHiddenLayers: L, numKeyValueHeads: K, headDim: D } = model.config;
  return Math.max(1, Math.min(SLOTS, cacheSlots(model, length), Math.floor(CACHE_BYTES / (2 * L * 4 * length * K * D))));
}

/** Consecutive works of one policy and temperature that together want at most `slots` texts, or one that wants more. */
function* groupsOf(works: readonly WriteWork[], slots: number): Iterable<WriteWork[]> {
  let group: WriteWork[] = [];
  let wanted = 0;
  for (const work of works) {
    const [first] = group;
    const differs = first !== undefined && (keyOf(first.policy) !== keyOf(work.policy) || first.temperature !== work.temperature);
    if (group.length > 0 && (differs || wanted + work.streams.length > slots)) {
      yield group;
      [group, wanted] = [[], 0];
    }
    group.push(work);
    wanted += work.streams.length;
  }
  if (group.length > 0) yield group;
}

/** Names a policy over one base. */
function keyOf({ adapters }: PolicyRef): string {
  return adapters.map((one) => one.digest).join(' ');
}

function sampled({ tokens, finish }: Completion): Sampled {
  return { tokens, broken: finish === 'length' };
}

/** What a local executor is given. */
export interface LocalParts {
  readonly model: Model;
  /** The weights that the model was loaded with, on the host; asked for where a policy changes them. */
  readonly baseWeights: () => Promise<HostWeights>;
  readonly settings: ExecutorSettings;
  readonly readAdapter: ReadAdapter;
}

/** Owns its buffers until `close`; the model stays its owner's. */
export class LocalExecutor implements Executor {
  readonly model: Model;
  readonly inner: InnerLoop;
  readonly #parts: LocalParts;
  readonly #turns = new Turns();
  /** Trained adapters while they answer; the slots of the inner loop have their next adapters meanwhile. */
  readonly #trained: LoraPack;
  readonly #answering: Generator;
  readonly #writing: Generator;
  /** Read gold answers by trained adapters and by the weights alone; made when they are first asked. */
  #scoring: { trained?: Scorer; plain?: Scorer } = {};
  #base: HostWeights | null = null;
  /** The policy whose weights are on the device, and those weights where they are not the base's. */
  #current: { readonly adapters: PolicyRef['adapters']; readonly weights: HostWeights | null } = { adapters: [], weights: null };

  constructor(parts: LocalParts) {
    const { model, settings } = parts;
    const { inner, answering, writing } = settings;
    this.#parts = parts;
    this.model = model;
    this.inner = new InnerLoop(model, inner.lora, inner, inner);
    this.#trained = new LoraPack(model.gpu.device, model.config, inner.lora, inner.packSize);
    this.#answering = new Generator(model, this.#trained, { slots: slotsFor(model, answering), length: answering, prefillTokens: 2_048 });
    this.#writing = new Generator(model, null, { slots: slotsFor(model, writing), length: writing, prefillTokens: 4_096 });
  }

  /** Prompt tokens read so far, for answers and for self-edits. */
  get promptTokens(): number {
    return this.#answering.promptTokens + this.#writing.promptTokens;
  }

  async baseDigest(): Promise<string> {
    return weightsDigest(await this.#baseWeights());
  }

  async *write(work: readonly WriteWork[], { onProgress, signal }: WorkHooks = {}): AsyncGenerator<Sampled[][]> {
    const release = await this.#turns.take();
    try {
      const { maxSelfEditTokens: maxNewTokens, topP, stopTokens } = this.#parts.settings;
      let tokens = 0;
      const onPieces = (pieces: readonly Piece[]) => {
        for (const piece of pieces) tokens += piece.tokens.length;
        onProgress?.({ type: 'written', tokens });
      };
      for (const group of groupsOf(work, this.#writing.sizes.slots)) {
        const [first] = group;
        if (!first) continue;
        await this.#use(first.policy);
        const requests = group.map(({ prompt, streams }) => ({
          prompt,
          draws: streams.map((name) => {
            const random = streamOf(name);
            return () => random.next();
          }),
        }));
        const options = { temperature: first.temperature, topP, maxNewTokens, stopTokens, onPieces, signal };
        const completions = await this.#writing.generate(requests, options);
        yield completions.map((own) => own.map(sampled));
      }
    } finally {
      release();
    }
  }

  async *adapt(work: readonly AdaptWork[], { onProgress, signal }: WorkHooks = {}): AsyncGenerator<AdaptResult[]> {
    const release = await this.#turns.take();
    try {
      const byPolicy = Map.groupBy(work.entries(), ([, { policy }]) => keyOf(policy));
      let before = 0;
      for (const entries of byPolicy.values()) {
        const own = entries.map(([index, one]) => ({ index, work: one }));
        const [first] = own;
        if (!first) continue;
        await this.#use(first.work.policy);
        const report: WorkHooks['onProgress'] = (progress) => onProgress?.(progress.type === 'trained' ? { ...progress, adapters: before + progress.adapters } : progress);
        yield* this.#adapt(own, { onProgress: report, signal });
        before += own.length;
      }
    } finally {
      release();
    }
  }

  /** Trains adapters of one policy and lets each answer; yields them by as many as answer side by side. */
  async *#adapt(work: readonly { readonly index: number; readonly work: AdaptWork }[], { onProgress, signal }: WorkHooks): AsyncGenerator<AdaptResult[]> {
    const adaptations = work.map((one) => one.work);
    let left = work.length;
    let group: { readonly index: number; readonly adapted: Adapted }[] = [];
    let begun = performance.now();
    const spent = (on: 'adapting' | 'answering') => {
      const now = performance.now();
      onProgress?.({ type: 'spent', on, seconds: (now - begun) / 1_000 });
      begun = now;
    };
    for await (const trained of this.inner.train(adaptations, (progress) => onProgress?.({ type: 'trained', ...progress }), signal)) {
      group.push(trained);
      left -= 1;
      if (group.length < this.#trained.capacity && left > 0) continue;
      spent('adapting');
      const answers = await this.#answers(group.map(({ index, adapted }) => ({ adapted, ask: adaptations[index]?.ask ?? [] })), signal);
      const scores = await this.#scores(group.map(({ index }) => adaptations[index]?.score ?? []), signal);
      spent('answering');
      yield group.map(({ index, adapted }, i) => ({
        index: work[index]?.index ?? index,
        adapted: this.#recordOf(adapted, adaptations[index]?.keep ?? false),
        answers: answers[i] ?? [],
        scores: scores[i] ?? [],
      }));
      begun = performance.now();
      group = [];
    }
  }

  #recordOf({ values, steps, trainedTokens, firstLoss, lastLoss, status, cause }: Adapted, keep: boolean): AdaptedRecord {
    const { inner, baseModel } = this.#parts.settings;
    const files = this.#filesOf(inner.lora, values, baseModel);
    return { steps, trainedTokens, firstLoss, lastLoss, status, cause, digest: digest(files['adapter_model.safetensors']), files: keep ? files : null };
  }

  #filesOf(lora: LoraConfig, values: AdapterValues, baseModel: string) {
    return adapterFiles(loraLayout(this.model.config, lora), lora, values, baseModel);
  }

  /** Greedy answers of trained adapters, as many as the pack holds, each to its own prompts. */
  async #answers(group: readonly { readonly adapted: Adapted; readonly ask: AdaptWork['ask'] }[], signal: AbortSignal | undefined): Promise<Sampled[][]> {
    group.forEach(({ adapted }, slot) => this.#trained.write(slot, adapted.values, adapted.lora));
    const requests = group.flatMap(({ ask }, adapter) => ask.map((prompt) => ({ prompt, adapter, family: 'questions', draws: [() => 0] })));
    const completions = requests.length === 0 ? [] : await this.#answering.generate(requests, this.#answerOptions(signal));
    return divided(group.map(({ ask }) => ask.length), completions);
  }

  async answer(work: readonly AnswerWork[], { signal }: WorkHooks = {}): Promise<Sampled[][]> {
    return this.#turns.alone(async () => {
      const answers: Sampled[][] = [];
      for (const own of Map.groupBy(work.entries(), ([, { policy }]) => keyOf(policy)).values()) {
        const [[, first] = []] = own;
        if (!first) continue;
        await this.#use(first.policy);
        const requests = own.flatMap(([, { ask }], group) => ask.map((prompt) => ({ prompt, family: `group ${group}`, draws: [() => 0] })));
        const completions = await this.#writing.generate(requests, this.#answerOptions(signal));
        divided(own.map(([, { ask }]) => ask.length), completions).forEach((one, i) => (answers[own[i]?.[0] ?? i] = one));
      }
      return answers;
    });
  }

  async score(work: readonly ScoreWork[], { signal }: WorkHooks = {}): Promise<(number | null)[][]> {
    return this.#turns.alone(async () => {
      const scores: (number | null)[][] = [];
      for (const own of Map.groupBy(work.entries(), ([, { policy }]) => keyOf(policy)).values()) {
        const [[, first] = []] = own;
        if (!first) continue;
        await this.#use(first.policy);
        for (const [index, { score }] of own) {
          signal?.throwIfAborted();
          this.#scoring.plain ??= this.#scorer(null);
          const [found = []] = await this.#scoring.plain.score([score]);
          scores[index] = found.map(finiteOrNull);
        }
      }
      return scores;
    });
  }

  /** How likely the adapters that answer find their gold answers. */
  async #scores(groups: readonly (readonly ScoredText[])[], signal: AbortSignal | undefined): Promise<(number | null)[][]> {
    if (groups.every(({ length }) => length === 0)) return [];
    signal?.throwIfAborted();
    this.#scoring.trained ??= this.#scorer(this.#trained);
    return (await this.#scoring.trained.score(groups)).map((own) => own.map(finiteOrNull));
  }

  #scorer(pack: LoraPack | null): Scorer {
    return new Scorer(this.model, pack, Math.ceil(Math.max(SCORED_TOKENS, this.#parts.settings.answering) / 8) * 8);
  }

  async fineTune({ policy, documents, stream }: FineTuneWork, { signal }: WorkHooks = {}): Promise<FineTuneResult> {
    return this.#turns.alone(async () => {
      await this.#use(policy);
      const { sft, baseModel } = this.#parts.settings;
      const { values, losses } = await fineTune(this.model, documents, sft, streamOf(stream), signal);
      const files = this.#filesOf(sft.lora, values, baseModel);
      const weights = this.#current.weights ?? (await this.#baseWeights());
      const merged = afterRound(weights, this.model.config, sft.lora, files['adapter_model.safetensors'], 'the adapter of this round');
      return { digest: digest(files['adapter_model.safetensors']), files, losses, policyDigest: weightsDigest(merged) };
    });
  }

  async close(): Promise<void> {
    this.inner.destroy();
    this.#trained.destroy();
    this.#answering.destroy();
    this.#writing.destroy();
    this.#scoring.trained?.destroy();
    this.#scoring.plain?.destroy();
  }

  async #baseWeights(): Promise<HostWeights> {
    this.#base ??= await this.#parts.baseWeights();
    return this.#base;
  }

  /** Puts a policy's weights on the device, unless they are there already. */
  async #use(policy: PolicyRef): Promise<void> {
    const { adapters, weights } = this.#current;
    if (keyOf(policy) === keyOf({ adapters })) return;
    // A policy grows by one adapter a round: what is merged already is not merged again.
    const isFurther = weights !== null && adapters.every((one, i) => one.digest === policy.adapters[i]?.digest);
    let merged = isFurther ? weights : await this.#baseWeights();
    for (const { digest: sha, lora } of policy.adapters.slice(isFurther ? adapters.length : 0)) {
      merged = afterRound(merged, this.model.config, lora, await this.#parts.readAdapter(sha), `adapter ${sha}`);
    }
    this.model.write(merged);
    this.#scoring.trained?.forget();
    this.#current = { adapters: policy.adapters, weights: policy.adapters.length === 0 ? null : merged };
  }

  #answerOptions(signal: AbortSignal | undefined) {
    const { maxAnswerTokens: maxNewTokens, stopTokens } = this.#parts.settings;
    return { temperature: 0, topP: 1, maxNewTokens, stopTokens, signal };
  }
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** First completions of consecutive requests, by groups of `counts` of them. */
function divided(counts: readonly number[], completions: readonly (readonly Completion[])[]): Sampled[][] {
  let next = 0;
  return counts.map((count) =>
    Array.from({ length: count }, () => {
      const [completion] = completions[next++] ?? [];
      return completion ? sampled(completion) : { tokens: [], broken: false };
    }),
  );
}
