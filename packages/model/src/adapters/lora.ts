/**
 * Packed LoRA adapters (Hu et al. 2021, arXiv 2106.09685): E adapters over one set of base weights.
 *
 * Matrices, gradients and Adam moments live in arenas (E, stride); adapter e is row e. A (R, in) is stored as PEFT
 * stores it, B (out, R) transposed, as the kernels want it. An adapter of smaller rank than the pack's leaves the last
 * rows of both zero: then their gradients are zero too, and they stay zero however long it is trained. So does a module
 * whose rank is below its adapter's. What an update is multiplied with is kept for every module of every adapter.
 *
 * Where E whole adapters are more than the device binds at once, there are several arenas, each with some of the
 * projections of all E adapters. What an adapter computes does not depend on that, but for the order in which the norm of
 * its gradient is summed.
 */

import { part, type Slice } from '@seal/kernels';
import { createStorage, readFloats } from '../buffers.ts';
import { type ModelConfig, type Projection, PROJECTIONS } from '../model-config.ts';
import { projectionShape } from '../parameters.ts';

/** One linear layer that an adapter may change. */
export interface AdaptedModule {
  readonly layer: number;
  readonly projection: Projection;
}

/** Full name of a module, as PEFT compares it with target modules. */
export const moduleName = ({ layer, projection }: AdaptedModule) => `model.layers.${layer}.${projection}`;

/** Rank and alpha of one module. */
export interface ModuleScale {
  readonly rank: number;
  readonly alpha: number;
}

/** Rank, scale and targets shared by the adapters of a pack. */
export interface LoraConfig {
  /** The rank of all modules; where some have their own, the largest. */
  readonly rank: number;
  /** The update is scaled by alpha / rank; by alpha / sqrt(rank) where `rankStabilised`. */
  readonly alpha: number;
  /** Kalajdzievski 2023, arXiv 2312.03732. */
  readonly rankStabilised?: boolean;
  /** By full name, the modules whose rank or alpha is another. */
  readonly ownScales?: Readonly<Record<string, ModuleScale>>;
  readonly targets: readonly Projection[];
  /** Layers that are adapted, counted from 0; all of them unless given. */
  readonly layers?: readonly number[];
}

/** Rank and alpha of one module of an adapter. */
export function scaleOf({ rank, alpha, ownScales = {} }: LoraScale, module: AdaptedModule): ModuleScale {
  return ownScales[moduleName(module)] ?? { rank, alpha };
}

/** What an adapter's update of one module is multiplied with. */
export function loraScaling(lora: LoraScale, module: AdaptedModule): number {
  const { rank, alpha } = scaleOf(lora, module);
  return alpha / (lora.rankStabilised ? Math.sqrt(rank) : rank);
}

/** Where the two matrices of one adapted projection lie within an adapter; offsets in elements. */
export interface LoraPlace extends AdaptedModule {
  readonly inner: number;
  readonly out: number;
  readonly offsetA: number;
  readonly offsetB: number;
}

/** Rank and scale of one adapter of a pack. */
export type LoraScale = Pick<LoraConfig, 'rank' | 'alpha' | 'rankStabilised' | 'ownScales'>;

/** The arena row of an adapter of one rank; modules of a smaller one leave their last rows zero. */
export interface LoraLayout {
  readonly rank: number;
  readonly places: readonly LoraPlace[];
  readonly stride: number;
}

/** Lays out an adapter. Throws RangeError for a rank below 1, a non-finite alpha, no targets or a layer that is not there. */
export function loraLayout(config: ModelConfig, { rank, alpha, targets, layers }: Omit<LoraConfig, 'ownScales'>): LoraLayout {
  if (!Number.isInteger(rank) || rank < 1) throw new RangeError(`Cannot make an adapter of rank ${rank}: it must be a whole number >= 1`);
  if (!Number.isFinite(alpha)) throw new RangeError(`Cannot make an adapter with alpha ${alpha}: it must be finite`);
  if (targets.length === 0) throw new RangeError('Cannot make an adapter without target modules');
  const { numHiddenLayers } = config;
  const stranger = layers?.find((layer) => !Number.isInteger(layer) || layer < 0 || layer >= numHiddenLayers);
  if (stranger !== undefined) throw new RangeError(`Cannot adapt layer ${stranger}: the model has layers 0 to ${numHiddenLayers - 1}`);
  if (layers?.length === 0) throw new RangeError('Cannot make an adapter without layers');
  let stride = 0;
  const take = (elementCount: number) => {
    const offset = stride;
    stride += Math.ceil(elementCount / 4) * 4;
    return offset;
  };
  const places: LoraPlace[] = [];
  for (let layer = 0; layer < numHiddenLayers; layer++) {
    if (layers && !layers.includes(layer)) continue;
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

/** Elements [start, start + stride) of every adapter: some of its places, whole. */
export interface LoraStretch {
  readonly start: number;
  readonly stride: number;
}

/**
 * Cuts the row of an adapter between places into stretches of which E rows take at most `byteLimit` bytes, as few as
 * can be. Throws RangeError where E rows of a single place take more.
 */
export function splitAdapter({ places, stride }: LoraLayout, capacity: number, byteLimit: number): LoraStretch[] {
  const most = Math.floor(byteLimit / 4 / capacity);
  const starts = [0];
  places.forEach(({ layer, projection, offsetA }, i) => {
    const end = places[i + 1]?.offsetA ?? stride;
    if (end - offsetA > most) {
      const largest = Math.max(...places.map((place, j) => (places[j + 1]?.offsetA ?? stride) - place.offsetA));
      throw new RangeError(
        `Cannot pack ${capacity} adapters: ${projection} of layer ${layer} takes ${(end - offsetA) * 4 * capacity} bytes, ` +
          `the device binds at most ${byteLimit}; pack at most ${Math.floor(byteLimit / 4 / largest)}`,
      );
    }
    if (end - (starts.at(-1) ?? 0) > most) starts.push(offsetA);
  });
  return starts.map((start, i) => ({ start, stride: (starts[i + 1] ?? stride) - start }));
}

/** A stretch of all E adapters on the device, (E, stride) f32. */
export interface LoraArena extends LoraStretch {
  readonly parameters: GPUBuffer;
}

/** What only training needs, (E, stride) f32 each. */
export interface TrainedArena extends LoraArena {
  readonly gradient: GPUBuffer;
  readonly m: GPUBuffer;
  readonly v: GPUBuffer;
}

/** Slices begin at multiples of 256 bytes. */
const SLICE_ELEMENTS = 64;

/** E adapters on the device, with gradients and Adam moments where they are trained. Owns its buffers until `destroy`. */
export class LoraPack {
  /** Rank is the largest an adapter of the pack may have; alpha goes with that rank. */
  readonly config: LoraConfig;
  readonly layout: LoraLayout;
  /** E, the number of adapters that the pack can hold. */
  readonly capacity: number;
  /** In order of their stretches. */
  readonly arenas: readonly LoraArena[];
  /** f32 (places, E): what the updates are multiplied with. Rows begin where the device can bind them. */
  #scaling: GPUBuffer;
  /** The same on the host, and the elements from one of its rows to the next. */
  #scales: Float32Array<ArrayBuffer>;
  #scalesStride: number;
  #device: GPUDevice;
  #model: ModelConfig;
  #trained: readonly TrainedArena[] | null = null;

  /** Arenas are cut at `byteLimit`, what the device can bind unless given. Throws RangeError as `splitAdapter` does. */
  constructor(device: GPUDevice, model: ModelConfig, config: LoraConfig, capacity: number, byteLimit = Infinity) {
    this.#device = device;
    this.#model = model;
    this.config = config;
    this.layout = loraLayout(model, config);
    this.capacity = capacity;
    const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
    const stretches = splitAdapter(this.layout, capacity, Math.min(byteLimit, maxStorageBufferBindingSize, maxBufferSize));
    this.arenas = stretches.map((stretch) => ({ ...stretch, parameters: this.#make('lora parameters', stretch) }));
    const { places } = this.layout;
    this.#scalesStride = Math.ceil(capacity / SLICE_ELEMENTS) * SLICE_ELEMENTS;
    this.#scales = new Float32Array(places.length * this.#scalesStride);
    this.#scaling = createStorage(device, 'lora scaling', this.#scales.length);
    for (let e = 0; e < capacity; e++) this.#scale(e, config);
    device.queue.writeBuffer(this.#scaling, 0, this.#scales);
  }

  /** Sets what the updates of slot `e` are multiplied with, on the host. */
  #scale(e: number, scale: LoraScale): void {
    this.layout.places.forEach((place, i) => {
      this.#scales[i * this.#scalesStride + e] = loraScaling(scale, place);
    });
  }

  /** f32 (E): what the updates of one place are multiplied with, by adapter. */
  scalingOf(place: LoraPlace): Slice {
    return part(this.#scaling, this.layout.places.indexOf(place) * this.#scalesStride * 4, this.capacity * 4);
  }

  #make(label: string, { stride }: LoraStretch): GPUBuffer {
    return createStorage(this.#device, label, this.capacity * stride);
  }

  /** The arenas with gradients and moments, which are made when they are first asked for. */
  get trained(): readonly TrainedArena[] {
    this.#trained ??= this.arenas.map((arena) => ({
      ...arena,
      gradient: this.#make('lora gradient', arena),
      m: this.#make('lora m', arena),
      v: this.#make('lora v', arena),
    }));
    return this.#trained;
  }

  /** The lowest layer that is adapted. */
  get lowestLayer(): number {
    return Math.min(...this.layout.places.map(({ layer }) => layer));
  }

  /** Which of the arenas holds a place of the pack's layout. */
  arenaOf({ offsetA }: LoraPlace): number {
    return this.arenas.findLastIndex(({ start }) => start <= offsetA);
  }

  /** The layout of an adapter of its own rank. Throws RangeError for a rank above the pack's. */
  layoutOf({ rank, alpha }: LoraScale): LoraLayout {
    const { rank: most } = this.config;
    if (rank > most) throw new RangeError(`Cannot pack an adapter of rank ${rank}: the pack was made for ranks up to ${most}`);
    return rank === most ? this.layout : loraLayout(this.#model, { ...this.config, rank, alpha });
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
    const row = own === this.layout ? values : resizeAdapter(values, own, this.layout);
    for (const { start, stride, parameters } of this.arenas) {
      queue.writeBuffer(parameters, e * stride * 4, row.subarray(start, start + stride) as Float32Array<ArrayBuffer>);
    }
    this.#scale(e, scale);
    queue.writeBuffer(this.#scaling, 0, this.#scales);
    for (const { stride, gradient, m, v } of this.#trained ?? []) {
      const zeros = new Float32Array(stride);
      for (const buffer of [gradient, m, v]) queue.writeBuffer(buffer, e * stride * 4, zeros);
    }
  }

  /** The adapters in slots 0 .. count-1, in the pack's layout. */
  read(count: number = this.capacity): Promise<AdapterValues[]> {
    return this.#rows(this.arenas.map(({ parameters }) => parameters), 0, count);
  }

  /** The last step's gradients of the adapters in slots 0 .. count-1, in the pack's layout. */
  readGradients(count: number = this.capacity): Promise<AdapterValues[]> {
    return this.#rows(this.trained.map(({ gradient }) => gradient), 0, count);
  }

  /** The adapter in slot `e` as it is when everything submitted before has run, in the layout of its own rank. */
  async readSlot(e: number, scale: LoraScale = this.config): Promise<AdapterValues> {
    const own = this.layoutOf(scale);
    const [row] = await this.#rows(this.arenas.map(({ parameters }) => parameters), e, 1);
    return own === this.layout ? row : resizeAdapter(row, this.layout, own);
  }

  /** Adam's moments of slot `e`, in the pack's layout. */
  async readMoments(e: number): Promise<Readonly<Record<'m' | 'v', Float32Array>>> {
    const read = (name: 'm' | 'v') => this.#rows(this.trained.map((arena) => arena[name]), e, 1);
    const [[m], [v]] = await Promise.all([read('m'), read('v')]);
    return { m, v };
  }

  /** Overwrites Adam's moments of slot `e`. Throws RangeError for those of another layout. */
  writeMoments(e: number, moments: Readonly<Record<'m' | 'v', Float32Array>>): void {
    for (const name of ['m', 'v'] as const) {
      const row = moments[name];
      if (row.length !== this.layout.stride) {
        throw new RangeError(`Cannot load ${row.length} moments into slots of ${this.layout.stride}`);
      }
      for (const { start, stride, [name]: buffer } of this.trained) {
        this.#device.queue.writeBuffer(buffer, e * stride * 4, row.subarray(start, start + stride) as Float32Array<ArrayBuffer>);
      }
    }
  }

  /** Rows first .. first+count-1 of one buffer an arena. All are copied before the first is waited for. */
  async #rows(buffers: readonly GPUBuffer[], first: number, count: number): Promise<AdapterValues[]> {
    const read = await Promise.all(
      this.arenas.map(({ stride }, i) => readFloats(this.#device, buffers[i], first * stride, count * stride)),
    );
    return Array.from({ length: count }, (_, e) => {
      const row = new Float32Array(this.layout.stride);
      this.arenas.forEach(({ start, stride }, i) => row.set(read[i].subarray(e * stride, (e + 1) * stride), start));
      return row;
    });
  }

  destroy(): void {
    for (const { parameters } of this.arenas) parameters.destroy();
    for (const { gradient, m, v } of this.#trained ?? []) for (const buffer of [gradient, m, v]) buffer.destroy();
    this.#scaling.destroy();
  }
}
