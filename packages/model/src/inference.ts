/** Recorded forward passes without a backward pass: hidden states of a batch, logits and best tokens of chosen rows. */

import { argmax, gatherRows, matmulNT, Recording, rmsNorm } from '@seal/kernels';
import { packBatch, type PackedBatch, type Segment } from './batch.ts';
import { createStorage, readFloats, readWords, upload } from './buffers.ts';
import { adaptedLinears, frozenLinears, type Linears, type Step } from './linears.ts';
import type { LoraPack } from './lora.ts';
import type { Model } from './model.ts';
import { headTensor } from './parameters.ts';
import { BatchTables } from './tables.ts';
import { Activations, attendWithin, recordForward, type Attend } from './transformer.ts';

/** A forward pass over at most `tokens` tokens with logits for at most `rows` of them. Owns its buffers. */
export class InferencePass {
  readonly model: Model;
  readonly tables: BatchTables;
  #record: Recording<Step>;
  #activations: Activations;
  #linears: Linears;
  #index: GPUBuffer;
  #gathered: GPUBuffer;
  #hidden: GPUBuffer;
  #inverseRms: GPUBuffer;
  #logits: GPUBuffer;
  #best: GPUBuffer;

  /** `pack` may be null: the weights alone. `attend` sees the buffers before anything is recorded. */
  constructor(
    model: Model,
    pack: LoraPack | null,
    sizes: { readonly tokens: number; readonly rows: number },
    attend: (activations: Activations, tables: BatchTables) => Attend = (activations, tables) =>
      attendWithin(model, activations, tables.bounds),
  ) {
    const { device } = model.gpu;
    const { vocabSize: V, hiddenSize: C, rmsNormEps: eps } = model.config;
    const { tokens: T, rows: N } = sizes;
    this.model = model;
    this.tables = new BatchTables(device, T, pack?.capacity ?? 1);
    this.#activations = new Activations(device, model.config, T, false);
    this.#linears = pack ? adaptedLinears(model, pack, this.tables, T, false) : frozenLinears(model, T);
    this.#index = createStorage(device, 'row index', N);
    this.#gathered = createStorage(device, 'gathered rows', N * C);
    this.#hidden = createStorage(device, 'final hidden', N * C);
    this.#inverseRms = createStorage(device, 'final inverse rms', N);
    this.#logits = createStorage(device, 'logits', N * V);
    this.#best = createStorage(device, 'best tokens', N);

    const record = new Recording<Step>(model.kernels);
    this.#record = record;
    const { tables } = this;
    recordForward(record, model, this.#activations, this.#linears, tables, attend(this.#activations, tables));
    const byRows = ({ rows }: Step) => ({ T: rows });
    const x = this.#activations.output;
    record.run(gatherRows, { N, T, C }, { index: this.#index, x, y: this.#gathered }, ({ rows }) => ({ N: rows }));
    const norm = { x: this.#gathered, weight: model.weight('model.norm.weight'), y: this.#hidden, inverseRms: this.#inverseRms };
    record.run(rmsNorm, { T: N, C, eps }, norm, byRows);
    const head = { a: this.#hidden, b: model.weight(headTensor(model.config)), c: this.#logits };
    record.run(matmulNT, { M: N, N: V, K: C, accumulate: 0, hasBias: 0 }, head, ({ rows }) => ({ M: rows }));
    record.run(argmax, { T: N, V }, { x: this.#logits, index: this.#best }, byRows);
  }

  /** Uploads a batch and submits the pass; `rows` are the tokens whose logits are wanted. */
  submit(batch: PackedBatch, rows: Uint32Array, cached = 0): void {
    const { device } = this.model.gpu;
    this.tables.write(batch);
    upload(device, this.#index, rows);
    const encoder = device.createCommandEncoder({ label: 'inference' });
    this.#record.encode(encoder, {
      tokens: batch.tokenCount,
      tiles: batch.tileCount,
      adapters: batch.segments.length / 2,
      rows: rows.length,
      cached,
      index: 0,
    });
    device.queue.submit([encoder.finish()]);
  }

  /** Logits of the first `count` rows of the last pass, (count, V). */
  async logits(count: number): Promise<Float32Array> {
    const values = await readFloats(this.model.gpu.device, this.#logits, 0, count * this.model.config.vocabSize);
    this.model.gpu.throwIfFailed();
    return values;
  }

  /** The most likely next token of the first `count` rows of the last pass; the lowest id of equals. */
  async best(count: number): Promise<Uint32Array> {
    const values = await readWords(this.model.gpu.device, this.#best, count);
    this.model.gpu.throwIfFailed();
    return values;
  }

  destroy(): void {
    this.tables.destroy();
    this.#activations.destroy();
    this.#linears.destroy();
    const buffers = [this.#index, this.#gathered, this.#hidden, this.#inverseRms, this.#logits, this.#best];
    for (const buffer of buffers) buffer.destroy();
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
    return Array.from(batch.lastTokens, (last) => logits.slice(batch.bounds[last * 2] * V, (last + 1) * V));
  } finally {
    pass.destroy();
  }
}
