/** Recorded forward passes without a backward pass: hidden states of a batch, logits and best tokens of chosen rows. */

import { argmax, crossEntropy, gatherRows, part, Recording, rmsNorm } from '@seal/kernels';
import { packBatch, type PackedBatch, type Segment } from './batch.ts';
import { createStorage, Readback, upload } from './buffers.ts';
import { chunkRows } from './chunks.ts';
import { adaptedLinears, frozenLinears, type Step } from './linears.ts';
import type { LoraPack } from './lora.ts';
import type { Model } from './model.ts';
import { headTensor } from './parameters.ts';
import { multiplyTransposed } from './products.ts';
import { BatchTables, evenTokens } from './tables.ts';
import { attendWithin, recordForward, type Attend } from './transformer.ts';

/** Elements of logits that are read back at once. */
const STAGED_LOGITS = 4 * 1024 * 1024;

/** Logits and best tokens of some of a pass's rows. */
interface Chunk {
  readonly start: number;
  readonly rows: number;
  readonly record: Recording<Step>;
  /** Puts -log softmax of the best tokens into `#surprise`, which leaves no logits. Made when it is first asked for. */
  score: Recording<Step> | null;
}

/**
 * A forward pass over at most `tokens` tokens with logits for at most `rows` of them. Logits exist for one chunk of rows
 * at a time; those of another chunk are computed again when they are read. Owns its buffers.
 */
export class InferencePass {
  readonly model: Model;
  readonly tables: BatchTables;
  #record: Recording<Step>;
  #chunks: readonly Chunk[];
  #index: GPUBuffer;
  #hidden: GPUBuffer;
  #logits: GPUBuffer;
  #best: GPUBuffer;
  /** f32 (rows): 1 for every row. */
  #ones: GPUBuffer;
  /** f32 (rows): -log softmax of the best token. */
  #surprise: GPUBuffer;
  #logitsBack: Readback;
  #bestBack: Readback;
  /** The last pass, and the chunk whose logits are on the device. */
  #last: { readonly step: Step; readonly scored: boolean; resident: Chunk | undefined } | null = null;

  /** `pack` may be null: the weights alone. `attend` is told the capacity and the tables. */
  constructor(
    model: Model,
    pack: LoraPack | null,
    sizes: { readonly tokens: number; readonly rows: number },
    attend: (capacity: { readonly tokens: number }, tables: BatchTables) => Attend = (capacity, tables) =>
      attendWithin(model, capacity, tables.bounds),
  ) {
    const { device } = model.gpu;
    const { vocabSize: V, hiddenSize: C, rmsNormEps: eps } = model.config;
    const T = evenTokens(model, sizes.tokens);
    const held = chunkRows(V, sizes.rows);
    // Chunks are of one size, so that the kernel that computes a row is the same for all.
    const N = Math.ceil(sizes.rows / held) * held;
    this.model = model;
    this.tables = new BatchTables(model, T, pack?.capacity ?? 1);
    this.#index = createStorage(device, 'row index', N);
    this.#hidden = createStorage(device, 'final hidden', N * C);
    this.#logits = createStorage(device, 'logits', held * V);
    this.#best = createStorage(device, 'best tokens', N);
    this.#ones = createStorage(device, 'ones', N);
    upload(device, this.#ones, new Float32Array(N).fill(1));
    this.#surprise = createStorage(device, 'surprise', N);
    this.#logitsBack = new Readback(device, Math.min(held * V, STAGED_LOGITS));
    this.#bestBack = new Readback(device, N);

    const record = new Recording<Step>(model.kernels);
    this.#record = record;
    const { tables } = this;
    const linears = pack ? adaptedLinears(model, pack) : frozenLinears(model);
    const { output: x } = recordForward({ record, model, tokens: T, linears, tables, attend: attend(sizes, tables) });
    const gathered = record.temporary('gathered rows', N * C);
    const inverseRms = record.temporary('final inverse rms', N);
    record.run(gatherRows, { N, T, C }, { index: this.#index, x, y: gathered }, ({ rows }) => ({ N: rows }));
    const norm = { x: gathered, weight: model.weight('model.norm.weight'), y: this.#hidden, inverseRms };
    record.run(rmsNorm, { T: N, C, eps }, norm, ({ rows }) => ({ T: rows }));
    record.seal();
    this.#chunks = Array.from({ length: Math.ceil(N / held) }, (_, i) => this.#recordChunk(i * held, Math.min(held, N - i * held)));
  }

  #recordChunk(start: number, M: number): Chunk {
    const { model } = this;
    const { vocabSize: V, hiddenSize: C } = model.config;
    const record = new Recording<Step>(model.kernels);
    const inChunk = ({ rows }: Step) => Math.max(0, Math.min(rows - start, M));
    const hidden = part(this.#hidden, start * C * 4, M * C * 4);
    const weight = model.matrix(headTensor(model.config));
    multiplyTransposed(record, { M, dynamic: (step) => ({ M: inChunk(step) }) }, hidden, weight, this.#logits);
    const best = part(this.#best, start * 4, M * 4);
    record.run(argmax, { T: M, V }, { x: this.#logits, index: best }, (step) => ({ T: inChunk(step) }));
    record.seal();
    return { start, rows: M, record, score: null };
  }

  #recordScore({ start, rows: M }: Chunk): Recording<Step> {
    const record = new Recording<Step>(this.model.kernels);
    const [targets, weight, loss] = [this.#best, this.#ones, this.#surprise].map((buffer) => part(buffer, start * 4, M * 4));
    const inChunk = ({ rows }: Step) => ({ T: Math.max(0, Math.min(rows - start, M)) });
    const sizes = { T: M, V: this.model.config.vocabSize };
    record.run(crossEntropy, sizes, { targets, weight, loss, logits: this.#logits }, inChunk);
    record.seal();
    return record;
  }

  /**
   * Uploads a batch and submits the pass; `rows` are the tokens whose logits are wanted. With `scored` the
   * log-probabilities of the best tokens are computed too.
   */
  submit(batch: PackedBatch, rows: Uint32Array, cached = 0, scored = false): void {
    const { device } = this.model.gpu;
    const sizes = this.tables.write(batch);
    upload(device, this.#index, rows);
    const encoder = device.createCommandEncoder({ label: 'inference' });
    const step: Step = { ...sizes, rows: rows.length, cached, index: 0 };
    this.#record.encode(encoder, step);
    const wanted = this.#chunks.filter(({ start }) => start < rows.length);
    for (const chunk of wanted) {
      chunk.record.encode(encoder, step);
      if (scored) (chunk.score ??= this.#recordScore(chunk)).encode(encoder, step);
    }
    device.queue.submit([encoder.finish()]);
    this.#last = { step, scored, resident: scored ? undefined : wanted.at(-1) };
  }

  /** Logits of the first `count` rows of the last pass, (count, V). */
  async logits(count: number): Promise<Float32Array> {
    const { device } = this.model.gpu;
    const last = this.#last;
    if (!last || count > last.step.rows) throw new RangeError(`Cannot read logits of ${count} rows: the last pass had ${last?.step.rows ?? 0}`);
    const V = this.model.config.vocabSize;
    const values = new Float32Array(count * V);
    for (const chunk of this.#chunks.filter(({ start }) => start < count)) {
      if (last.resident !== chunk) {
        const encoder = device.createCommandEncoder({ label: 'logits' });
        chunk.record.encode(encoder, last.step);
        device.queue.submit([encoder.finish()]);
        last.resident = chunk;
      }
      const rows = Math.min(chunk.rows, count - chunk.start);
      values.set(await this.#logitsBack.floats(this.#logits, 0, rows * V), chunk.start * V);
    }
    this.model.gpu.throwIfFailed();
    return values;
  }

  /** The most likely next token of the first `count` rows of the last pass; the lowest id of equals. */
  async best(count: number): Promise<Uint32Array> {
    const values = await this.#bestBack.words(this.#best, 0, count);
    this.model.gpu.throwIfFailed();
    return values;
  }

  /**
   * log softmax of those tokens. Throws RangeError where the last pass did not score them, and for logits that are not
   * finite.
   */
  async bestLogProbabilities(count: number): Promise<Float32Array> {
    if (!this.#last?.scored) throw new RangeError('Cannot read log-probabilities: the last pass was submitted without them');
    const values = await this.#bestBack.floats(this.#surprise, 0, count);
    this.model.gpu.throwIfFailed();
    if (!values.every(Number.isFinite)) throw new RangeError('Cannot sample: the logits are not finite');
    return values.map((surprise) => -surprise);
  }

  destroy(): void {
    this.tables.destroy();
    this.#record.destroy();
    for (const { record, score } of this.#chunks) {
      record.destroy();
      score?.destroy();
    }
    const buffers = [this.#index, this.#hidden, this.#logits, this.#best, this.#ones, this.#surprise];
    for (const owned of [...buffers, this.#logitsBack, this.#bestBack]) owned.destroy();
  }
}

/** Logits (length, V) of every token of every sequence, each sequence read on its own; segment e uses adapter e. */
export async function scoreLogits(
  model: Model,
  pack: LoraPack | null,
  segments: readonly Segment[],
): Promise<Float32Array[]> {
  const batch = packBatch(segments);
  const rows = Uint32Array.from({ length: batch.tokenCount }, (_, t) => t);
  const pass = new InferencePass(model, pack, { tokens: batch.tokenCount, rows: batch.tokenCount });
  try {
    pass.submit(batch, rows);
    const logits = await pass.logits(batch.tokenCount);
    const V = model.config.vocabSize;
    return Array.from(batch.lastTokens, (last) => logits.subarray(batch.bounds[last * 2] * V, (last + 1) * V));
  } finally {
    pass.destroy();
  }
}
