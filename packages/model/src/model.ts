/** A loaded model: configuration, weights on the device, rotary table, compiled kernels. */

import type { Gpu } from '@seal/device';
import { Kernels, ropeTable, type ChoiceOptions, type Slice } from '@seal/kernels';
import { digest } from '@seal/runs';
import { createStorage, readFloats, upload } from './buffers.ts';
import type { ModelConfig } from './config.ts';
import { layerTensor, parameterLayout, splitLayout, type ArenaSplit, type ParameterLayout, type Projection } from './parameters.ts';
import type { Matrix } from './products.ts';
import { inverseFrequencies } from './rope.ts';

/**
 * Numbers laid out as the model's parameters: weights, gradients or moments. Owns its buffers until `destroy`, none of
 * them larger than the limit it was made for.
 */
export class ParameterArena {
  readonly layout: ParameterLayout;
  readonly split: ArenaSplit;
  /** One for each of `split.buffers`. */
  readonly buffers: readonly GPUBuffer[];
  #device: GPUDevice;

  constructor(device: GPUDevice, label: string, layout: ParameterLayout, byteLimit: number) {
    this.#device = device;
    this.layout = layout;
    this.split = splitLayout(layout, byteLimit);
    this.buffers = this.split.buffers.map(({ elementCount }) => createStorage(device, label, elementCount));
  }

  /** The part of a buffer that holds one tensor. Throws RangeError for an unknown name and for a tensor in several parts. */
  slice(name: string): GPUBufferBinding {
    const { parts } = this.matrix(name);
    if (parts.length > 1) throw new RangeError(`Cannot bind tensor ${name} whole: it lies in ${parts.length} parts`);
    return parts[0].slice;
  }

  /** One tensor by its parts; a vector is a matrix of one row. Throws RangeError for an unknown name. */
  matrix(name: string): Matrix {
    const place = this.layout.places.get(name);
    const parts = this.split.parts.get(name);
    if (!place || !parts) throw new RangeError(`Cannot find tensor ${name}`);
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    return {
      rows,
      columns: place.elementCount / rows,
      parts: parts.map(({ firstRow, rows: count, buffer, offset, elementCount }) => ({
        firstRow,
        rows: count,
        slice: { buffer: this.buffers[buffer], offset: offset * 4, size: elementCount * 4 },
      })),
    };
  }

  /** Overwrites rows of a tensor from `first` on, those of `values`. */
  writeRows(name: string, first: number, values: Float32Array): void {
    const { columns, parts } = this.matrix(name);
    const end = first + values.length / columns;
    for (const { firstRow, rows, slice } of parts) {
      const from = Math.max(first, firstRow);
      const to = Math.min(end, firstRow + rows);
      if (from >= to) continue;
      const own = values.subarray((from - first) * columns, (to - first) * columns);
      upload(this.#device, slice.buffer, own, (slice.offset ?? 0) + (from - firstRow) * columns * 4);
    }
  }

  /** Overwrites everything; `values` in layout order. */
  write(values: Float32Array): void {
    this.buffers.forEach((buffer, i) => {
      const { start, elementCount } = this.split.buffers[i];
      upload(this.#device, buffer, values.subarray(start, start + elementCount));
    });
  }

  /** Everything, in layout order. */
  async read(): Promise<Float32Array> {
    const values = new Float32Array(this.layout.elementCount);
    for (const [i, buffer] of this.buffers.entries()) {
      const { start, elementCount } = this.split.buffers[i];
      values.set(await readFloats(this.#device, buffer, 0, elementCount), start);
    }
    return values;
  }

  /** Everything by tensor name. */
  async tensors(): Promise<Map<string, Float32Array>> {
    const values = await this.read();
    return new Map([...this.layout.places.values()].map((p) => [p.name, values.slice(p.offset, p.offset + p.elementCount)]));
  }

  destroy(): void {
    for (const buffer of this.buffers) buffer.destroy();
  }
}

/** Weights on the host by Hugging Face name, in float32. */
export type HostWeights = ReadonlyMap<string, Float32Array>;

/** A model on a device. Owns its buffers and kernels until `destroy`. */
export class Model {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly kernels: Kernels;
  readonly weights: ParameterArena;
  readonly cosSin: GPUBuffer;
  /** Most bytes that a buffer of parameters has. */
  readonly byteLimit: number;

  /**
   * Weights are split at `byteLimit`, what the device can bind unless given. The choice says which variants of the
   * kernels run; the defaults of the adapter's class unless given.
   */
  constructor(gpu: Gpu, config: ModelConfig, options: ChoiceOptions & { readonly byteLimit?: number } = {}) {
    const rotary = config.maxPositionEmbeddings * config.headDim * 4;
    const { maxStorageBufferBindingSize: limit, maxBufferSize } = gpu.device.limits;
    if (rotary > limit) {
      throw new RangeError(
        `Cannot hold a rotary table of ${config.maxPositionEmbeddings} positions: ${rotary} bytes, the device binds at most ${limit}`,
      );
    }
    this.gpu = gpu;
    this.config = config;
    const { byteLimit = Infinity, ...choice } = options;
    this.kernels = new Kernels(gpu.device, gpu.description, choice);
    this.byteLimit = Math.min(limit, maxBufferSize, byteLimit);
    this.weights = new ParameterArena(gpu.device, 'weights', parameterLayout(config), this.byteLimit);
    const table = ropeTable(config.maxPositionEmbeddings, inverseFrequencies(config));
    this.cosSin = createStorage(gpu.device, 'rotary table', table.length);
    gpu.device.queue.writeBuffer(this.cosSin, 0, table);
  }

  /** Uploads weights. Throws RangeError when a tensor is missing or has another size. */
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

  /** Uploads rows of one tensor, from row `first` on; a vector is one row. */
  writeRows(name: string, first: number, values: Float32Array): void {
    this.weights.writeRows(name, first, values);
  }

  /** The weights, read back from the device. */
  async read(): Promise<Map<string, Float32Array>> {
    const tensors = await this.weights.tensors();
    this.gpu.throwIfFailed();
    return tensors;
  }

  /** SHA-256 over the weights in layout order: what determines a reward besides the text. */
  async digest(): Promise<string> {
    return digest(new Uint8Array((await this.weights.read()).buffer));
  }

  /** A tensor of the weights as an operand; `matrix` for those that may be split. */
  weight(name: string): Slice {
    return this.weights.slice(name);
  }

  /** A tensor of the weights by its parts. */
  matrix(name: string): Matrix {
    return this.weights.matrix(name);
  }

  /** What a linear layer adds to its result, (out); null where it adds nothing. */
  bias(layer: number, projection: Projection): Slice | null {
    if (!this.config.biasedProjections.includes(projection)) return null;
    return this.weight(layerTensor(layer, projection, 'bias'));
  }

  destroy(): void {
    this.weights.destroy();
    this.cosSin.destroy();
    this.kernels.destroy();
  }
}
