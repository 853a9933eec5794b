/** Recorded training steps: packed LoRA adapters over frozen weights, and all weights of one model. */

import {
  adamw,
  add,
  embeddingBackward,
  normChunks,
  occurrencesOf,
  part,
  Recording,
  segmentSum,
  squaredNorm,
  squaredNormTotal,
  type PlannedMemory,
  type Slice,
} from '@seal/kernels';
import { packBatch, type PackedBatch, type Segment } from './batch.ts';
import { createStorage, Readback } from './buffers.ts';
import { recordLoss } from './head.ts';
import { KeptStreams } from './kept.ts';
import { adaptedLinears, trainedLinears, type Linears } from './linears.ts';
import type { Step } from './step.ts';
import type { LoraPack, LoraScale } from './adapters/lora.ts';
import { ParameterArena } from './arena.ts';
import type { Model } from './model.ts';
import { BatchTables, evenStepTokens } from './tables.ts';
import { attendWithin, recordBackward, recordForward, scaleEmbedding } from './transformer.ts';

/** AdamW constants of a training run. */
export interface OptimiserSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** Gradients are scaled down to this norm; 0 means never. */
  readonly maxNorm: number;
}

/** PyTorch's defaults without decay, clipped at 1. */
export const DEFAULT_OPTIMISER: OptimiserSettings = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, maxNorm: 1 };

/** Capacity of a recorded training step. */
export interface StepSizes {
  /** The most tokens a step may hold, padding included. */
  readonly tokens: number;
  /** How many losses are kept. */
  readonly steps: number;
  /** Compute each block's activations anew in the backward pass instead of keeping them: less memory, the same bits. */
  readonly recompute?: boolean;
  /**
   * Bytes in which the residual stream below the lowest adapted layer is kept, so that each sequence is read through the
   * layers below it once: the same numbers in less time, to the bits where no two sequences of a step share an adapter. Nothing is kept where absent, or where the first layer is adapted.
   */
  readonly keptBytes?: number;
}

/** P parameters of each of the E sets with their gradient and moments, all (E, P). */
interface Stretch {
  readonly parameters: GPUBuffer;
  readonly gradient: GPUBuffer;
  readonly m: GPUBuffer;
  readonly v: GPUBuffer;
  readonly P: number;
  /** Parameters before this index decay. */
  readonly decayElements: number;
}

/** What both kinds of training share: forward, loss, backward and AdamW over E independent parameter sets. */
class TrainingCore {
  readonly model: Model;
  readonly tables: BatchTables;
  readonly record: Recording<Step>;
  #owned: { destroy(): void }[] = [];
  /** Readers of losses that nobody uses now: as many as were ever used at once. */
  #readers: Readback[] = [];
  #schedule: GPUBuffer;
  #history: GPUBuffer;
  #historySteps: number;
  #optimiser: OptimiserSettings;
  #stepsTaken: Float64Array;
  #index = 0;

  constructor(
    model: Model,
    sizes: StepSizes & { readonly adapters: number },
    optimiser: OptimiserSettings,
    linears: Linears,
    trained: ParameterArena | null,
    stretches: readonly Stretch[],
    afterBackward: (record: Recording<Step>, dStream: Slice) => void = () => {},
    { lowest, kept }: { readonly lowest: number; readonly kept: KeptStreams | null } = { lowest: 0, kept: null },
  ) {
    const { device } = model.gpu;
    const { tokens: T, adapters: E, steps, recompute = false } = sizes;
    const make = (label: string, elementCount: number) => {
      const buffer = createStorage(device, label, elementCount);
      this.#owned.push(buffer);
      return buffer;
    };
    this.model = model;
    this.tables = new BatchTables(model, T, E);
    this.#schedule = make('schedule', E * 4);
    this.#history = make('loss history', steps * E);
    this.#historySteps = steps;
    this.#optimiser = optimiser;
    this.#stepsTaken = new Float64Array(E);

    const record = new Recording<Step>(model.kernels);
    this.record = record;
    for (const buffer of trained?.buffers ?? []) record.clear(buffer);
    const attend = attendWithin(model, sizes, this.tables.bounds);
    const pass = { record, model, tokens: T, linears, tables: this.tables, attend };
    const forward = recordForward(pass, kept?.start(record));
    const { loss, dStream } = recordLoss(pass, forward.output, this.tables, trained);
    recordBackward(pass, forward, this.tables.bounds, dStream, { recompute, normGradients: trained, lowest });
    afterBackward(record, dStream);

    const sums = record.temporary('segment losses', E);
    const byAdapters = ({ adapters }: Step) => ({ E: adapters });
    record.run(segmentSum, { T, E }, { x: loss, segments: this.tables.whole.segments, sums }, byAdapters);
    const norms = stretches.map(({ P, gradient }): Slice => {
      const B = normChunks(P);
      const partial = record.temporary('partial norms', E * B);
      const own = record.temporary('squared norms', E);
      record.run(squaredNorm, { E, P, B }, { x: gradient, partial }, byAdapters);
      record.run(squaredNormTotal, { E, B }, { partial, squaredNorm: own }, byAdapters);
      return own;
    });
    const norm = norms.reduce((before, own) => {
      const both = record.temporary('squared norms', E);
      record.run(add, { n: E }, { a: before, b: own, y: both });
      return both;
    });
    for (const { P, decayElements, ...arenas } of stretches) {
      const operands = { ...arenas, squaredNorm: norm, schedule: this.#schedule };
      record.run(adamw, { E, P, ...optimiser, decayElements }, operands, byAdapters);
    }
    record.copy(sums, this.#history, E * 4, ({ index }) => (index % steps) * E * 4);
    record.seal();
  }

  /** Submits one step; does not wait. A learning rate of null keeps that adapter as it is. */
  step(batch: PackedBatch, learningRates: readonly (number | null)[]): void {
    const { device } = this.model.gpu;
    const schedule = new Float32Array(learningRates.length * 4);
    learningRates.forEach((rate, e) => {
      if (rate === null) return;
      const t = (this.#stepsTaken[e] += 1);
      const { beta1, beta2 } = this.#optimiser;
      schedule.set([rate, 1 - beta1 ** t, 1 - beta2 ** t, 1], e * 4);
    });
    const sizes = this.tables.write(batch);
    device.queue.writeBuffer(this.#schedule, 0, schedule);
    const encoder = device.createCommandEncoder({ label: 'training step' });
    this.record.encode(encoder, { ...sizes, rows: 0, cached: 0, index: this.#index++ });
    device.queue.submit([encoder.finish()]);
  }

  /**
   * Losses of the steps submitted since `restart`, at most the last `steps` of them: one row of E numbers a step.
   * Steps may be submitted before it resolves.
   */
  async losses(): Promise<Float32Array[]> {
    const E = this.tables.adapterCapacity;
    const taken = this.#index;
    const all = await this.#read(this.#history, this.#historySteps * E);
    this.model.gpu.throwIfFailed();
    const first = Math.max(0, taken - this.#historySteps);
    return Array.from({ length: taken - first }, (_, i) => {
      const row = (first + i) % this.#historySteps;
      return all.slice(row * E, (row + 1) * E);
    });
  }

  async #read(source: GPUBuffer, elementCount: number): Promise<Float32Array> {
    const reader = this.#readers.pop() ?? new Readback(this.model.gpu.device, elementCount);
    if (!this.#owned.includes(reader)) this.#owned.push(reader);
    try {
      return await reader.floats(source, 0, elementCount);
    } finally {
      this.#readers.push(reader);
    }
  }

  /** Starts counting steps anew; `taken` is the number of optimiser steps already behind the moments. */
  restart(taken = 0): void {
    this.#index = 0;
    this.#stepsTaken.fill(taken);
  }

  /** Optimiser steps behind the moments of one adapter. */
  stepsOf(e: number): number {
    return this.#stepsTaken[e];
  }

  /** Starts counting the optimiser steps of one adapter anew. */
  forget(e: number): void {
    this.#stepsTaken[e] = 0;
  }

  destroy(): void {
    this.tables.destroy();
    this.record.destroy();
    for (const buffer of this.#owned) buffer.destroy();
  }
}

/** Trains the adapters of a pack side by side. Owns its buffers until `destroy`; the pack stays its owner's. */
export class LoraTrainer {
  #core: TrainingCore;
  #pack: LoraPack;
  #kept: KeptStreams | null = null;

  constructor(
    model: Model,
    pack: LoraPack,
    sizes: StepSizes,
    optimiser: OptimiserSettings = DEFAULT_OPTIMISER,
  ) {
    this.#pack = pack;
    const tokens = evenStepTokens(model, sizes.tokens);
    const { lowestLayer: lowest } = pack;
    if (sizes.keptBytes !== undefined && lowest > 0) this.#kept = new KeptStreams(model, lowest, tokens, sizes.keptBytes);
    this.#core = new TrainingCore(
      model,
      { ...sizes, tokens, adapters: pack.capacity },
      optimiser,
      adaptedLinears(model, pack),
      null,
      pack.trained.map(({ stride, parameters, gradient, m, v }) => ({ parameters, gradient, m, v, P: stride, decayElements: stride })),
      undefined,
      { lowest, kept: this.#kept },
    );
  }

  /** What the step's temporaries take. */
  get memory(): PlannedMemory {
    return this.#core.record.memory;
  }

  /** Puts fresh adapters into the first slots and forgets all optimiser state; the weights may have changed since the last step. */
  begin(adapters: readonly Float32Array[]): void {
    this.#kept?.forget();
    adapters.forEach((values, e) => this.#pack.write(e, values));
    this.#core.restart();
  }

  /** Puts a fresh adapter, in the layout of its own rank, into slot `e` between steps; the other slots go on. */
  load(e: number, values: Float32Array, scale?: LoraScale): void {
    this.#pack.write(e, values, scale);
    this.#core.forget(e);
  }

  /**
   * One optimiser step: segment e trains adapter e on the weighted mean loss of its tokens. A learning rate of null
   * leaves that adapter as it is. Submits and returns the batch; `losses` waits.
   */
  step(segments: readonly Segment[], learningRates: readonly (number | null)[]): PackedBatch {
    const batch = packBatch(segments);
    this.#kept?.prepare(segments, batch);
    this.#core.step(batch, learningRates);
    return batch;
  }

  /** The optimiser's state of the adapter in slot 0, for a checkpoint. */
  async state(): Promise<OptimiserState> {
    return { ...(await this.#pack.readMoments(0)), steps: this.#core.stepsOf(0) };
  }

  /** Continues the adapter that was put into slot 0 from a checkpoint's optimiser state. */
  restore({ m, v, steps }: OptimiserState): void {
    this.#pack.writeMoments(0, { m, v });
    this.#core.restart(steps);
  }

  /** Losses before each step since `begin`: [step][adapter]. Waits for the device and throws if it failed. */
  losses(): Promise<Float32Array[]> {
    return this.#core.losses();
  }

  destroy(): void {
    this.#core.destroy();
    this.#kept?.destroy();
  }
}

/** AdamW moments and step count of a full training, for checkpoints. */
export interface OptimiserState {
  readonly m: Float32Array;
  readonly v: Float32Array;
  readonly steps: number;
}

/** Trains all weights of a model. Owns gradients and moments until `destroy`. */
export class FullTrainer {
  #core: TrainingCore;
  #model: Model;
  #gradients: ParameterArena;
  #m: ParameterArena;
  #v: ParameterArena;
  #order: GPUBuffer;
  #starts: GPUBuffer;
  #tokens: number;
  #stepsTaken = 0;

  /** Every step has exactly `tokens` tokens (a multiple of 8), shorter batches are padded. */
  constructor(
    model: Model,
    sizes: StepSizes,
    optimiser: OptimiserSettings = DEFAULT_OPTIMISER,
  ) {
    const { device } = model.gpu;
    const { layout } = model.weights;
    const { vocabSize: V, hiddenSize: C } = model.config;
    const T = sizes.tokens;
    this.#model = model;
    this.#tokens = T;
    const arena = (label: string) => new ParameterArena(device, label, layout, model.byteLimit);
    this.#gradients = arena('gradients');
    this.#m = arena('m');
    this.#v = arena('v');
    this.#order = createStorage(device, 'token order', T);
    this.#starts = createStorage(device, 'token starts', V + 1);
    this.#core = new TrainingCore(
      model,
      { ...sizes, adapters: 1 },
      optimiser,
      trainedLinears(model, this.#gradients),
      this.#gradients,
      model.weights.split.buffers.map(({ start, elementCount: P }, i) => ({
        parameters: model.weights.buffers[i],
        gradient: this.#gradients.buffers[i],
        m: this.#m.buffers[i],
        v: this.#v.buffers[i],
        P,
        decayElements: Math.min(Math.max(layout.decayElements - start, 0), P),
      })),
      (record, dStream) => {
        const dy = scaleEmbedding(record, model.config, T, dStream);
        for (const { firstRow, rows, slice: dweight } of this.#gradients.matrix('model.embed_tokens.weight').parts) {
          const starts = part(this.#starts, firstRow * 4, (rows + 1) * 4);
          record.run(embeddingBackward, { T, V: rows, C }, { order: this.#order, starts, dy, dweight });
        }
      },
    );
  }

  /** One optimiser step on the weighted mean loss of the sequences. Submits and returns; `losses` waits. */
  step(segment: Segment, learningRate: number): void {
    const batch = packBatch([segment], this.#tokens);
    const { queue } = this.#model.gpu.device;
    const { order, starts } = occurrencesOf(batch.tokens, this.#model.config.vocabSize);
    queue.writeBuffer(this.#order, 0, order);
    queue.writeBuffer(this.#starts, 0, starts);
    this.#core.step(batch, [learningRate]);
    this.#stepsTaken += 1;
  }

  /** Losses before each step, the last `steps` of them. Waits for the device and throws if it failed. */
  async losses(): Promise<number[]> {
    return (await this.#core.losses()).map((row) => row[0]);
  }

  /** Gradients of the last step by tensor name. */
  gradients(): Promise<Map<string, Float32Array>> {
    return this.#gradients.tensors();
  }

  /** The optimiser's state, for a checkpoint. */
  async state(): Promise<OptimiserState> {
    const [m, v] = await Promise.all([this.#m.read(), this.#v.read()]);
    return { m, v, steps: this.#stepsTaken };
  }

  /** Continues from a checkpoint's optimiser state. */
  restore({ m, v, steps }: OptimiserState): void {
    this.#m.write(m);
    this.#v.write(v);
    this.#stepsTaken = steps;
    this.#core.restart(steps);
  }

  destroy(): void {
    this.#core.destroy();
    for (const owned of [this.#gradients, this.#m, this.#v, this.#order, this.#starts]) owned.destroy();
  }
}
