/** Recorded forward passes without a backward pass: hidden states of a batch, logits and best tokens of chosen rows. */

import { argmax, crossEntropy, gatherRows, part, Recording, rmsNorm } from '@seal/kernels';
import { packBatch, type PackedBatch } from '../batch.ts';
import { createStorage, Readback, upload } from '../buffers.ts';
import { chunkRows } from '../chunks.ts';
import { adaptedLinears, frozenLinears } from '../linears.ts';
import type { KeptStreams } from '../kept.ts';
import type { Step } from '../step.ts';
import type { LoraPack } from '../adapters/lora.ts';
import type { Model } from '../model.ts';
import { headTensor } from '../parameters.ts';
import { multiplyTransposed } from '../products.ts';
import { BatchTables, evenTokens } from '../tables.ts';
import { attendWithin, recordForward, type Attend } from '../transformer.ts';

/** Elements of logits that are read back at once. */
const STAGED_LOGITS = 4 * 1024 * 1024;

/** Logits and best tokens of some of a pass's rows. */
interface Chunk {
  readonly start: number;
  readonly rows: number;
  readonly record: Recording<Step>;
  /** Put -log softmax of the best or the given tokens into `#surprise`, which leaves no logits. Made when first asked for. */
  readonly score: { best?: Recording<Step>; given?: Recording<Step> };
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
  /** u32 (rows): the tokens whose log-probabilities are asked for. */
  #given: GPUBuffer;
  /** f32 (rows): -log softmax of the best or the given token. */
  #surprise: GPUBuffer;
  #logitsBack: Readback;
  #bestBack: Readback;
  /** The last pass, and the chunk whose logits are on the device. */
  #last: { readonly step: Step; readonly scored: boolean; resident: Chunk | undefined } | null = null;

  /** `pack` may be null: the weights alone. `attend` is told the capacity and the tables. With `kept`, which is told of every batch first, a pass begins where that ends. */
  constructor(
    model: Model,
    pack: LoraPack | null,
    sizes: { readonly tokens: number; readonly rows: number },
    attend: (capacity: { readonly tokens: number }, tables: BatchTables) => Attend = (capacity, tables) =>
      attendWithin(model, capacity, tables.bounds),
    kept: KeptStreams | null = null,
  ) {
    const { device } = model.gpu;
    const { vocabSize: V, hiddenSize: C, rmsNormEps: eps, normOffset: offset } = model.config;
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
    this.#given = createStorage(device, 'given tokens', N);
    this.#surprise = createStorage(device, 'surprise', N);
    this.#logitsBack = new Readback(device, Math.min(held * V, STAGED_LOGITS));
    this.#bestBack = new Readback(device, N);

    const record = new Recording<Step>(model.kernels);
    this.#record = record;
    const { tables } = this;
    const linears = pack ? adaptedLinears(model, pack) : frozenLinears(model);
    const { output: x } = recordForward({ record, model, tokens: T, linears, tables, attend: attend(sizes, tables) }, kept?.start(record));
    const gathered = record.temporary('gathered rows', N * C);
    const inverseRms = record.temporary('final inverse rms', N);
    record.run(gatherRows, { N, T, C }, { index: this.#index, x, y: gathered }, ({ rows }) => ({ N: rows }));
    const norm = { x: gathered, weight: model.weight('model.norm.weight'), y: this.#hidden, inverseRms };
    record.run(rmsNorm, { T: N, C, eps, offset }, norm, ({ rows }) => ({ T: rows }));
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
    return { start, rows: M, record, score: {} };
  }

  #recordScore({ start, rows: M }: Chunk, tokens: GPUBuffer): Recording<Step> {
    const record = new Recording<Step>(this.model.kernels);
    const [targets, weight, loss] = [tokens, this.#ones, this.#surprise].map((buffer) => part(buffer, start * 4, M * 4));
    const inChunk = ({ rows }: Step) => ({ T: Math.max(0, Math.min(rows - start, M)) });
    const sizes = { T: M, V: this.model.config.vocabSize };
    record.run(crossEntropy, sizes, { targets, weight, loss, logits: this.#logits }, inChunk);
    record.seal();
    return record;
  }

  /**
   * Uploads a batch and submits the pass; `rows` are the tokens whose logits are wanted. With `scored` the
   * log-probabilities of the best tokens, or of those given for every row, are computed too.
   */
  submit(batch: PackedBatch, rows: Uint32Array, cached = 0, scored: 'best' | Uint32Array | null = null): void {
    const { device } = this.model.gpu;
    const sizes = this.tables.write(batch);
    upload(device, this.#index, rows);
    const given = scored !== null && scored !== 'best';
    if (given) upload(device, this.#given, scored);
    const encoder = device.createCommandEncoder({ label: 'inference' });
    const step: Step = { ...sizes, rows: rows.length, cached, index: 0 };
    this.#record.encode(encoder, step);
    const wanted = this.#chunks.filter(({ start }) => start < rows.length);
    for (const chunk of wanted) {
      chunk.record.encode(encoder, step);
      if (given) (chunk.score.given ??= this.#recordScore(chunk, this.#given)).encode(encoder, step);
      else if (scored) (chunk.score.best ??= this.#recordScore(chunk, this.#best)).encode(encoder, step);
    }
    device.queue.submit([encoder.finish()]);
    this.#last = { step, scored: scored !== null, resident: scored ? undefined : wanted.at(-1) };
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
   * log softmax of the tokens that the last pass scored, for its first `count` rows. Throws RangeError where it scored
   * none, and for logits that are not finite unless they may be so.
   */
  async logProbabilities(count: number, { mayOverflow = false }: { readonly mayOverflow?: boolean } = {}): Promise<Float32Array> {
    if (!this.#last?.scored) throw new RangeError('Cannot read log-probabilities: the last pass was submitted without them');
    const values = await this.#bestBack.floats(this.#surprise, 0, count);
    this.model.gpu.throwIfFailed();
    if (!mayOverflow && !values.every(Number.isFinite)) throw new RangeError('Cannot score tokens: the logits are not finite');
    return values.map((surprise) => -surprise);
  }

  destroy(): void {
    this.tables.destroy();
    this.#record.destroy();
    for (const { record, score } of this.#chunks) {
      record.destroy();
      score.best?.destroy();
      score.given?.destroy();
    }
    const buffers = [this.#index, this.#hidden, this.#logits, this.#best, this.#ones, this.#given, this.#surprise];
    for (const owned of [...buffers, this.#logitsBack, this.#bestBack]) owned.destroy();
  }
}

/** Tokens that are scored in one pass; a longer sequence has a pass of its own. */
const SCORED_TOKENS = 2_048;

/**
 * Log-probabilities of the tokens of every sequence from the second on, each sequence read on its own, by adapter 0 of the
 * pack or by the weights alone. Logits stay on the device. Throws RangeError for an empty sequence, one longer than the
 * model's positions and logits that are not finite.
 */
export async function scoreTokens(model: Model, pack: LoraPack | null, sequences: readonly (readonly number[])[]): Promise<Float32Array[]> {
  const { maxPositionEmbeddings: most } = model.config;
  const long = sequences.find(({ length }) => length > most);
  if (long) throw new RangeError(`Cannot score a text of ${long.length} tokens: the model has ${most} positions`);
  const longest = Math.max(0, ...sequences.map(({ length }) => length));
  const total = sequences.reduce((sum, { length }) => sum + length, 0);
  const capacity = Math.ceil(Math.max(longest, Math.min(total, SCORED_TOKENS)) / 8) * 8;
  const scores: Float32Array[] = [];
  if (capacity === 0) return scores;
  const pass = new InferencePass(model, pack, { tokens: capacity, rows: capacity });
  try {
    for (let next = 0; next < sequences.length; ) {
      const batch: { tokens: readonly number[] }[] = [];
      for (let room = capacity; next < sequences.length && sequences[next].length <= room; next++) {
        room -= sequences[next].length;
        batch.push({ tokens: sequences[next] });
      }
      const packed = packBatch([batch]);
      // The last token of a sequence has no next one: what it scores is not read.
      pass.submit(packed, Uint32Array.from({ length: packed.contentCount }, (_, t) => t), 0, packed.targets.slice(0, packed.contentCount));
      const found = await pass.logProbabilities(packed.contentCount);
      for (const last of packed.lastTokens) scores.push(found.slice(packed.bounds[last * 2], last));
    }
    return scores;
  } finally {
    pass.destroy();
  }
}
