/** A model small enough to read, for the tests. */

import { uniformFrom } from '@seal/kernels';
import { initialAdapter, type AdapterValues, type LoraLayout, type LoraPack } from './adapters/lora.ts';
import { packBatch, type Segment } from './batch.ts';
import { initialWeights } from './files/checkpoint.ts';
import { rowShape, type WeightSource } from './files/sources.ts';
import type { Model } from './model.ts';
import { parameterLayout } from './parameters.ts';
import { InferencePass } from './sampling/inference.ts';
import { parseConfig } from './config.ts';
import type { ModelConfig } from './model-config.ts';

/** Two layers, grouped heads of size 8, 24 tokens. */
export const smallConfig: ModelConfig = parseConfig(
  {
    model_type: 'llama',
    vocab_size: 24,
    hidden_size: 16,
    intermediate_size: 20,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    max_position_embeddings: 64,
    tie_word_embeddings: true,
    bos_token_id: 1,
    eos_token_id: 2,
  },
  'the test',
);

export { uniformFrom as uniform };

/** An adapter as if it were trained: B of initialAdapter, which is zero, is uniform within `spread` / 2 of zero. */
export function drawnAdapter(layout: LoraLayout, draw: () => number, spread: number): AdapterValues {
  const values = initialAdapter(layout, layout.rank, draw);
  for (const { out, offsetB } of layout.places) for (let i = 0; i < layout.rank * out; i++) values[offsetB + i] = spread * (draw() - 0.5);
  return values;
}

/** |actual - expected| / |expected|; infinite where lengths differ. */
export function relativeL2(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2;
    norm += expected[i]! ** 2;
  }
  return Math.sqrt(difference / norm);
}

/** Random weights, large enough that the most likely tokens vary. */
export function smallWeights(config: ModelConfig, seed = 1): Map<string, Float32Array> {
  const draw = uniformFrom(seed);
  return initialWeights(config, () => 8 * (draw() + draw() + draw() - 1.5));
}

const WATCHED = ['createBuffer', 'createBindGroup', 'createComputePipeline', 'createShaderModule'] as const;

/** What a device is asked to make and to run; counts from the call on. */
export interface DeviceCalls {
  /** Calls of each creating method since the last `reset`. */
  readonly created: Readonly<Record<(typeof WATCHED)[number], number>>;
  readonly submits: number;
  /** Buffers made since the call that are not destroyed. */
  readonly liveBuffers: ReadonlySet<GPUBuffer>;
  /** The largest part of each bound storage buffer since the call, in bytes. */
  readonly largestBinding: number;
  reset(): void;
}

/** Watches a device by wrapping its methods. */
export function watchDevice(device: GPUDevice): DeviceCalls {
  const none = { createBuffer: 0, createBindGroup: 0, createComputePipeline: 0, createShaderModule: 0 };
  const calls = { created: { ...none }, submits: 0, liveBuffers: new Set<GPUBuffer>(), largestBinding: 0 };
  for (const name of WATCHED) {
    const original = device[name].bind(device) as (descriptor: unknown) => unknown;
    const wrapped = (descriptor: unknown) => {
      calls.created[name] += 1;
      if (name === 'createBindGroup') {
        for (const { resource } of (descriptor as GPUBindGroupDescriptor).entries) {
          if (!('buffer' in resource)) continue;
          const bytes = resource.size ?? resource.buffer.size - (resource.offset ?? 0);
          calls.largestBinding = Math.max(calls.largestBinding, bytes);
        }
      }
      const made = original(descriptor);
      if (name === 'createBuffer') watchBuffer(made as GPUBuffer, calls.liveBuffers);
      return made;
    };
    Object.defineProperty(device, name, { value: wrapped, configurable: true });
  }
  const { queue } = device;
  const submit = queue.submit.bind(queue);
  const countedQueue = new Proxy(queue, {
    get(target, key) {
      if (key === 'submit') {
        return (commands: Iterable<GPUCommandBuffer>) => {
          calls.submits += 1;
          submit(commands);
        };
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  Object.defineProperty(device, 'queue', { value: countedQueue, configurable: true });
  return Object.assign(calls, {
    reset() {
      calls.created = { ...none };
      calls.submits = 0;
    },
  });
}

function watchBuffer(buffer: GPUBuffer, live: Set<GPUBuffer>): void {
  const destroy = buffer.destroy.bind(buffer);
  live.add(buffer);
  Object.defineProperty(buffer, 'destroy', {
    configurable: true,
    value: () => {
      live.delete(buffer);
      destroy();
    },
  });
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
    return Array.from(batch.lastTokens, (last) => logits.subarray(batch.bounds[last * 2] * V, (last + 1) * V));
  } finally {
    pass.destroy();
  }
}

/** Weights on the host as a source. */
export function hostSource(config: ModelConfig, weights: ReadonlyMap<string, Float32Array>): WeightSource {
  const tensors = new Map([...parameterLayout(config).places.values()].map(({ name, shape }) => [name, { dtype: 'F32' as const, shape }]));
  const find = (name: string) => {
    const tensor = tensors.get(name);
    const values = weights.get(name);
    if (!tensor || !values) throw new RangeError(`Cannot read tensor ${name}: the weights have none of that name`);
    return { ...tensor, values };
  };
  return {
    tensors,
    readRows(name, first, count, target) {
      const { shape, values } = find(name);
      const [, columns] = rowShape(shape);
      const rows = values.subarray(first * columns, (first + count) * columns);
      if (!target) return Promise.resolve(rows.slice());
      target.set(rows);
      return Promise.resolve(target.subarray(0, rows.length));
    },
    readQuantisedRows: (name) => Promise.reject(new TypeError(`Cannot read packed rows of tensor ${name}: it is held as f32`)),
    readTensor(name) {
      const { dtype, shape, values } = find(name);
      return Promise.resolve({ dtype, shape, bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) });
    },
  };
}
