/**
 * The inner loop: many adapters trained side by side on their own documents, each exactly as it would be alone.
 *
 * An adaptation takes a fixed number of steps; every step draws the next documents from a shuffled list that is shuffled
 * anew when it ends. An adaptation with fewer steps leaves the pack early; one whose loss is no longer finite stops
 * being updated, and the others go on.
 */

import type { Random } from '@seal/domains';
import {
  initialAdapter,
  LoraPack,
  LoraTrainer,
  segmentTokens,
  type AdapterValues,
  type LoraConfig,
  type Model,
  type Segment,
  type TokenSequence,
} from '@seal/model';

/** One adapter to train. */
export interface Adaptation {
  readonly documents: readonly TokenSequence[];
  /** Retention documents mixed into every step; may be empty. */
  readonly replay: readonly TokenSequence[];
  readonly steps: number;
  readonly learningRate: number;
  /** Draws the initial adapter and the order of documents. */
  readonly random: Random;
}

/** A trained adapter. `values` are those before the first non-finite step where `status` says so. */
export interface Adapted {
  readonly values: AdapterValues;
  readonly steps: number;
  readonly trainedTokens: number;
  readonly firstLoss: number | null;
  readonly lastLoss: number | null;
  readonly status: 'ok' | 'non-finite';
  readonly cause: string | null;
}

/** Documents a step. */
export interface StepSize {
  readonly documentsPerStep: number;
  readonly replayPerStep: number;
}

/** An endless shuffled walk over `items`. */
function cycle<T>(items: readonly T[], random: Random): () => T[] {
  let queue: T[] = [];
  return () => {
    if (queue.length === 0) queue = random.shuffle(items);
    return queue.splice(0, 1);
  };
}

/** The documents of every step of an adaptation. Throws RangeError without documents. */
export function planSteps({ documents, replay, steps, random }: Adaptation, size: StepSize): Segment[] {
  if (documents.length === 0) throw new RangeError('Cannot adapt without documents');
  const nextDocument = cycle(documents, random);
  const nextReplay = cycle(replay, random);
  return Array.from({ length: steps }, () => [
    ...Array.from({ length: size.documentsPerStep }, nextDocument).flat(),
    ...(replay.length > 0 ? Array.from({ length: size.replayPerStep }, nextReplay).flat() : []),
  ]);
}

/** Steps submitted before the host waits for the device. */
export const STEPS_IN_FLIGHT = 4;

/** A pack of adapters over one model with its training step. Owns its buffers until `destroy`. */
export class InnerLoop {
  readonly pack: LoraPack;
  #model: Model;
  #trainer: LoraTrainer;
  #tokens: number;
  #size: StepSize;

  constructor(
    model: Model,
    lora: LoraConfig,
    limits: { readonly packSize: number; readonly tokensPerStep: number; readonly steps: number },
    size: StepSize,
  ) {
    this.#model = model;
    this.#size = size;
    this.#tokens = limits.tokensPerStep;
    this.pack = new LoraPack(model.gpu.device, model.config, lora, limits.packSize);
    this.#trainer = new LoraTrainer(model, this.pack, { tokens: limits.tokensPerStep, steps: limits.steps });
  }

  /**
   * Trains as many of the adaptations, from the first on, as fit into one pack, and leaves them in slots 0, 1, ... of the
   * pack. `onStep` is called after every wait with the steps done and all steps. Throws RangeError when not even the
   * first fits, and whatever the device reports.
   */
  async adapt(
    adaptations: readonly Adaptation[],
    onStep: (done: number, of: number) => void = () => {},
    signal?: AbortSignal,
  ): Promise<Adapted[]> {
    const { rank } = this.pack.config;
    const plans: { adaptation: Adaptation; initial: AdapterValues; steps: Segment[] }[] = [];
    const load: number[] = [];
    for (const adaptation of adaptations.slice(0, this.pack.capacity)) {
      const initial = initialAdapter(this.pack.layout, rank, () => adaptation.random.next());
      const steps = planSteps(adaptation, this.#size);
      const fits = steps.every((segment, i) => (load[i] ?? 0) + segmentTokens(segment) <= this.#tokens);
      if (!fits && plans.length === 0) {
        const most = Math.max(...steps.map(segmentTokens));
        throw new RangeError(`Cannot train an adapter on ${most} tokens a step: tokensPerStep is ${this.#tokens}`);
      }
      if (!fits) break;
      steps.forEach((segment, i) => (load[i] = (load[i] ?? 0) + segmentTokens(segment)));
      plans.push({ adaptation, initial, steps });
    }
    this.#trainer.begin(plans.map(({ initial }) => initial));
    for (let step = 0; step < load.length; step++) {
      signal?.throwIfAborted();
      const segments = plans.map(({ steps }) => steps[step] ?? []);
      const rates = plans.map(({ adaptation, steps }) => (step < steps.length ? adaptation.learningRate : null));
      this.#trainer.step(segments, rates);
      if (step % STEPS_IN_FLIGHT === STEPS_IN_FLIGHT - 1) {
        await this.#model.gpu.device.queue.onSubmittedWorkDone();
        this.#model.gpu.throwIfFailed();
        onStep(step + 1, load.length);
      }
    }
    const losses = await this.#trainer.losses();
    const values = await this.pack.read(plans.length);
    onStep(load.length, load.length);
    // Only the last losses are kept where there are more steps than the loop was made for.
    const forgotten = load.length - losses.length;
    return plans.map(({ steps }, e) => {
      const own = losses.slice(0, Math.max(0, steps.length - forgotten)).map((row) => row[e] ?? NaN);
      const broken = own.findIndex((loss) => !Number.isFinite(loss));
      const finite = broken < 0 && (values[e] as AdapterValues).every(Number.isFinite);
      return {
        values: values[e] as AdapterValues,
        steps: steps.length,
        trainedTokens: steps.flat().reduce((sum, { tokens }) => sum + tokens.length, 0),
        firstLoss: forgotten > 0 ? null : finiteOrNull(own[0]),
        lastLoss: finiteOrNull(own.at(-1)),
        status: finite ? 'ok' : 'non-finite',
        cause: finite ? null : broken < 0 ? 'the last step left weights that are not finite' : `the loss of step ${forgotten + broken} is not finite`,
      };
    });
  }

  destroy(): void {
    this.#trainer.destroy();
    this.pack.destroy();
  }
}

function finiteOrNull(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}
