/** The optimiser ops in sequence against five recorded steps of torch.optim.AdamW with clip_grad_norm_. */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { adamw, Kernels, normChunks, profileOf, Recording, squaredNorm, squaredNormTotal } from '@seal/kernels';

interface Golden {
  readonly steps: number;
  readonly P: number;
  readonly decayElements: number;
  readonly rates: readonly number[];
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  readonly maxNorm: number;
  readonly initial: readonly number[];
  readonly gradients: readonly (readonly number[])[];
  readonly expected: Readonly<Record<'parameters' | 'm' | 'v', readonly number[]>>;
}

const golden = JSON.parse(readFileSync(new URL('expected.json', import.meta.url), 'utf8')) as Golden;
const { P, beta1, beta2 } = golden;

let gpu: Gpu;
let kernels: Kernels;
beforeAll(async () => {
  gpu = await openGpu();
  kernels = new Kernels(gpu.device, profileOf(gpu.device));
});
afterAll(() => {
  kernels.destroy();
  gpu.close();
});

const usage = () => GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
const bufferOf = (values: readonly number[]) => {
  const buffer = gpu.device.createBuffer({ size: values.length * 4, usage: usage(), mappedAtCreation: true });
  new Float32Array(buffer.getMappedRange()).set(values);
  buffer.unmap();
  return buffer;
};

const bitsOf = async (source: GPUBuffer) => {
  const { device } = gpu;
  const staging = device.createBuffer({ size: source.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, staging, 0, source.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const bits = new Uint32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return bits;
};

/** Trains every golden adapter, and two more that must not move: one not active, one whose gradient overflows. */
async function train() {
  const trained = golden.rates.length;
  const [idle, overflowing] = [trained, trained + 1];
  const E = trained + 2;
  const sizes = { E, P, B: normChunks(P) };
  const untouched = Array.from({ length: 2 * P }, (_, i) => Math.sin(i + 1));
  const zeros = Array.from({ length: trained * P }, () => 0);
  const moments = [...zeros, ...untouched];
  const start = { parameters: [...golden.initial, ...untouched], m: moments, v: moments };
  const state = { parameters: bufferOf(start.parameters), m: bufferOf(start.m), v: bufferOf(start.v) };
  const gradient = bufferOf(start.m);
  const partial = bufferOf(Array.from({ length: E * sizes.B }, () => 0));
  const norm = bufferOf(Array.from({ length: E }, () => 0));
  const schedule = bufferOf(Array.from({ length: E * 4 }, () => 0));

  const step = new Recording(kernels);
  step.run(squaredNorm, sizes, { x: gradient, partial });
  step.run(squaredNormTotal, sizes, { partial, squaredNorm: norm });
  step.run(adamw, { ...golden, ...sizes }, { gradient, squaredNorm: norm, schedule, ...state });
  gpu.device.pushErrorScope('validation');
  for (let t = 1; t <= golden.steps; t++) {
    const rates = [...golden.rates, 0.1, 0.1];
    const overflow = Array.from({ length: 2 * P }, (_, i) => (i >= P ? 1e30 : 1));
    const rows = rates.flatMap((rate, e) => [rate, 1 - beta1 ** t, 1 - beta2 ** t, e === idle ? 0 : 1]);
    gpu.device.queue.writeBuffer(gradient, 0, Float32Array.from([...golden.gradients[t - 1], ...overflow]));
    gpu.device.queue.writeBuffer(schedule, 0, Float32Array.from(rows));
    const encoder = gpu.device.createCommandEncoder();
    step.encode(encoder, undefined);
    gpu.device.queue.submit([encoder.finish()]);
  }
  expect(await gpu.device.popErrorScope()).toBeNull();
  return { start, state, norm, trained, overflowing };
}

it('takes the steps of torch.optim.AdamW and leaves idle and overflowing adapters bit for bit', async () => {
  const { start, state, norm, trained, overflowing } = await train();
  for (const name of ['parameters', 'm', 'v'] as const) {
    const bits = await bitsOf(state[name]);
    const values = new Float32Array(bits.buffer);
    const expected = golden.expected[name];
    const scale = Math.max(...expected.map(Math.abs));
    expected.forEach((value, i) => {
      // Five float32 steps, each rounded a few times.
      expect(Math.abs(values[i] - value) / scale, `${name}[${i}]`).toBeLessThan(1e-6);
    });
    const before = new Uint32Array(Float32Array.from(start[name]).buffer);
    expect(bits.slice(trained * P)).toEqual(before.slice(trained * P));
  }
  expect(new Float32Array((await bitsOf(norm)).buffer)[overflowing]).toBe(Infinity);
});
