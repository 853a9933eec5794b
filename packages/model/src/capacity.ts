/**
 * What a model takes of a device before one is filled: weights, adapters, a training step and key/value caches are made
 * on a device without memory by the code that makes them on a real one, and its buffers are counted.
 */

import { dryGpu, type GpuDescription } from '@seal/device';
import { type ModelConfig, PROJECTIONS } from './model-config.ts';
import { Generator, type GeneratorSizes } from './sampling/generation.ts';
import { LoraPack, type LoraConfig } from './adapters/lora.ts';
import { Model } from './model.ts';
import { parameterLayout, projectionShape } from './parameters.ts';
import type { Holding } from './matrix.ts';
import { LoraTrainer } from './training.ts';

/** What is wanted of a model. */
export interface CapacityRequest {
  readonly weights: Holding;
  /** Adapters that are held side by side; none where it is null. */
  readonly pack: { readonly lora: LoraConfig; readonly adapters: number } | null;
  /** A training step of the pack; not trained where it is null. */
  readonly step: { readonly tokens: number; readonly recompute: boolean } | null;
  /** Prompts that are continued; none where it is null. */
  readonly generation: GeneratorSizes | null;
}

/** Bytes by what they are for. */
export interface CapacityParts {
  /** Weights, biases and the rotary table. */
  readonly weights: number;
  /** Matrices of the adapters. */
  readonly adapters: number;
  /** Their gradients and two moments. */
  readonly optimiser: number;
  /** What a training step computes with. */
  readonly activations: number;
  /** Keys and values of all slots. */
  readonly cache: number;
  /** What reading prompts and decoding compute with. */
  readonly inference: number;
  /** Tables, parameters of kernels, losses and staging. */
  readonly other: number;
}

/** What a request takes. */
export interface Capacity {
  readonly parts: CapacityParts;
  readonly byteLength: number;
  /** The largest buffer and the largest binding, in bytes. */
  readonly largest: { readonly buffer: number; readonly binding: number };
}

/** Steps whose losses are kept between two looks at them. */
const STEPS = 4;

const PART_OF: readonly (readonly [label: RegExp, part: keyof CapacityParts])[] = [
  [/^(weights|quantised weights|scales|vectors|rotary table)$/, 'weights'],
  [/^lora parameters$/, 'adapters'],
  [/^lora (gradient|m|v)$/, 'optimiser'],
  [/^(key|value) cache$/, 'cache'],
];

/**
 * Counts what a request takes on an adapter of this description, or on any with WebGPU's default limits. Throws
 * RangeError, as the constructors of its parts do, where something cannot be made within the limits.
 */
export function measureCapacity(config: ModelConfig, request: CapacityRequest, profile: Partial<GpuDescription> = {}): Capacity {
  const dry = dryGpu(profile);
  const parts = { weights: 0, adapters: 0, optimiser: 0, activations: 0, cache: 0, inference: 0, other: 0 };
  let counted = new Map<string, number>();
  /** Books what was made since the last call; temporaries are `temporaries`. */
  const book = (temporaries: 'activations' | 'inference') => {
    const now = new Map(dry.byteLengths());
    for (const [label, bytes] of now) {
      const made = bytes - (counted.get(label) ?? 0);
      const known = PART_OF.find(([pattern]) => pattern.test(label))?.[1];
      parts[known ?? (/^(temporary \d+|logits)$/.test(label) ? temporaries : 'other')] += made;
    }
    counted = now;
  };
  try {
    const { weights, pack, step, generation } = request;
    const model = new Model(dry.gpu, config, { weights });
    const adapters = pack && new LoraPack(dry.gpu.device, config, pack.lora, pack.adapters);
    if (adapters && step) new LoraTrainer(model, adapters, { ...step, steps: STEPS });
    book('activations');
    if (generation) new Generator(model, adapters, generation);
    book('inference');
    const byteLength = Object.values(parts).reduce((sum, bytes) => sum + bytes, 0);
    return { parts, byteLength, largest: { ...dry.largest } };
  } finally {
    dry.gpu.close();
  }
}

/** Parameters of a model; tied ones count once. */
export function parameterCount(config: ModelConfig): number {
  const { places } = parameterLayout(config);
  return [...places.values()].reduce((sum, { elementCount }) => sum + elementCount, 0);
}

/**
 * Multiplications and additions of a training step over `tokens` tokens in sequences of `length`: products with the frozen
 * weights forward and for the gradient of their input, low-rank products and their gradients, attention within a causal
 * sequence; each block's forward products twice with `recompute`. Norms, softmax and AdamW are not counted.
 */
export function stepFlops(config: ModelConfig, lora: LoraConfig, step: { tokens: number; length: number; recompute: boolean }): number {
  const { hiddenSize: C, vocabSize: V, numHiddenLayers: L, numAttentionHeads: H, headDim: D } = config;
  const { tokens: T, length, recompute } = step;
  const forwards = recompute ? 2 : 1;
  const linear = PROJECTIONS.reduce((sum, projection) => {
    const [out, inner] = projectionShape(config, projection);
    const low = lora.targets.includes(projection) ? lora.rank * (out + inner) : 0;
    return sum + 2 * (forwards + 1) * out * inner + 2 * (forwards + 2) * low;
  }, 0);
  // Two products forward and five backward, with half of the keys before a token on average.
  const attention = ((2 * forwards + 5) * 2 * H * D * (length + 1)) / 2;
  return T * (L * (linear + attention) + 4 * V * C);
}

/**
 * The largest whole number from 1 on whose request fits into `budget` bytes and the adapter's limits; 0 where 1 does
 * not. What fits must also fit with less.
 */
export function largestFitting(fits: (n: number) => boolean, most: number): number {
  let [good, bad] = [0, most + 1];
  for (let n = 1; n < bad && fits(n); n = Math.min(n * 2, bad - 1)) {
    if (n === good) break;
    good = n;
    if (n === bad - 1) return n;
  }
  bad = Math.min(bad, Math.max(good * 2, 1));
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (fits(middle)) good = middle;
    else bad = middle;
  }
  return good;
}
