/**
 * Packed LoRA adapters (Hu et al. 2021, arXiv 2106.09685): E adapters over one set of base weights.
 *
 * Matrices, gradients and Adam moments live in arenas (E, stride); adapter e is row e. A (R, in) is stored as PEFT
 * stores it, B (out, R) transposed, as the kernels want it. An adapter of smaller rank than the pack leaves rows zero.
 */

import { createStorage, readFloats } from './buffers.ts';
import type { LlamaConfig } from './config.ts';
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

/** The arena row of an adapter. */
export interface LoraLayout {
  readonly places: readonly LoraPlace[];
  readonly stride: number;
}

/** Lays out an adapter. Throws RangeError for a rank below 1, a non-finite alpha or no targets. */
export function loraLayout(config: LlamaConfig, { rank, alpha, targets }: LoraConfig): LoraLayout {
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
  return { places, stride };
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

/** E adapters on the device with their gradients and Adam moments. Owns its buffers until `destroy`. */
export class LoraPack {
  readonly config: LoraConfig;
  readonly layout: LoraLayout;
  /** E, the number of adapters that the pack can hold. */
  readonly capacity: number;
  readonly parameters: GPUBuffer;
  readonly gradient: GPUBuffer;
  readonly m: GPUBuffer;
  readonly v: GPUBuffer;
  /** f32 (E): alpha / rank. */
  readonly scaling: GPUBuffer;
  #device: GPUDevice;

  constructor(device: GPUDevice, model: LlamaConfig, config: LoraConfig, capacity: number) {
    this.#device = device;
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
    this.gradient = createStorage(device, 'lora gradient', elementCount);
    this.m = createStorage(device, 'lora m', elementCount);
    this.v = createStorage(device, 'lora v', elementCount);
    this.scaling = createStorage(device, 'lora scaling', capacity);
    device.queue.writeBuffer(this.scaling, 0, new Float32Array(capacity).fill(config.alpha / config.rank));
  }

  /** Puts an adapter into slot `e` and forgets the slot's gradient and Adam moments. */
  write(e: number, values: AdapterValues): void {
    if (values.length !== this.layout.stride) {
      throw new RangeError(`Cannot load an adapter of ${values.length} parameters into slots of ${this.layout.stride}`);
    }
    if (e < 0 || e >= this.capacity) throw new RangeError(`Cannot load adapter ${e}: the pack holds ${this.capacity}`);
    const at = e * this.layout.stride * 4;
    const zeros = new Float32Array(this.layout.stride);
    this.#device.queue.writeBuffer(this.parameters, at, values as Float32Array<ArrayBuffer>);
    for (const buffer of [this.gradient, this.m, this.v]) this.#device.queue.writeBuffer(buffer, at, zeros);
  }

  /** The adapters in slots 0 .. count-1. */
  async read(count: number = this.capacity): Promise<AdapterValues[]> {
    const { stride } = this.layout;
    const all = await readFloats(this.#device, this.parameters, 0, count * stride);
    return Array.from({ length: count }, (_, e) => all.slice(e * stride, (e + 1) * stride));
  }

  destroy(): void {
    for (const buffer of [this.parameters, this.gradient, this.m, this.v, this.scaling]) buffer.destroy();
  }
}
