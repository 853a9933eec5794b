/** A loaded model: configuration, weights on the device in float32 or quantised, rotary tables, compiled kernels. */

import type { Gpu } from '@seal/device';
import { Kernels, ropeTable, type ChoiceOptions, type QuantisedRows, type Slice } from '@seal/kernels';
import { ParameterArena } from './arena.ts';
import { createStorage } from './buffers.ts';
import type { ModelConfig, Projection } from './model-config.ts';
import { QuantisedWeights } from './quantised.ts';
import { layerTensor, parameterLayout } from './parameters.ts';
import { holdingName, type Holding, type Matrix } from './matrix.ts';
import { inverseFrequencies } from './rope.ts';

/** Weights on the host by Hugging Face name, in float32. */
export type HostWeights = ReadonlyMap<string, Float32Array>;

/** A model on a device. Owns its buffers and kernels until `destroy`; compiled pipelines are the device's. */
export class Model {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly kernels: Kernels;
  /** How matrices are held; `matrix(name).format` says it of each. */
  readonly holding: Holding;
  /** Most bytes that a buffer of parameters has. */
  readonly byteLimit: number;
  #arena: ParameterArena | QuantisedWeights;
  /** Rotary tables of all layers, and of those that have a window where they turn by other frequencies. */
  #rotary: readonly [all: GPUBuffer, sliding?: GPUBuffer];

  /**
   * Weights are zeros until they are written. They are split at `byteLimit`, what the device can bind unless given, and
   * held in float32 unless `weights` says otherwise. The choice says which variants of the kernels run; the defaults of
   * the adapter's class unless given.
   */
  constructor(
    gpu: Gpu,
    config: ModelConfig,
    options: ChoiceOptions & { readonly byteLimit?: number; readonly weights?: Holding } = {},
  ) {
    const rotary = config.maxPositionEmbeddings * config.headDim * 4;
    const { maxStorageBufferBindingSize: limit, maxBufferSize } = gpu.device.limits;
    if (rotary > limit) {
      throw new RangeError(
        `Cannot hold a rotary table of ${config.maxPositionEmbeddings} positions: ${rotary} bytes, the device binds at most ${limit}`,
      );
    }
    this.gpu = gpu;
    this.config = config;
    const { byteLimit = Infinity, weights: holding = 'f32', ...choice } = options;
    this.holding = holding;
    this.kernels = new Kernels(gpu.device, gpu.description, choice);
    this.byteLimit = Math.min(limit, maxBufferSize, byteLimit);
    const layout = parameterLayout(config);
    this.#arena =
      holding === 'f32'
        ? new ParameterArena(gpu.device, 'weights', layout, this.byteLimit)
        : new QuantisedWeights(gpu.device, layout, holding, this.byteLimit);
    const rotaryTable = (turning: Parameters<typeof inverseFrequencies>[0]) => {
      const table = ropeTable(config.maxPositionEmbeddings, inverseFrequencies(turning));
      const buffer = createStorage(gpu.device, 'rotary table', table.length);
      gpu.device.queue.writeBuffer(buffer, 0, table);
      return buffer;
    };
    const { slidingRopeTheta } = config;
    const all = rotaryTable(config);
    this.#rotary =
      slidingRopeTheta === null ? [all] : [all, rotaryTable({ ...config, ropeTheta: slidingRopeTheta, ropeScaling: null })];
  }

  /** Cosines and sines of a layer, (P, D) f32 as `ropeTable` makes them. */
  cosSin(layer: number): GPUBuffer {
    const [all, sliding = all] = this.#rotary;
    return this.config.windows[layer] === null ? all : sliding;
  }

  /** All weights, to be trained or exchanged. Throws TypeError where they are quantised. */
  get weights(): ParameterArena {
    if (this.#arena instanceof ParameterArena) return this.#arena;
    throw new TypeError(`Cannot train, exchange or read back all weights of a model held as ${holdingName(this.holding)}: load it with \`weights\` f32`);
  }

  /** Uploads weights. Throws RangeError when a tensor is missing or has another size, TypeError where they are quantised. */
  write(weights: HostWeights): void {
    const values = new Float32Array(this.weights.layout.elementCount);
    for (const { name, shape, offset, elementCount } of this.weights.layout.places.values()) {
      const tensor = weights.get(name);
      if (!tensor) throw new RangeError(`Cannot load weights: tensor ${name} is missing`);
      if (tensor.length !== elementCount) {
        throw new RangeError(`Cannot load tensor ${name}: expected (${shape.join(', ')}), got ${tensor.length} elements`);
      }
      values.set(tensor, offset);
    }
    this.weights.write(values);
  }

  /** Uploads rows of one tensor that is held as float32, from row `first` on; a vector is one row. */
  writeRows(name: string, first: number, values: Float32Array): void {
    if (this.#arena instanceof ParameterArena) this.#arena.writeRows(name, first, values);
    else this.#arena.writeFloats(name, first, values);
  }

  /** Uploads rows of one matrix as `quantiseRows` gives them in its format. */
  writeQuantisedRows(name: string, first: number, rows: QuantisedRows): void {
    if (this.#arena instanceof ParameterArena) throw new TypeError(`Cannot write packed rows of ${name}: weights are held as f32`);
    this.#arena.writeRows(name, first, rows);
  }

  /** The weights, read back from the device. Throws TypeError where they are quantised. */
  async read(): Promise<Map<string, Float32Array>> {
    const tensors = await this.weights.tensors();
    this.gpu.throwIfFailed();
    return tensors;
  }

  /** A tensor of the weights as an operand; `matrix` for those that may be split. */
  weight(name: string): Slice {
    return this.#arena.slice(name);
  }

  /** A tensor of the weights by its parts. */
  matrix(name: string): Matrix {
    return this.#arena.matrix(name);
  }

  /** What a linear layer adds to its result, (out); null where it adds nothing. */
  bias(layer: number, projection: Projection): Slice | null {
    if (!this.config.biasedProjections.includes(projection)) return null;
    return this.weight(layerTensor(layer, projection, 'bias'));
  }

  destroy(): void {
    this.#arena.destroy();
    for (const table of this.#rotary) table?.destroy();
    this.kernels.destroy();
  }
}
