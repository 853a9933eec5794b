/**
 * What the frozen layers below the lowest adapted one compute, kept: the residual stream that enters that layer is the same
 * for every adapter and in every step, so each sequence is read through them once and found again by its tokens.
 *
 * Each sequence is read as if it were alone, beginning at a multiple of 8 tokens. A step in which every adapter has one
 * sequence has them there too, and the same bits. Where several share an adapter, the later ones lie anywhere, attention
 * without keeping sums their keys in other blocks of 8, and both differ by that rounding.
 */

import { gatherRows, Recording } from '@seal/kernels';
import { packBatch, segmentTokens, type PackedBatch, type Segment, type TokenSequence } from './batch.ts';
import { createStorage, upload } from './buffers.ts';
import { frozenLinears } from './linears.ts';
import type { Model } from './model.ts';
import type { Step } from './step.ts';
import { BatchTables } from './tables.ts';
import { attendWithin, recordForward, type Span } from './transformer.ts';

/** Every padding token is a sequence of this one alone; its row is the first. */
const PADDING: TokenSequence = { tokens: [0] };

/**
 * Residual streams (rows, C) f32 of sequences before a layer, on the device. Sequences used longest ago give way where
 * `byteLimit` is reached, which a step's own may exceed. Weights must not change between `forget`s. Owns its buffers.
 */
export class KeptStreams {
  readonly #model: Model;
  readonly #layer: number;
  readonly #tokens: number;
  readonly #rows: number;
  readonly #tables: BatchTables;
  readonly #record: Recording<Step>;
  readonly #computed: GPUBuffer;
  readonly #arena: GPUBuffer;
  /** u32 (T): where the arena holds each token of the step. */
  readonly #index: GPUBuffer;
  /** Rows of every sequence by its tokens, the one used longest ago first. */
  readonly #kept = new Map<string, readonly number[]>();
  readonly #names = new WeakMap<TokenSequence, string>();
  #free: number[] = [];

  /** For steps of at most `tokens` tokens that begin at `layer`. */
  constructor(model: Model, layer: number, tokens: number, byteLimit: number) {
    const { device } = model.gpu;
    const { hiddenSize: C } = model.config;
    this.#model = model;
    this.#layer = layer;
    this.#tokens = tokens;
    const most = Math.floor(Math.min(byteLimit, model.byteLimit) / (4 * C));
    this.#rows = Math.max(most, tokens + 1);
    this.#tables = new BatchTables(model, tokens, Math.ceil(tokens / 8));
    this.#computed = createStorage(device, 'computed streams', tokens * C);
    this.#arena = createStorage(device, 'kept streams', this.#rows * C);
    this.#index = createStorage(device, 'kept rows', tokens);
    const record = new Recording<Step>(model.kernels);
    // Of the capacity of the step that it stands for, so that every kernel is the one that the step would use.
    const pass = { record, model, tokens, linears: frozenLinears(model), tables: this.#tables, attend: attendWithin(model, { tokens }, this.#tables.bounds) };
    record.copy(recordForward(pass, { end: layer }).output, this.#computed, tokens * C * 4);
    record.seal();
    this.#record = record;
    this.forget();
  }

  /** Forgets everything that is kept, as it must where the weights change. */
  forget(): void {
    this.#kept.clear();
    this.#free = Array.from({ length: this.#rows }, (_, row) => this.#rows - 1 - row);
  }

  /** Records where a pass begins: the stream of its tokens, (T, C), as a temporary. */
  start(record: Recording<Step>): Span {
    const { hiddenSize: C } = this.#model.config;
    const stream = record.temporary('kept residual stream', this.#tokens * C);
    const sizes = { N: this.#tokens, T: this.#rows, C };
    record.run(gatherRows, sizes, { index: this.#index, x: this.#arena, y: stream }, ({ tokens }) => ({ N: tokens }));
    return { start: { first: this.#layer, input: stream } };
  }

  /** Submits what of a step's sequences is not kept yet, and tells the step where each of its tokens is. */
  prepare(segments: readonly Segment[], batch: PackedBatch): void {
    const { device } = this.#model.gpu;
    if (!this.#kept.has(this.#nameOf(PADDING))) this.#compute([PADDING]);
    const sequences = segments.flat();
    const used = new Set(sequences.map((one) => this.#nameOf(one)));
    for (const name of [this.#nameOf(PADDING), ...used]) this.#touch(name);
    const missing = new Map(sequences.map((one) => [this.#nameOf(one), one] as const).filter(([name]) => !this.#kept.has(name)));
    const left = [...missing.values()];
    while (left.length > 0) {
      let room = this.#tokens;
      const fits = left.findIndex((one) => (room -= segmentTokens([one])) < 0);
      this.#compute(left.splice(0, fits < 0 ? left.length : fits), used);
    }
    const index = new Uint32Array(batch.tokenCount).fill(this.#rowsOf(PADDING)[0]);
    sequences.forEach((one, i) => index.set(this.#rowsOf(one), batch.lastTokens[i] + 1 - one.tokens.length));
    upload(device, this.#index, index);
  }

  /** Reads sequences through the layers and keeps what comes out. */
  #compute(sequences: readonly TokenSequence[], used: ReadonlySet<string> = new Set()): void {
    const { device } = this.#model.gpu;
    const bytes = this.#model.config.hiddenSize * 4;
    const batch = packBatch(sequences.map((one) => [one]));
    const sizes = this.#tables.write(batch);
    const encoder = device.createCommandEncoder({ label: 'kept streams' });
    this.#record.encode(encoder, { ...sizes, rows: 0, cached: 0, index: 0 });
    sequences.forEach((one, i) => {
      const { length } = one.tokens;
      const rows = this.#take(length, used);
      const start = batch.lastTokens[i] + 1 - length;
      for (let from = 0; from < length; ) {
        let to = from + 1;
        while (to < length && rows[to] === rows[to - 1] + 1) to++;
        encoder.copyBufferToBuffer(this.#computed, (start + from) * bytes, this.#arena, rows[from] * bytes, (to - from) * bytes);
        from = to;
      }
      this.#kept.set(this.#nameOf(one), rows);
    });
    device.queue.submit([encoder.finish()]);
  }

  /** Free rows, ascending; those of sequences used longest ago are freed, never those of the step itself or of padding. */
  #take(count: number, used: ReadonlySet<string>): number[] {
    const padding = this.#nameOf(PADDING);
    for (const [name, rows] of this.#kept) {
      if (this.#free.length >= count) break;
      if (used.has(name) || name === padding) continue;
      this.#kept.delete(name);
      this.#free.push(...rows.toReversed());
    }
    return this.#free.splice(-count).sort((a, b) => a - b);
  }

  #touch(name: string): void {
    const rows = this.#kept.get(name);
    if (!rows) return;
    this.#kept.delete(name);
    this.#kept.set(name, rows);
  }

  #rowsOf(sequence: TokenSequence): readonly number[] {
    return this.#kept.get(this.#nameOf(sequence)) ?? [];
  }

  #nameOf(sequence: TokenSequence): string {
    const name = this.#names.get(sequence) ?? Array.from(sequence.tokens).join(' ');
    this.#names.set(sequence, name);
    return name;
  }

  destroy(): void {
    this.#tables.destroy();
    this.#record.destroy();
    for (const buffer of [this.#computed, this.#arena, this.#index]) buffer.destroy();
  }
}
