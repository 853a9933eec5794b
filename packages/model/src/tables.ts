/** Device copies of a batch's tables, and the ranges of tokens that a feed-forward is computed in. */

import { part } from '@seal/kernels';
import { rangeTables, type PackedBatch } from './batch.ts';
import { createStorage, upload } from './buffers.ts';
import { chunkRows } from './chunks.ts';
import type { Step, TokenRange } from './step.ts';
import type { Model } from './model.ts';

/** Ranges start at multiples of this many tokens, so that every operand's offset is a multiple of 256 bytes. */
const TOKEN_MULTIPLE = 512;

/**
 * Tokens of the ranges in which a feed-forward of width F is computed over T tokens: all T where an activation (T, F) f32
 * takes at most `byteLimit` bytes, else the multiple of 512 that leaves the least of its last range empty; 512 even where
 * these take more.
 */
export function feedForwardTokens(T: number, F: number, byteLimit: number): number {
  const fitting = Math.floor(byteLimit / (4 * F));
  if (T <= fitting) return T;
  const multiples = Math.max(1, Math.floor(fitting / TOKEN_MULTIPLE));
  const sizes = Array.from({ length: multiples }, (_, i) => (multiples - i) * TOKEN_MULTIPLE);
  const filled = (size: number) => Math.ceil(T / size) * size;
  return Math.min(T, sizes.reduce((best, size) => (filled(size) < filled(best) ? size : best)));
}

/**
 * The capacity of a pass over at most T tokens: T, or where the feed-forward is computed in several ranges, so many that
 * these are of one size. Which kernel computes a token is then the same wherever in the batch it lies.
 */
export function evenTokens({ config, byteLimit }: Pick<Model, 'config' | 'byteLimit'>, T: number): number {
  const range = feedForwardTokens(T, config.intermediateSize, byteLimit);
  return Math.ceil(T / range) * range;
}

/** The same for a training step, whose logits of all tokens are computed in chunks of one size too. */
export function evenStepTokens(model: Pick<Model, 'config' | 'byteLimit'>, T: number): number {
  const tokens = evenTokens(model, T);
  return chunkRows(model.config.vocabSize, tokens) === tokens ? tokens : Math.ceil(tokens / TOKEN_MULTIPLE) * TOKEN_MULTIPLE;
}

/** A range with buffers of its own. */
interface OwnedRange extends TokenRange {
  readonly tiles: GPUBuffer;
  readonly segments: GPUBuffer;
}

/** Buffers for a batch of at most `tokens` tokens and `adapters` adapters. Owns them until `destroy`. */
export class BatchTables {
  readonly tokens: GPUBuffer;
  readonly positions: GPUBuffer;
  readonly bounds: GPUBuffer;
  readonly targets: GPUBuffer;
  readonly lossWeights: GPUBuffer;
  readonly blocks: GPUBuffer;
  /** All tokens. */
  readonly whole: OwnedRange;
  /** The ranges of the feed-forward: the whole one where its activations fit into a binding. */
  readonly ranges: readonly OwnedRange[];
  readonly tokenCapacity: number;
  readonly adapterCapacity: number;
  #device: GPUDevice;

  constructor({ gpu: { device }, config, byteLimit }: Model, tokens: number, adapters: number) {
    this.#device = device;
    this.tokenCapacity = tokens;
    this.adapterCapacity = adapters;
    this.tokens = createStorage(device, 'tokens', tokens);
    this.positions = createStorage(device, 'positions', tokens);
    this.bounds = createStorage(device, 'bounds', tokens * 2);
    this.targets = createStorage(device, 'targets', tokens);
    this.lossWeights = createStorage(device, 'loss weights', tokens);
    this.blocks = createStorage(device, 'blocks', Math.ceil(tokens / 8));
    const own = (start: number, count: number, index: number): OwnedRange => {
      // A tile may be cut where the range starts.
      const tileCapacity = Math.ceil(count / 32) + adapters + Math.min(start, 1);
      return {
        start,
        tokens: count,
        blocks: part(this.blocks, start / 2, Math.ceil(count / 8) * 4),
        tiles: createStorage(device, 'tiles', tileCapacity * 3),
        segments: createStorage(device, 'segments', adapters * 2),
        tileCapacity,
        index,
      };
    };
    this.whole = own(0, tokens, 0);
    const most = feedForwardTokens(tokens, config.intermediateSize, byteLimit);
    const count = Math.ceil(tokens / most);
    this.ranges =
      count === 1
        ? [this.whole]
        : Array.from({ length: count }, (_, i) => own(i * most, Math.min(most, tokens - i * most), i + 1));
  }

  /** Uploads a batch; returns its sizes. Throws RangeError when it does not fit. */
  write(batch: PackedBatch): Pick<Step, 'tokens' | 'tiles' | 'adapters'> {
    if (batch.tokenCount > this.tokenCapacity || batch.segments.length > this.adapterCapacity * 2) {
      throw new RangeError(
        `Cannot run a batch of ${batch.tokenCount} tokens and ${batch.segments.length / 2} adapters: ` +
          `the step was recorded for ${this.tokenCapacity} and ${this.adapterCapacity}`,
      );
    }
    const put = (buffer: GPUBuffer, values: Uint32Array | Float32Array) => upload(this.#device, buffer, values);
    put(this.tokens, batch.tokens);
    put(this.positions, batch.positions);
    put(this.bounds, batch.bounds);
    put(this.targets, batch.targets);
    put(this.lossWeights, batch.lossWeights);
    put(this.blocks, batch.blocks);
    const tiles = this.#owned().map((range) => {
      const own = range === this.whole ? batch : rangeTables(batch, range.start, range.tokens);
      put(range.tiles, own.tiles);
      put(range.segments, own.segments);
      return own.tiles.length / 3;
    });
    return { tokens: batch.tokenCount, tiles, adapters: batch.segments.length / 2 };
  }

  /** Every range once, in order of `index`. */
  #owned(): readonly OwnedRange[] {
    return this.ranges.length > 1 ? [this.whole, ...this.ranges] : [this.whole];
  }

  destroy(): void {
    const { tokens, positions, bounds, targets, lossWeights, blocks } = this;
    const owned = this.#owned().flatMap(({ tiles, segments }) => [tiles, segments]);
    for (const buffer of [tokens, positions, bounds, targets, lossWeights, blocks, ...owned]) buffer.destroy();
  }
}
