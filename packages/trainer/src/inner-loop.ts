/**
 * The inner loop: many adapters trained side by side on their own documents, each exactly as it would be alone.
 *
 * An adaptation takes a fixed number of steps; every step draws the next documents from a shuffled list that is shuffled
 * anew when it ends. Adaptations of different ranks, lengths and learning rates share steps as `packer.ts` plans them:
 * one that is over leaves its slot to the next. One whose loss is no longer finite leaves too, and the others go on.
 */

import { streamOf, type Random, type StreamName } from '@seal/files';
import {
  computedTokens,
  initialAdapter,
  LoraPack,
  LoraTrainer,
  segmentTokens,
  type AdapterValues,
  type LoraConfig,
  type LoraScale,
  type Model,
  type Segment,
  type TokenSequence,
} from '@seal/model';
import { Packer, type Part } from './packer.ts';
import { scheduledRate } from './schedules.ts';
import type { InnerProgress, Outcome, Rate, WorkDocument } from './work.ts';

/** One adapter to train. */
export interface Adaptation {
  readonly documents: readonly WorkDocument[];
  /** Retention documents mixed into every step; may be empty. */
  readonly replay: readonly TokenSequence[];
  readonly steps: number;
  readonly rate: Rate;
  /** Rank and alpha, where they are not the pack's; the rank is at most the pack's. */
  readonly lora?: LoraScale;
  /** Draws the initial adapter and the order of documents. */
  readonly stream: StreamName;
}

/** A trained adapter. Where `status` says so, `values` are those before the first step whose loss was not finite. */
export interface Adapted extends Outcome {
  /** In the layout of the adapter's own rank. */
  readonly values: AdapterValues;
  readonly lora: LoraScale;
}

/** Documents a step. */
export interface StepSize {
  readonly documentsPerStep: number;
  readonly replayPerStep: number;
}

/**
 * A shuffled walk over `items`, begun anew when it ends. Walk k leaves out those that want no more than k walks; where
 * nobody wants another, nothing is left to draw.
 */
function cycle<T extends { readonly epochs?: number }>(items: readonly T[], random: Random): () => T[] {
  let queue: T[] = [];
  let walk = 0;
  return () => {
    if (queue.length === 0) {
      queue = random.shuffle(items.filter(({ epochs = Infinity }) => epochs > walk));
      walk += 1;
    }
    return queue.splice(0, 1);
  };
}

/** What a step trains on, and its rate where the documents in it chose one. */
interface PlannedStep {
  readonly segment: Segment;
  readonly chosenRate: number | null;
}

/** The documents of every step of an adaptation. Throws RangeError without documents, or where they are walked over before the last step. */
export function planSteps({ documents, replay, steps, rate }: Adaptation, size: StepSize, random: Random): PlannedStep[] {
  if (documents.length === 0) throw new RangeError('Cannot adapt without documents');
  const nextDocument = cycle(documents, random);
  const nextReplay = cycle<WorkDocument>(replay, random);
  return Array.from({ length: steps }, () => {
    const own = Array.from({ length: size.documentsPerStep }, nextDocument).flat();
    if (own.length === 0) throw new RangeError(`Cannot take ${steps} steps: the documents are walked over in fewer`);
    const rates = own.map(({ learningRate = rate.learningRate }) => learningRate);
    const hasChosen = own.some(({ learningRate }) => learningRate !== undefined);
    return {
      segment: [...own, ...(replay.length > 0 ? Array.from({ length: size.replayPerStep }, nextReplay).flat() : [])],
      chosenRate: hasChosen ? rates.reduce((sum, one) => sum + one, 0) / rates.length : null,
    };
  });
}

/** Tokens that steps worked on. */
export interface TokenUse {
  /** Tokens of documents. */
  readonly content: number;
  /** Tokens computed, masked ones included. */
  readonly computed: number;
}

/** Most steps that are submitted before the host looks at the losses of those before. */
export const STEPS_IN_FLIGHT = 4;
/** Steps that take longer than this in all are not submitted together: a stop waits for what was submitted. */
const PATIENCE_MS = 400;
/** Most bytes of what the layers below the lowest adapted one computed: 58,000 tokens of 576 numbers each. */
const KEPT_BYTES = 2 ** 27;

/** An adaptation under way. */
interface Job {
  readonly index: number;
  readonly lora: LoraScale;
  readonly rate: Rate;
  readonly initial: AdapterValues;
  readonly steps: readonly PlannedStep[];
  /** What was asked for; a job that goes only as far as the adapter was sound takes fewer steps. */
  readonly asked: { readonly steps: number; readonly tokens: number };
  /** The step whose loss was not finite in an earlier attempt. */
  readonly broken: number | null;
  taken: number;
  firstLoss: number;
  lastLoss: number;
}

/** Steps that were submitted together. */
interface Chunk {
  readonly steps: readonly (readonly Part[])[];
  /** Of documents. */
  readonly tokens: number;
  /** Losses by step and slot, and values of the adapters that took their last step, by job. */
  readonly results: Promise<readonly [readonly Float32Array[], readonly (readonly [number, AdapterValues])[]]>;
}

/** A pack of adapters over one model with its training step. Owns its buffers until `destroy`. */
export class InnerLoop {
  readonly pack: LoraPack;
  #trainer: LoraTrainer;
  #size: StepSize;
  #limits: { readonly slots: number; readonly tokensPerStep: number };
  #use = { content: 0, computed: 0 };

  /** `lora` has the largest rank of any adaptation. With `recompute` steps take less memory and longer, to the same bits. */
  constructor(
    model: Model,
    lora: LoraConfig,
    { packSize, tokensPerStep, recompute = false, keptBytes = KEPT_BYTES }: {
      readonly packSize: number;
      readonly tokensPerStep: number;
      readonly recompute?: boolean;
      /** Null keeps nothing. */
      readonly keptBytes?: number | null;
    },
    size: StepSize,
  ) {
    this.#size = size;
    this.#limits = { slots: packSize, tokensPerStep };
    this.pack = new LoraPack(model.gpu.device, model.config, lora, packSize);
    this.#trainer = new LoraTrainer(model, this.pack, { tokens: tokensPerStep, steps: STEPS_IN_FLIGHT, recompute, ...(keptBytes !== null && { keptBytes }) });
  }

  /** Tokens of all steps so far. */
  get use(): TokenUse {
    return { ...this.#use };
  }

  /** Trains all adaptations; results in their order. Arguments and errors are those of `train`. */
  async adapt(
    adaptations: readonly Adaptation[],
    onProgress?: (progress: InnerProgress) => void,
    signal?: AbortSignal,
  ): Promise<Adapted[]> {
    const results: Adapted[] = [];
    for await (const { index, adapted } of this.train(adaptations, onProgress, signal)) results[index] = adapted;
    return results;
  }

  /**
   * Trains all adaptations, those with the most steps first, and yields each when it is trained; one `train` at a time.
   * Throws RangeError for an adaptation that fits into no step, has too large a rank or no documents, the signal's reason
   * after the step under way, and whatever the device reports.
   */
  async *train(
    adaptations: readonly Adaptation[],
    onProgress: (progress: InnerProgress) => void = () => {},
    signal?: AbortSignal,
  ): AsyncGenerator<{ readonly index: number; readonly adapted: Adapted }> {
    const jobs = new Map<number, Job>();
    const plan = (id: number): number[] => {
      const job = jobs.get(id) ?? this.#begin(id, adaptations[id] as Adaptation);
      jobs.set(id, job);
      return job.steps.map(({ segment }) => segmentTokens(segment));
    };
    const order = [...adaptations.entries()].sort(([i, a], [j, b]) => b.steps - a.steps || i - j);
    const packer = new Packer(order.filter(([, { steps }]) => steps > 0).map(([id]) => id), plan, this.#limits);
    let finished = 0;
    const finish = (job: Job, values: AdapterValues) => {
      finished += 1;
      return { index: job.index, adapted: outcome(job, values) };
    };
    for (const [id, adaptation] of order) {
      if (adaptation.steps > 0) continue;
      const job = this.#begin(id, adaptation);
      yield finish(job, job.initial);
    }
    this.#trainer.begin([]);
    let tokens = 0;
    let inFlight = 1;
    let looked = performance.now();
    let before: Chunk | null = null;
    let isOver = false;
    do {
      signal?.throwIfAborted();
      // Where a single step takes long, the next one waits until it is known how this one ended.
      const waits: boolean = inFlight < 1 && before !== null;
      const chunk: Chunk | null = waits ? null : this.#submit(packer, jobs, Math.max(1, Math.floor(inFlight)));
      if (before) {
        const [losses, values] = await before.results;
        inFlight = Math.min(STEPS_IN_FLIGHT, (PATIENCE_MS * before.steps.length) / (performance.now() - looked));
        for (const [id, step] of noteLosses(before.steps, losses, jobs)) {
          // Steps behind the broken one may have run already, more or fewer of them as the pack will have it: the values
          // before it are had by training up to there once more.
          const job = jobs.get(id) as Job;
          const sound = { ...job, steps: job.steps.slice(0, step), broken: step, taken: 0 };
          packer.stop(id);
          jobs.delete(id);
          if (step === 0) yield finish(sound, sound.initial);
          else {
            jobs.set(adaptations.length + id, sound);
            packer.add(adaptations.length + id);
          }
        }
        for (const [id, own] of values) {
          const job = jobs.get(id);
          if (!job) continue;
          jobs.delete(id);
          yield finish(job, own);
        }
        tokens += before.tokens;
        const underWay = [...jobs.values()].filter(({ taken }) => taken > 0);
        onProgress({
          adapters: finished + underWay.reduce((sum, { taken, steps }) => sum + taken / steps.length, 0),
          underWay: underWay.length,
          steps: underWay.reduce((sum, { taken }) => sum + taken, 0),
          stepsPlanned: underWay.reduce((sum, { steps }) => sum + steps.length, 0),
          tokens,
        });
        looked = performance.now();
      }
      before = chunk && chunk.steps.length > 0 ? chunk : null;
      isOver = !waits && before === null && jobs.size === 0;
    } while (!isOver);
  }

  #begin(index: number, adaptation: Adaptation): Job {
    const { rate, lora = this.pack.config } = adaptation;
    const random = streamOf(adaptation.stream);
    const initial = initialAdapter(this.pack.layoutOf(lora), lora.rank, () => random.next());
    const steps = planSteps(adaptation, this.#size, random);
    const tokens = steps.flatMap(({ segment }) => segment).reduce((sum, one) => sum + one.tokens.length, 0);
    const asked = { steps: steps.length, tokens };
    return { index, lora, rate, initial, steps, asked, broken: null, taken: 0, firstLoss: NaN, lastLoss: NaN };
  }

  /** Submits the next few packed steps; fewer or none when there is no more to do. */
  #submit(packer: Packer, jobs: ReadonlyMap<number, Job>, most: number): Chunk {
    const steps: Part[][] = [];
    let tokens = 0;
    const values: Promise<readonly [number, AdapterValues]>[] = [];
    while (steps.length < most) {
      const parts = packer.next();
      if (parts.length === 0) break;
      const slots = 1 + (parts.at(-1)?.slot ?? 0);
      const segments: Segment[] = Array.from({ length: slots }, () => []);
      const rates: (number | null)[] = segments.map(() => null);
      for (const { job: id, slot, step } of parts) {
        const job = jobs.get(id) as Job;
        if (step === 0) this.#trainer.load(slot, job.initial, job.lora);
        const { segment, chosenRate } = job.steps[step] as PlannedStep;
        segments[slot] = segment;
        rates[slot] = scheduledRate(step, { ...job.rate, learningRate: chosenRate ?? job.rate.learningRate, steps: job.asked.steps });
      }
      const batch = this.#trainer.step(segments, rates);
      tokens += batch.contentCount;
      this.#use.content += batch.contentCount;
      this.#use.computed += computedTokens(batch);
      for (const { job: id, slot, last } of parts) {
        if (last) values.push(this.pack.readSlot(slot, (jobs.get(id) as Job).lora).then((own) => [id, own]));
      }
      steps.push(parts);
    }
    const losses = steps.length > 0 ? this.#trainer.losses().then((rows) => rows.slice(-steps.length)) : [];
    const results = Promise.all([losses, Promise.all(values)]);
    // Whoever stops early never looks at the last results; their failure is then nobody's concern.
    results.catch(() => {});
    return { steps, tokens, results };
  }

  destroy(): void {
    this.#trainer.destroy();
    this.pack.destroy();
  }
}

/** Notes the losses of a chunk's steps; gives the jobs that broke in it, each with its first broken step. */
function noteLosses(
  steps: readonly (readonly Part[])[],
  losses: readonly Float32Array[],
  jobs: ReadonlyMap<number, Job>,
): Map<number, number> {
  const broken = new Map<number, number>();
  steps.forEach((parts, i) => {
    for (const { job: id, slot, step } of parts) {
      const job = jobs.get(id);
      if (!job || job.broken !== null || broken.has(id)) continue;
      const loss = losses[i]?.[slot] ?? NaN;
      if (step === 0) job.firstLoss = loss;
      job.lastLoss = loss;
      job.taken = step + 1;
      if (!Number.isFinite(loss)) broken.set(id, step);
    }
  });
  return broken;
}

function outcome({ lora, asked, firstLoss, lastLoss, broken }: Job, values: AdapterValues): Adapted {
  const finite = broken === null && values.every(Number.isFinite);
  const where = broken === null ? 'the last step left weights that are not finite' : `the loss of step ${broken} is not finite`;
  return {
    values,
    lora,
    steps: asked.steps,
    trainedTokens: asked.tokens,
    firstLoss: finiteOrNull(firstLoss),
    lastLoss: finiteOrNull(lastLoss),
    status: finite ? 'ok' : 'non-finite',
    cause: finite ? null : where,
  };
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
