/** Device copies of a batch's tables. */

import { createStorage, upload } from './buffers.ts';
import type { PackedBatch } from './batch.ts';
import type { AdapterTables } from './linears.ts';

/** Buffers for a batch of at most `tokens` tokens and `adapters` adapters. Owns them until `destroy`. */
export class BatchTables implements AdapterTables {
  readonly tokens: GPUBuffer;
  readonly positions: GPUBuffer;
  readonly bounds: GPUBuffer;
  readonly targets: GPUBuffer;
  readonly lossWeights: GPUBuffer;
  readonly blocks: GPUBuffer;
  readonly tiles: GPUBuffer;
  readonly segments: GPUBuffer;
  readonly tileCapacity: number;
  readonly tokenCapacity: number;
  readonly adapterCapacity: number;
  #device: GPUDevice;

  constructor(device: GPUDevice, tokens: number, adapters: number) {
    this.#device = device;
    this.tokenCapacity = tokens;
    this.adapterCapacity = adapters;
    this.tileCapacity = Math.ceil(tokens / 32) + adapters;
    this.tokens = createStorage(device, 'tokens', tokens);
    this.positions = createStorage(device, 'positions', tokens);
    this.bounds = createStorage(device, 'bounds', tokens * 2);
    this.targets = createStorage(device, 'targets', tokens);
    this.lossWeights = createStorage(device, 'loss weights', tokens);
    this.blocks = createStorage(device, 'blocks', Math.ceil(tokens / 8));
    this.tiles = createStorage(device, 'tiles', this.tileCapacity * 3);
    this.segments = createStorage(device, 'segments', adapters * 2);
  }

  /** Uploads a batch. Throws RangeError when it does not fit. */
  write(batch: PackedBatch): void {
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
    put(this.tiles, batch.tiles);
    put(this.segments, batch.segments);
  }

  destroy(): void {
    const { tokens, positions, bounds, targets, lossWeights, blocks, tiles, segments } = this;
    for (const buffer of [tokens, positions, bounds, targets, lossWeights, blocks, tiles, segments]) buffer.destroy();
  }
}
