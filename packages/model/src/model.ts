/** A loaded model: configuration, weights on the device, rotary table, compiled kernels. */

import type { Gpu } from '@seal/device';
import { Kernels, ropeTable, type ChoiceOptions, type Slice } from '@seal/kernels';
import { digest } from '@seal/runs';
import { createStorage, readFloats } from './buffers.ts';
import type { LlamaConfig } from './config.ts';
import { parameterLayout, type ParameterLayout } from './parameters.ts';

/** Numbers laid out as the model's parameters: weights, gradients or moments. Owns its buffer. */
export class ParameterArena {
  readonly layout: ParameterLayout;
  readonly buffer: GPUBuffer;

  constructor(device: GPUDevice, label: string, layout: ParameterLayout) {
    const limit = device.limits.maxBufferSize;
    if (layout.elementCount * 4 > limit) {
      throw new RangeError(`Cannot hold ${layout.elementCount} parameters: ${layout.elementCount * 4} bytes, the device allows ${limit} a buffer`);
    }
    this.layout = layout;
    this.buffer = createStorage(device, label, layout.elementCount);
  }

  /** The part of the buffer that holds one tensor. Throws RangeError for an unknown name. */
  slice(name: string): GPUBufferBinding {
    const place = this.layout.places.get(name);
    if (!place) throw new RangeError(`Cannot find tensor ${name}`);
    return { buffer: this.buffer, offset: place.offset * 4, size: place.elementCount * 4 };
  }
}

/** Weights on the host by Hugging Face name, in float32. */
export type HostWeights = ReadonlyMap<string, Float32Array>;

/** A model on a device. Owns its buffers and kernels until `destroy`. */
export class Model {
  readonly gpu: Gpu;
  readonly config: LlamaConfig;
  readonly kernels: Kernels;
  readonly weights: ParameterArena;
  readonly cosSin: GPUBuffer;

  /** `choice` says which variants of the kernels run; the defaults of the adapter's class unless given. */
  constructor(gpu: Gpu, config: LlamaConfig, choice: ChoiceOptions = {}) {
    const rotary = config.maxPositionEmbeddings * config.headDim * 4;
    const limit = gpu.device.limits.maxStorageBufferBindingSize;
    if (rotary > limit) {
      throw new RangeError(
        `Cannot hold a rotary table of ${config.maxPositionEmbeddings} positions: ${rotary} bytes, the device binds at most ${limit}`,
      );
    }
    this.gpu = gpu;
    this.config = config;
    this.kernels = new Kernels(gpu.device, gpu.description, choice);
    this.weights = new ParameterArena(gpu.device, 'weights', parameterLayout(config));
    const table = ropeTable(config.maxPositionEmbeddings, config.headDim, config.ropeTheta);
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
    this.gpu.device.queue.writeBuffer(this.weights.buffer, 0, values);
  }

  /** The weights, read back from the device. */
  async read(): Promise<Map<string, Float32Array>> {
    const { elementCount, places } = this.weights.layout;
    const values = await readFloats(this.gpu.device, this.weights.buffer, 0, elementCount);
    this.gpu.throwIfFailed();
    return new Map([...places.values()].map((p) => [p.name, values.slice(p.offset, p.offset + p.elementCount)]));
  }

  /** SHA-256 over the weights in layout order: what determines a reward besides the text. */
  async digest(): Promise<string> {
    const values = await readFloats(this.gpu.device, this.weights.buffer, 0, this.weights.layout.elementCount);
    return digest(new Uint8Array(values.buffer));
  }

  /** A tensor of the weights as an operand. */
  weight(name: string): Slice {
    return this.weights.slice(name);
  }

  destroy(): void {
    this.weights.buffer.destroy();
    this.cosSin.destroy();
    this.kernels.destroy();
  }
}
