/**
 * Packed LoRA adapters (Hu et al. 2021, arXiv 2106.09685): E adapters over one set of base weights.
 *
 * Matrices, gradients and Adam moments live in arenas (E, stride); adapter e is row e. A (R, in) is stored as PEFT
 * stores it, B (out, R) transposed, as the kernels want it. An adapter of smaller rank than the pack's leaves the last
 * rows of both zero: then their gradients are zero too, and they stay zero however long it is trained.
 */

import { createStorage, readFloats } from './buffers.ts';
import type { ModelConfig } from './config.ts';
import { PROJECTIONS, projectionShape, type Projection } from './parameters.ts';

/** Rank, scale and targets shared by the adapters of a pack. */
export interface LoraConfig {
  readonly rank: number;
  /** The update is scaled by alpha / rank. */
  readonly alpha: number;
  readonly targets: readonly Projection[];
}

/** Where the two matrices of one adapted projection lie within an adapter; offsets in elements. */
export interface LoraPlace {
  readonly layer: number;
  readonly projection: Projection;
  readonly inner: number;
  readonly out: number;
  readonly offsetA: number;
  readonly offsetB: number;
}

/** Rank and alpha of one adapter of a pack. */
export type LoraScale = Pick<LoraConfig, 'rank' | 'alpha'>;

/** The arena row of an adapter of one rank. */
export interface LoraLayout {
  readonly rank: number;
  readonly places: readonly LoraPlace[];
  readonly stride: number;
}

/** Lays out an adapter. Throws RangeError for a rank below 1, a non-finite alpha or no targets. */
export function loraLayout(config: ModelConfig, { rank, alpha, targets }: LoraConfig): LoraLayout {
  if (!Number.isInteger(rank) || rank < 1) throw new RangeError(`Cannot make an adapter of rank ${rank}: it must be a whole number >= 1`);
  if (!Number.isFinite(alpha)) throw new RangeError(`Cannot make an adapter with alpha ${alpha}: it must be finite`);
  if (targets.length === 0) throw new RangeError('Cannot make an adapter without target modules');
  let stride = 0;
  const take = (elementCount: number) => {
    const offset = stride;
    stride += Math.ceil(elementCount / 4) * 4;
    return offset;
  };
  const places: LoraPlace[] = [];
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    for (const projection of PROJECTIONS) {
      if (!targets.includes(projection)) continue;
      const [out, inner] = projectionShape(config, projection);
      places.push({ layer, projection, inner, out, offsetA: take(rank * inner), offsetB: take(rank * out) });
    }
  }
  return { rank, places, stride };
}

/** One adapter's matrices on the host, in the arena row's layout. */
export type AdapterValues = Float32Array;

/**
 * A fresh adapter: A uniform in +-1/sqrt(in) (PEFT's kaiming_uniform with a = sqrt 5), B zero.
 * `uniform()` is in [0, 1).
 */
export function initialAdapter(layout: LoraLayout, rank: number, uniform: () => number): AdapterValues {
  const values = new Float32Array(layout.stride);
  for (const { inner, offsetA } of layout.places) {
    const bound = 1 / Math.sqrt(inner);
    for (let i = 0; i < rank * inner; i++) values[offsetA + i] = (2 * uniform() - 1) * bound;
  }
  return values;
}

/** An adapter in the layout of another rank: rows are added as zeros or left out. Targets must be the same. */
export function resizeAdapter(values: AdapterValues, from: LoraLayout, to: LoraLayout): AdapterValues {
  const rank = Math.min(from.rank, to.rank);
  const resized = new Float32Array(to.stride);
  from.places.forEach(({ inner, out, offsetA, offsetB }, i) => {
    const place = to.places[i];
    resized.set(values.subarray(offsetA, offsetA + rank * inner), place.offsetA);
    resized.set(values.subarray(offsetB, offsetB + rank * out), place.offsetB);
  });
  return resized;
}

/** What only training needs, made when it is first asked for. */
type Moments = Record<'gradient' | 'm' | 'v', GPUBuffer>;

/** E adapters on the device, with gradients and Adam moments where they are trained. Owns its buffers until `destroy`. */
export class LoraPack {
  /** Rank is the largest an adapter of the pack may have; alpha goes with that rank. */
  readonly config: LoraConfig;
  readonly layout: LoraLayout;
  /** E, the number of adapters that the pack can hold. */
  readonly capacity: number;
  readonly parameters: GPUBuffer;
  /** f32 (E): alpha / rank of every adapter. */
  readonly scaling: GPUBuffer;
  #device: GPUDevice;
  #model: ModelConfig;
  #moments: Moments | null = null;

  constructor(device: GPUDevice, model: ModelConfig, config: LoraConfig, capacity: number) {
    this.#device = device;
    this.#model = model;
    this.config = config;
    this.layout = loraLayout(model, config);
    this.capacity = capacity;
    const elementCount = capacity * this.layout.stride;
    const limit = device.limits.maxStorageBufferBindingSize;
    if (elementCount * 4 > limit) {
      throw new RangeError(
        `Cannot pack ${capacity} adapters of ${this.layout.stride} parameters: ${elementCount * 4} bytes, ` +
          `the device binds at most ${limit}; pack at most ${Math.floor(limit / 4 / this.layout.stride)}`,
      );
    }
    this.parameters = createStorage(device, 'lora parameters', elementCount);
    this.scaling = createStorage(device, 'lora scaling', capacity);
    device.queue.writeBuffer(this.scaling, 0, new Float32Array(capacity).fill(config.alpha / config.rank));
  }

  get gradient(): GPUBuffer {
    return this.#trained().gradient;
  }

  get m(): GPUBuffer {
    return this.#trained().m;
  }

  get v(): GPUBuffer {
    return this.#trained().v;
  }

  #trained(): Moments {
    const make = (label: string) => createStorage(this.#device, label, this.capacity * this.layout.stride);
    this.#moments ??= { gradient: make('lora gradient'), m: make('lora m'), v: make('lora v') };
    return this.#moments;
  }

  /** The layout of an adapter of its own rank. Throws RangeError for a rank above the pack's. */
  layoutOf({ rank, alpha }: LoraScale): LoraLayout {
    const { targets, rank: most } = this.config;
    if (rank > most) throw new RangeError(`Cannot pack an adapter of rank ${rank}: the pack was made for ranks up to ${most}`);
    return rank === most ? this.layout : loraLayout(this.#model, { rank, alpha, targets });
  }

  /**
   * Puts an adapter, in the layout of its own rank, into slot `e` and forgets the slot's gradient and Adam moments.
   * Throws RangeError for values, a rank or a slot that the pack has no room for.
   */
  write(e: number, values: AdapterValues, scale: LoraScale = this.config): void {
    const own = this.layoutOf(scale);
    if (values.length !== own.stride) {
      throw new RangeError(`Cannot load an adapter of ${values.length} parameters into slots of ${own.stride}`);
    }
    if (e < 0 || e >= this.capacity) throw new RangeError(`Cannot load adapter ${e}: the pack holds ${this.capacity}`);
    const { queue } = this.#device;
    const at = e * this.layout.stride * 4;
    const row = own === this.layout ? values : resizeAdapter(values, own, this.layout);
    queue.writeBuffer(this.parameters, at, row as Float32Array<ArrayBuffer>);
    queue.writeBuffer(this.scaling, e * 4, new Float32Array([scale.alpha / scale.rank]));
    if (!this.#moments) return;
    const zeros = new Float32Array(this.layout.stride);
    for (const buffer of Object.values(this.#moments)) queue.writeBuffer(buffer, at, zeros);
  }

  /** The adapters in slots 0 .. count-1, in the pack's layout. */
  async read(count: number = this.capacity): Promise<AdapterValues[]> {
    const { stride } = this.layout;
    const all = await readFloats(this.#device, this.parameters, 0, count * stride);
    return Array.from({ length: count }, (_, e) => all.slice(e * stride, (e + 1) * stride));
  }

  /** The adapter in slot `e` as it is when everything submitted before has run, in the layout of its own rank. */
  async readSlot(e: number, scale: LoraScale = this.config): Promise<AdapterValues> {
    const own = this.layoutOf(scale);
    const { stride } = this.layout;
    const row = await readFloats(this.#device, this.parameters, e * stride, stride);
    return own === this.layout ? row : resizeAdapter(row, this.layout, own);
  }

  destroy(): void {
    for (const buffer of [this.parameters, this.scaling, ...Object.values(this.#moments ?? {})]) buffer.destroy();
  }
}
