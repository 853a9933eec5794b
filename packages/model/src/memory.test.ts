/** What a step keeps in memory, what it makes while it runs, and that neither changes what it computes. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { packBatch, type Segment } from './batch.ts';
import { smallConfig, smallWeights, uniform, watchDevice, type DeviceCalls } from './fixture.ts';
import { Generator } from './sampling/generation.ts';
import { InferencePass } from './sampling/inference.ts';
import { initialAdapter, LoraPack, type LoraConfig } from './adapters/lora.ts';
import { Model } from './model.ts';
import { PROJECTIONS } from './model-config.ts';
import { FullTrainer, LoraTrainer } from './training.ts';

const lora: LoraConfig = { rank: 4, alpha: 8, targets: PROJECTIONS };
const rates = [0.02, 0.01];
const ADAPTERS = 2;

let gpu: Gpu;
let model: Model;
let pack: LoraPack;
beforeAll(async () => {
  gpu = await openGpu();
  model = new Model(gpu, smallConfig);
  model.write(smallWeights(smallConfig));
  pack = new LoraPack(gpu.device, smallConfig, lora, ADAPTERS);
});
afterAll(() => {
  pack.destroy();
  model.destroy();
  gpu.close();
});

/** Documents of a step: other lengths every time, also fewer tokens than the step has room for. */
function segments(step: number): Segment[] {
  const draw = uniform(step);
  return Array.from({ length: ADAPTERS }, (_, e) =>
    Array.from({ length: 2 }, () => ({ tokens: Array.from({ length: 3 + ((step + e) % 4) * 3 }, () => Math.floor(draw() * smallConfig.vocabSize)) })),
  );
}

const fresh = () => Array.from({ length: ADAPTERS }, (_, e) => initialAdapter(pack.layout, lora.rank, uniform(50 + e)));

/** The bits of the adapters and losses after five steps. */
async function train(sizes: { readonly recompute?: boolean }, before: (trainer: LoraTrainer) => void = () => {}) {
  const trainer = new LoraTrainer(model, pack, { tokens: 64, steps: 8, ...sizes });
  try {
    trainer.begin(fresh());
    before(trainer);
    for (let step = 0; step < 5; step++) trainer.step(segments(step), rates);
    const losses = await trainer.losses();
    return [...(await pack.read()), ...losses].map((values) => Array.from(new Uint32Array(values.buffer, values.byteOffset, values.length)));
  } finally {
    trainer.destroy();
  }
}

/** Fills all temporaries that were made since `calls` with NaN. */
function poison(calls: DeviceCalls): void {
  const temporaries = [...calls.liveBuffers].filter(({ label }) => label.startsWith('temporary'));
  expect(temporaries.length).toBeGreaterThan(5);
  for (const buffer of temporaries) gpu.device.queue.writeBuffer(buffer, 0, new Float32Array(buffer.size / 4).fill(NaN));
}

describe('planned memory', () => {
  it('holds nothing that a training step relies on from the step before', async () => {
    const wanted = await train({});
    const calls = watchDevice(gpu.device);
    expect(await train({}, () => poison(calls))).toEqual(wanted);
  });

  it('holds nothing that sampling relies on from the step before', async () => {
    const sample = async (before: () => void) => {
      const generator = new Generator(model, pack, { slots: 4, length: 40, prefillTokens: 64 });
      before();
      const requests = [0, 1, 1].map((adapter, i) => ({ prompt: [3, 4 + i, 5], adapter, draws: [uniform(i)] }));
      const completions = await generator.generate(requests, { temperature: 1, topP: 1, maxNewTokens: 9, stopTokens: [] });
      generator.destroy();
      return completions;
    };
    const wanted = await sample(() => {});
    const calls = watchDevice(gpu.device);
    expect(await sample(() => poison(calls))).toEqual(wanted);
  });

  it('is shared, less with recomputation, and given back', () => {
    const deep = new Model(gpu, { ...smallConfig, numHiddenLayers: 16 });
    const deepPack = new LoraPack(gpu.device, deep.config, lora, ADAPTERS);
    const calls = watchDevice(gpu.device);
    const measure = (recompute: boolean) => {
      const trainer = new LoraTrainer(deep, deepPack, { tokens: 64, steps: 1, recompute });
      const { memory } = trainer;
      const held = [...calls.liveBuffers].filter(({ label }) => label.startsWith('temporary'));
      expect(held.reduce((sum, { size }) => sum + size, 0)).toBe(memory.byteLength);
      trainer.destroy();
      // The kernels keep their parameters for the next recording, the pack its gradient and moments.
      expect([...calls.liveBuffers].map(({ label }) => label).filter((label) => !/^(params|lora) /.test(label))).toEqual([]);
      return memory;
    };
    const kept = measure(false);
    const recomputed = measure(true);
    expect(kept.byteLength).toBeLessThan(0.75 * kept.unsharedByteLength);
    // Of 16 layers' activations one layer's remain, and the inputs of 16.
    expect(recomputed.byteLength).toBeLessThan(0.35 * kept.byteLength);
    deepPack.destroy();
    deep.destroy();
  });
});

describe('recomputation', () => {
  it('gives the same bits for adapters', async () => {
    expect(await train({ recompute: true })).toEqual(await train({ recompute: false }));
  });

  it('gives the same bits for all weights', async () => {
    const trained = async (recompute: boolean) => {
      model.write(smallWeights(smallConfig));
      const trainer = new FullTrainer(model, { tokens: 32, steps: 4, recompute });
      for (let step = 0; step < 3; step++) trainer.step(segments(step)[0]!, 0.01);
      const losses = await trainer.losses();
      trainer.destroy();
      return { losses, weights: await model.read() };
    };
    try {
      expect(await trained(true)).toEqual(await trained(false));
    } finally {
      model.write(smallWeights(smallConfig));
    }
  });
});

describe('a warm step', () => {
  const nothing = { createBuffer: 0, createBindGroup: 0, createComputePipeline: 0, createShaderModule: 0 };

  it('of training makes nothing on the device and submits once', async () => {
    const trainer = new LoraTrainer(model, pack, { tokens: 64, steps: 8 });
    trainer.begin(fresh());
    trainer.step(segments(0), rates);
    await gpu.device.queue.onSubmittedWorkDone();
    const calls = watchDevice(gpu.device);
    trainer.step(segments(1), rates);
    expect(calls.created).toEqual(nothing);
    expect(calls.submits).toBe(1);
    // Losses may be read while further steps are submitted.
    const read = async () => {
      const before = trainer.losses();
      trainer.step(segments(2), rates);
      return Promise.all([before, trainer.losses()]);
    };
    await read();
    calls.reset();
    const [before, after] = await read();
    expect(calls.created).toEqual(nothing);
    expect(after.slice(0, -1)).toEqual(before);
    trainer.destroy();
  });

  it('of scoring makes nothing on the device and submits at most twice, results read', async () => {
    const pass = new InferencePass(model, pack, { tokens: 64, rows: 64 });
    const score = async (step: number) => {
      const batch = packBatch(segments(step));
      pass.submit(batch, batch.lastTokens);
      return pass.logits(4);
    };
    await score(0);
    const calls = watchDevice(gpu.device);
    await score(1);
    expect(calls.created).toEqual(nothing);
    expect(calls.submits).toBeLessThanOrEqual(2);
    pass.destroy();
  });

  it('of decoding makes nothing on the device and submits at most twice', async () => {
    const generator = new Generator(model, pack, { slots: 4, length: 40, prefillTokens: 64 });
    const requests = [0, 1].map((adapter) => ({ prompt: [3, 4, 5 + adapter], adapter, draws: [uniform(adapter)] }));
    for (const temperature of [0, 1]) {
      const generate = (maxNewTokens: number) => generator.generate(requests, { temperature, topP: 1, maxNewTokens, stopTokens: [] });
      await generate(2);
      const calls = watchDevice(gpu.device);
      await generate(1);
      const prefill = calls.submits;
      calls.reset();
      await generate(9);
      expect(calls.created).toEqual(nothing);
      // One prefill, and eight decoding steps for the other tokens.
      expect(calls.submits).toBeLessThanOrEqual(prefill + 8 * 2);
    }
    generator.destroy();
  });
});
