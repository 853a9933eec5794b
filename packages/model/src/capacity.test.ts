/** The plan is what is made: counted on a device without memory, compared with a real one, and held to what must fit. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, dryGpu, openGpu, type Gpu } from '@seal/device';
import { largestFitting, measureCapacity, stepFlops, type CapacityRequest } from './capacity.ts';
import { parseConfig } from './config.ts';
import { type ModelConfig, PROJECTIONS } from './model-config.ts';
import { smallConfig, watchDevice } from './fixture.ts';
import { Generator } from './sampling/generation.ts';
import { LoraPack } from './adapters/lora.ts';
import { Model } from './model.ts';
import { LoraTrainer } from './training.ts';

const GIB = 2 ** 30;
const rank16 = { rank: 16, alpha: 32, targets: PROJECTIONS };

/** The files' own numbers: Qwen/Qwen2.5-7B, Qwen/Qwen2.5-0.5B and meta-llama/Llama-3.2-1B. */
const qwen7b = parseConfig(
  {
    model_type: 'qwen2', vocab_size: 152_064, hidden_size: 3_584, intermediate_size: 18_944, num_hidden_layers: 28,
    num_attention_heads: 28, num_key_value_heads: 4, max_position_embeddings: 131_072, rope_theta: 1e6,
  },
  'Qwen2.5-7B',
);
const qwenHalfB = parseConfig(
  {
    model_type: 'qwen2', vocab_size: 151_936, hidden_size: 896, intermediate_size: 4_864, num_hidden_layers: 24,
    num_attention_heads: 14, num_key_value_heads: 2, max_position_embeddings: 32_768, rope_theta: 1e6, tie_word_embeddings: true,
  },
  'Qwen2.5-0.5B',
);
const llama1b = parseConfig(
  {
    model_type: 'llama', vocab_size: 128_256, hidden_size: 2_048, intermediate_size: 8_192, num_hidden_layers: 16,
    num_attention_heads: 32, num_key_value_heads: 8, head_dim: 64, max_position_embeddings: 131_072, rope_theta: 500_000,
    tie_word_embeddings: true,
  },
  'Llama-3.2-1B',
);

describe('a device without memory', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await openGpu();
  });
  afterAll(() => gpu.close());

  const fill = (on: Gpu, config: ModelConfig, weights: CapacityRequest['weights']) => {
    const model = new Model(on, config, { weights });
    const pack = new LoraPack(on.device, config, { rank: 4, alpha: 8, targets: PROJECTIONS }, 3);
    const trainer = new LoraTrainer(model, pack, { tokens: 128, steps: 4, recompute: true });
    const generator = new Generator(model, pack, { slots: 5, length: 40, prefillTokens: 64 });
    return [generator, trainer, pack, model];
  };

  it.each(['f32', 'f16', 'int8', 'int4'] as const)('is filled with the bytes that a real one is, weights held as %s', (weights) => {
    const config = { ...smallConfig, hiddenSize: 64, intermediateSize: 72 };
    const calls = watchDevice(gpu.device);
    const owned = fill(gpu, config, weights);
    const real = new Map<string, number>();
    for (const { label, size } of calls.liveBuffers) real.set(label, (real.get(label) ?? 0) + size);
    for (const one of owned) one.destroy();

    const dry = dryGpu(gpu.description);
    const dryOwned = fill(dry.gpu, config, weights);
    expect(new Map(dry.byteLengths())).toEqual(real);
    expect(real.get('lora parameters')).toBeGreaterThan(0);
    for (const one of dryOwned) one.destroy();
    // What is left is what the kernels of the real one keep too.
    expect([...dry.byteLengths().keys()]).toEqual([]);
    dry.gpu.close();
  });

  it('refuses what the limits forbid, and to be read', async () => {
    const dry = dryGpu();
    const { device } = dry.gpu;
    const STORAGE = 0x80 | 0x08;
    const buffer = (size: number) => device.createBuffer({ label: 'x', size, usage: STORAGE });
    expect(() => buffer(256 * 1024 * 1024 + 4)).toThrow('Cannot make buffer x of 268435460 bytes: the device makes at most 268435456');
    const layout = (types: GPUBufferBindingType[]) =>
      device.createBindGroupLayout({ label: 'op', entries: types.map((type, binding) => ({ binding, visibility: 4, buffer: { type } })) });
    expect(() => layout(Array.from({ length: 9 }, () => 'storage' as const))).toThrow('Cannot lay out op: it has 9 storage buffers');
    const bind = (resource: GPUBufferBinding, type: GPUBufferBindingType = 'storage') =>
      device.createBindGroup({ label: 'op', layout: layout([type]), entries: [{ binding: 0, resource }] });
    const large = buffer(200 * 1024 * 1024);
    expect(() => bind({ buffer: large })).toThrow('209715200 bytes, the device binds at most 134217728');
    expect(() => bind({ buffer: large, offset: 128, size: 64 })).toThrow('it starts at byte 128, no multiple of 256');
    expect(() => bind({ buffer: large, offset: 256, size: 200 * 1024 * 1024 })).toThrow('bytes 256 to 209715456 of 209715200');
    expect(() => bind({ buffer: large, size: 16 }, 'uniform')).toThrow('it was not made for that');
    const both = [{ binding: 0, resource: { buffer: large, size: 16 } }, { binding: 1, resource: { buffer: large, offset: 256, size: 16 } }];
    expect(() => device.createBindGroup({ layout: layout(['read-only-storage', 'storage']), entries: both })).toThrow('the same buffer is also bound as read-only-storage');
    expect(() => device.queue.writeBuffer(large, 200 * 1024 * 1024 - 4, new Float32Array(2))).toThrow(RangeError);
    large.destroy();
    expect(() => bind({ buffer: large, size: 16 })).toThrow('it is destroyed');
    await expect(buffer(16).mapAsync(1)).rejects.toThrow('a dry device computes nothing');
    expect(dry.byteLengths()).toEqual(new Map([['x', 16]]));
    dry.gpu.close();
  });
});

describe('a plan', () => {
  const rows: string[] = [];
  afterAll(() => console.log(rows.join('\n')));
  const plan = (name: string, config: ModelConfig, request: CapacityRequest) => {
    const measured = measureCapacity(config, request);
    const shown = Object.entries(measured.parts).map(([part, bytes]) => `${part} ${(bytes / GIB).toFixed(2)}`);
    rows.push(`${name}, ${request.weights}: ${(measured.byteLength / GIB).toFixed(2)} GiB (${shown.join(', ')})`);
    expect(measured.largest.binding).toBeLessThanOrEqual(DEFAULT_LIMITS.maxStorageBufferBindingSize);
    expect(measured.largest.buffer).toBeLessThanOrEqual(DEFAULT_LIMITS.maxBufferSize);
    return measured;
  };
  const training = { pack: { lora: rank16, adapters: 8 }, step: { tokens: 2_048, recompute: true }, generation: null };

  it('for Qwen2.5-7B in int4 with 8 adapters of rank 16 and 2,048 tokens is at most 12 GiB within the default limits', () => {
    const { parts, byteLength } = plan('Qwen2.5-7B', qwen7b, { weights: 'int4', ...training });
    expect(byteLength).toBeLessThanOrEqual(12 * GIB);
    // By hand: 40,370,176 parameters an adapter, of which a gradient and two moments.
    expect(parts.adapters).toBe(40_370_176 * 4 * 8);
    expect(parts.optimiser).toBe(3 * parts.adapters);
    // 6,525,288,448 parameters of linear layers at 4.5 bits, 1,089,994,752 of embedding and head at 8.5, rotary table.
    const weights = (6_525_288_448 * 4.5 + 1_089_994_752 * 8.5) / 8 + 131_072 * 128 * 4;
    expect(parts.weights / weights).toBeCloseTo(1, 3);
    // Without recomputation it does not fit.
    const kept = measureCapacity(qwen7b, { weights: 'int4', ...training, step: { tokens: 2_048, recompute: false } });
    expect(kept.byteLength).toBeGreaterThan(12 * GIB);
  });

  it('for smaller models fits as well, and answers', () => {
    const generation = { slots: 16, length: 2_048, prefillTokens: 2_048 };
    for (const weights of ['f16', 'int8'] as const) {
      for (const [name, config] of [['Qwen2.5-0.5B', qwenHalfB], ['Llama-3.2-1B', llama1b]] as const) {
        const { parts, byteLength } = plan(`${name}, answering`, config, { weights, ...training, generation });
        expect(byteLength).toBeLessThanOrEqual(12 * GIB);
        const { numHiddenLayers: L, numKeyValueHeads: K, headDim: D } = config;
        expect(parts.cache).toBe(2 * L * 16 * 2_048 * K * D * 4);
      }
    }
  });

  it('refuses caches beyond a binding and says how many slots fit', () => {
    const generation = { slots: 33, length: 2_048, prefillTokens: 512 };
    const request = { weights: 'int8', pack: null, step: null, generation } as const;
    expect(() => measureCapacity(llama1b, request)).toThrow(
      'Cannot keep keys and values of 33 sequences of 2048 tokens: the device binds those of 32 at most; use 32 slots or shorter sequences',
    );
    expect(plan('Llama-3.2-1B, answering 32', llama1b, { ...request, generation: { ...generation, slots: 32 } }).parts.optimiser).toBe(0);
  });

  it('records a step of Qwen2.5-7B whose every dispatch is within the limits', () => {
    const dry = dryGpu();
    const model = new Model(dry.gpu, qwen7b, { weights: 'int4' });
    const pack = new LoraPack(dry.gpu.device, qwen7b, rank16, 8);
    const trainer = new LoraTrainer(model, pack, { tokens: 2_048, steps: 1, recompute: true });
    const sequence = { tokens: new Uint32Array(256) };
    trainer.step(Array.from({ length: 8 }, () => [sequence]), Array.from({ length: 8 }, () => 1e-3));
    expect(pack.arenas.length).toBeGreaterThan(8);
    dry.gpu.close();
  });
});

describe('stepFlops', () => {
  it('is a bit more than four times parameters and tokens, and six with recomputation but for head and adapters', () => {
    const [linear, head, low] = [6_525_288_448, 152_064 * 3_584, 40_370_176];
    // No attention to speak of: sequences of one token.
    const at = (recompute: boolean) => stepFlops(qwen7b, rank16, { tokens: 1, length: 1, recompute });
    const one = 28 * 2 * 28 * 128;
    expect(at(false)).toBe(4 * linear + 4 * head + 6 * low + 7 * one);
    expect(at(true)).toBe(6 * linear + 4 * head + 8 * low + 9 * one);
  });
});

describe('largestFitting', () => {
  it('finds the last number that fits', () => {
    for (const last of [0, 1, 2, 3, 7, 8, 9, 63, 64]) {
      for (const most of [1, 5, 8, 64, 100]) {
        let asked = 0;
        expect(largestFitting((n) => (asked++, n <= last), most), `${last} of ${most}`).toBe(Math.min(last, most));
        expect(asked).toBeLessThan(16);
      }
    }
  });
});
