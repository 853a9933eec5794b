import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { tinyConfig } from '@seal/engine';
import { dispatchesOf } from './step-kernels.ts';
import { countUse, memoryGrowth } from './step-memory.ts';
import { benchStep } from './step.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

const checkpoint = fileURLToPath(new URL('../../packages/tiny/checkpoint', import.meta.url));
const config = { ...tinyConfig, inner: { ...tinyConfig.inner, packSize: 2, tokensPerStep: 512 } };

test('measures a step and returns plain data', { timeout: 180_000 }, async () => {
  const benchmark = await benchStep(gpu, {
    commit: 'abc1234',
    checkpoint,
    config,
    phase: { contexts: 2, edits: 2, seed: 1 },
    effort: { steps: 2, runs: 1, turns: 3, memorySteps: 40 },
  });
  expect(JSON.parse(JSON.stringify(benchmark))).toEqual(benchmark);
  expect(benchmark).toMatchObject({ adapter: gpu.description.description, commit: 'abc1234', submitsPerStep: 1 });
  expect(benchmark.settings).toMatchObject({ adapters: 2, soloTokens: 512, steps: 2 });
  // The update of an adapter does not depend on what shares its pack.
  expect(benchmark.packedVsSoloRelativeL2).toBeLessThanOrEqual(1e-5);
  for (const positive of [benchmark.tokensPerSecond, benchmark.packedSpeedup, benchmark.plainTileSpeedup, benchmark.encodeFraction]) {
    expect(positive).toBeGreaterThan(0);
  }
  expect(benchmark.encodeFraction).toBeLessThan(1);
  expect(benchmark.paddingShare).toBeLessThan(1);
  expect(benchmark.memory.gpuBytes).toBe(0);
  expect(benchmark.bytesGrown).toBe(benchmark.memory.gpuBytes + benchmark.memory.hostBytes);
  const { kernels, packedCeiling } = benchmark;
  expect(kernels.reduce((sum, { dispatches }) => sum + dispatches, 0)).toBe(packedCeiling.dispatches);
  expect(kernels.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 2);
  expect(kernels.map(({ op }) => op)).toEqual(expect.arrayContaining(['lora-linear', 'attention', 'adamw']));
});

test('counts what is made and not destroyed, and what is submitted', () => {
  const { device } = gpu;
  const counted = countUse(device);
  const kept = device.createBuffer({ size: 64, usage: GPUBufferUsage.STORAGE });
  const gone = device.createBuffer({ size: 128, usage: GPUBufferUsage.STORAGE });
  expect(counted.bytes()).toBe(192);
  gone.destroy();
  gone.destroy();
  expect(counted.bytes()).toBe(64);
  device.queue.submit([]);
  expect(counted.submits()).toBe(1);
  counted.stop();
  device.queue.submit([]);
  device.createBuffer({ size: 256, usage: GPUBufferUsage.STORAGE }).destroy();
  expect([counted.bytes(), counted.submits()]).toEqual([64, 1]);
  kept.destroy();
});

test('sees the dispatches of the work alone', () => {
  const { device } = gpu;
  expect(dispatchesOf(device, () => device.queue.submit([device.createCommandEncoder().finish()]))).toEqual([]);
});

test('a micro model leaves nothing on the GPU and takes one submit a step', async () => {
  expect(await memoryGrowth(gpu, 12)).toMatchObject({ steps: 12, gpuBytes: 0, submitsPerStep: 1 });
});
