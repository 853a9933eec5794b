/** The recorded passes of a run over one model whose weights are exchanged as the policy changes. */

import type { Task } from '@seal/domains';
import {
  cacheSlots,
  Generator,
  LoraPack,
  PROJECTIONS,
  type Completion,
  type GenerationRequest,
  type HostWeights,
  type LoraConfig,
  type Model,
  type Piece,
} from '@seal/model';
import type { SealConfig } from './config.ts';
import { InnerLoop, type Adaptation, type Adapted } from './inner-loop.ts';
import { lengthsOf, type Lengths } from './lengths.ts';
import type { Codec } from './sequences.ts';

/** Weights with their digest. */
export interface Policy {
  readonly weights: HostWeights;
  readonly digest: string;
}

/** Answers of one adapter to its tasks; `index` is the place of its job. */
export interface Answered {
  readonly index: number;
  readonly adapted: Adapted;
  readonly answers: readonly string[];
}

/** What asks for self-edits, and a source of uniform numbers in [0, 1) for each of them. */
export interface WritingPrompt {
  readonly prompt: string;
  readonly draws: readonly (() => number)[];
}

/** A sampled text. */
export interface Written {
  readonly text: string;
  readonly tokens: number;
}

/** What a bench tells while it writes, and what stops it. */
export interface WritingHooks {
  /** Gets the tokens written so far, of all texts. */
  readonly onTokens?: (tokens: number) => void;
  /** Its reason is thrown before the next token. */
  readonly signal?: AbortSignal | undefined;
}

/** Most sequences that are decoded side by side, and most bytes of their keys and values. */
const SLOTS = 192;
const CACHE_BYTES = 2 ** 30;

/** Sequences of `length` tokens that may be decoded side by side; every layer's keys fit into one binding. */
export function slotsFor(model: Model, length: number): number {
  const { numHiddenLayers: L, numKeyValueHeads: K, headDim: D } = model.config;
  return Math.max(1, Math.min(SLOTS, cacheSlots(model, length), Math.floor(CACHE_BYTES / (2 * L * 4 * length * K * D))));
}

/** Consecutive prompts that together want at most `slots` texts, or one that wants more. */
function* groupsOf(prompts: readonly WritingPrompt[], slots: number): Iterable<WritingPrompt[]> {
  let group: WritingPrompt[] = [];
  let wanted = 0;
  for (const prompt of prompts) {
    if (group.length > 0 && wanted + prompt.draws.length > slots) {
      yield group;
      [group, wanted] = [[], 0];
    }
    group.push(prompt);
    wanted += prompt.draws.length;
  }
  if (group.length > 0) yield group;
}

/** Configuration words to projections. */
export function loraConfig({ rank, alpha, targets }: SealConfig['inner']['lora']): LoraConfig {
  const chosen = targets === 'all' ? PROJECTIONS : PROJECTIONS.filter((p) => p.endsWith('q_proj') || p.endsWith('v_proj'));
  return { rank, alpha, targets: chosen };
}

/** Model, adapters and generators of a run. Owns its buffers until `destroy`; the model stays its owner's. */
export class Workbench {
  readonly model: Model;
  readonly codec: Codec;
  readonly lengths: Lengths;
  readonly inner: InnerLoop;
  /** Trained adapters while they answer; the slots of the inner loop have their next adapters meanwhile. */
  #trained: LoraPack;
  #answering: Generator;
  #writing: Generator;
  #config: SealConfig;
  #current: string | null = null;
  #broken = { answers: 0, selfEdits: 0 };

  /** `lengths` are of the model's positions and `config`. */
  constructor(model: Model, codec: Codec, config: SealConfig, lengths = lengthsOf(config, model.config.maxPositionEmbeddings)) {
    const { inner } = config;
    this.model = model;
    this.codec = codec;
    this.lengths = lengths;
    this.#config = config;
    this.inner = new InnerLoop(model, loraConfig(inner.lora), inner, inner);
    this.#trained = new LoraPack(model.gpu.device, model.config, this.inner.pack.config, inner.packSize);
    const { answering, writing } = lengths;
    this.#answering = new Generator(model, this.#trained, { slots: slotsFor(model, answering), length: answering, prefillTokens: 2_048 });
    this.#writing = new Generator(model, null, { slots: slotsFor(model, writing), length: writing, prefillTokens: 4_096 });
  }

  /** Puts a policy's weights on the device, unless they are there already. */
  use(policy: Policy): void {
    if (this.#current === policy.digest) return;
    this.model.write(policy.weights);
    this.#current = policy.digest;
  }

  /**
   * Trains one adapter per job and lets each answer its own tasks; yields groups of them as they are done, in no
   * particular order. `onProgress` gets the training done so far, in adapters.
   */
  async *adaptAndAnswer(
    jobs: readonly { readonly adaptation: Adaptation; readonly tasks: readonly Task[] }[],
    onProgress: (adapters: number) => void,
    clock: { adapt(ms: number): void; answer(ms: number): void },
    signal?: AbortSignal,
  ): AsyncGenerator<Answered[]> {
    let begun = performance.now();
    const adaptations = jobs.map(({ adaptation }) => adaptation);
    let left = jobs.length;
    let group: { readonly index: number; readonly adapted: Adapted }[] = [];
    for await (const trained of this.inner.train(adaptations, onProgress, signal)) {
      group.push(trained);
      left -= 1;
      if (group.length < this.#trained.capacity && left > 0) continue;
      const done = performance.now();
      clock.adapt(done - begun);
      const answers = await this.#answers(group.map(({ index, adapted }) => ({ adapted, tasks: jobs[index]?.tasks ?? [] })), signal);
      begun = performance.now();
      clock.answer(begun - done);
      yield group.map((one, i) => ({ ...one, answers: answers[i] ?? [] }));
      begun = performance.now();
      group = [];
    }
  }

  /** Greedy answers of trained adapters, as many as the pack holds, each to its own tasks. */
  async #answers(
    group: readonly { readonly adapted: Adapted; readonly tasks: readonly Task[] }[],
    signal: AbortSignal | undefined,
  ): Promise<string[][]> {
    group.forEach(({ adapted }, slot) => this.#trained.write(slot, adapted.values, adapted.lora));
    const requests = group.flatMap(({ tasks }, adapter) =>
      tasks.map((task) => ({ prompt: this.codec.prompt(task.prompt), adapter, family: 'questions', draws: [() => 0] })),
    );
    const completions = await this.#answering.generate(requests, this.#answerOptions(signal));
    return this.#texts(group.map(({ tasks }) => tasks), requests, completions);
  }

  /** Answers by group of tasks, without the white space around them. */
  #texts(
    groups: readonly (readonly Task[])[],
    requests: readonly GenerationRequest[],
    completions: readonly (readonly Completion[])[],
  ): string[][] {
    let next = 0;
    return groups.map((tasks) =>
      tasks.map(() => {
        const at = next++;
        const completion = completions[at]?.[0];
        if (completion?.finish === 'length') this.#broken.answers += 1;
        return this.codec.decode(completion?.tokens ?? [], requests[at]?.prompt).trim();
      }),
    );
  }

  /** Answers and self-edits so far that reached their most tokens and were broken off. */
  get broken(): { readonly answers: number; readonly selfEdits: number } {
    return { ...this.#broken };
  }

  /** Prompt tokens read so far, for answers and for self-edits. */
  get promptTokens(): number {
    return this.#answering.promptTokens + this.#writing.promptTokens;
  }

  /**
   * Greedy answers of the weights alone to groups of tasks; the tasks of a group are always asked together. Throws the
   * signal's reason.
   */
  async answer(groups: readonly (readonly Task[])[], signal?: AbortSignal): Promise<string[][]> {
    const requests = groups.flatMap((tasks, group) =>
      tasks.map(({ prompt }) => ({ prompt: this.codec.prompt(prompt), family: `group ${group}`, draws: [() => 0] })),
    );
    const completions = await this.#writing.generate(requests, this.#answerOptions(signal));
    return this.#texts(groups, requests, completions);
  }

  /** All self-edits of `writeGroups`, by prompt. */
  async write(prompts: readonly WritingPrompt[], temperature: number, hooks?: WritingHooks): Promise<Written[][]> {
    const written: Written[][] = [];
    for await (const group of this.writeGroups(prompts, temperature, hooks)) written.push(...group);
    return written;
  }

  /**
   * Self-edits of the weights alone, one per source of random numbers; temperature 0 is greedy. Yields those of the next
   * prompts when they are written, as many at once as are decoded side by side.
   */
  async *writeGroups(
    prompts: readonly WritingPrompt[],
    temperature: number,
    { onTokens = () => {}, signal }: WritingHooks = {},
  ): AsyncGenerator<Written[][]> {
    const { maxSelfEditTokens: maxNewTokens, topP } = this.#config.outer;
    let count = 0;
    const onPieces = (pieces: readonly Piece[]) => {
      for (const { tokens } of pieces) count += tokens.length;
      onTokens(count);
    };
    const options = { temperature, topP, maxNewTokens, stopTokens: this.codec.stopTokens, onPieces, signal };
    for (const group of groupsOf(prompts, this.#writing.sizes.slots)) {
      const requests = group.map(({ prompt, draws }) => ({ prompt: this.codec.prompt(prompt), draws }));
      const completions = await this.#writing.generate(requests, options);
      yield completions.map((samples, i) =>
        samples.map(({ tokens, finish }) => {
          const broken = finish === 'length';
          if (broken) this.#broken.selfEdits += 1;
          return { text: this.codec.decode(tokens, requests[i]?.prompt, broken), tokens: tokens.length };
        }),
      );
    }
  }

  #answerOptions(signal: AbortSignal | undefined) {
    const { maxAnswerTokens: maxNewTokens } = this.#config.inner;
    return { temperature: 0, topP: 1, maxNewTokens, stopTokens: this.codec.stopTokens, signal };
  }

  destroy(): void {
    this.inner.destroy();
    this.#trained.destroy();
    this.#answering.destroy();
    this.#writing.destroy();
  }
}
