import { afterAll, beforeAll, expect, test } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { kernelCases, type BenchCase } from './cases.ts';
import { benchKernels, type KernelRow } from './index.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

const nameOf = ({ op, shape }: BenchCase) => `${op.name} ${shape}`;

test('measures every variant of an op and returns plain data', async () => {
  const heard: KernelRow[] = [];
  const benchmark = await benchKernels(gpu, {
    commit: 'abc1234',
    filter: (name) => name === 'matmul-nn nn 2048x128x128',
    repetitions: 3,
    onRow: (row) => heard.push(row),
  });
  expect(JSON.parse(JSON.stringify(benchmark))).toEqual(benchmark);
  expect(benchmark).toMatchObject({ adapter: gpu.description.description, commit: 'abc1234', repetitions: 3 });
  expect(heard).toEqual(benchmark.rows);
  expect(benchmark.rows.filter(({ chosen }) => chosen)).toHaveLength(1);
  expect(benchmark.rows.map(({ variant }) => variant)).toEqual(expect.arrayContaining(['tile', 'plain-tile']));
  for (const row of benchmark.rows) {
    expect(row).toMatchObject({ op: 'matmul-nn', layout: 'nn', shape: '2048x128x128' });
    expect(row.dtype).toBe(/-f16$|^subgroup-matrix(-small)?$/.test(row.variant) ? 'f16' : 'f32');
    expect(row.medianMs).toBeGreaterThan(0);
    expect(row.spreadMs).toBeGreaterThanOrEqual(0);
    // 2 M N K operations, and A, B and C once each (the filter left bias and accumulation out).
    expect(row.gflops * row.medianMs).toBeCloseTo(67.108864, 0);
    expect(row.gbps * row.medianMs).toBeCloseTo((4 * (2 * 2048 * 128 + 128 * 128)) / 1e6, 1);
  }
  expect(benchmark.rows.find(({ variant }) => variant === 'plain-tile')?.ratios).toEqual({ 'plain-tile': 1 });
  const { gflops, gbps } = benchmark.ceilings;
  for (const row of benchmark.rows) {
    expect(row.fractionOfCeiling).toBeCloseTo(Math.max(row.gflops / gflops, row.gbps / gbps), 3);
    // Arithmetic in registers is faster than any arithmetic on memory.
    expect(row.gflops).toBeLessThan(gflops);
  }
});

test('compares rows with copies of their array, and the whole backward pass of attention with the forward pass', { retry: 2 }, async () => {
  const measured = async (part: string) =>
    (await benchKernels(gpu, { commit: null, filter: (name) => name.startsWith(part), repetitions: 2 })).rows;
  for (const row of await measured('rms-norm T=')) {
    // At its fastest a copy does no more than one that takes its array vec4 by vec4.
    expect(row.ratios['fastest-copy']).toBeLessThan((row.ratios['copy'] ?? 0) * 1.5);
    expect(row.ratios['plain']).toBeGreaterThan(0);
  }
  const rows = await measured('attention T=128');
  const forward = rows.find(({ op, chosen }) => op === 'attention' && chosen);
  const backward = rows.find(({ op }) => op === 'attention-backward');
  // Two timings of the same forward pass, taken seconds apart on a machine that does other things too: hence the retries.
  const ratio = (forward?.medianMs ?? NaN) / (backward?.medianMs ?? NaN) / (backward?.ratios['forward'] ?? NaN);
  expect(ratio).toBeGreaterThan(0.3);
  expect(ratio).toBeLessThan(3);
});

test('sets the layouts against each other in turns of their own', async () => {
  const { rows } = await benchKernels(gpu, { commit: null, filter: (name) => name.endsWith('512x512x512'), repetitions: 2 });
  const over = rows.filter(({ chosen }) => chosen).map(({ layout, ratios }) => [layout, typeof ratios['nn']]);
  expect(over).toEqual([['nn', 'undefined'], ['nt', 'number'], ['tn', 'number']]);
});

test('covers every matmul layout and names no case twice', () => {
  const names = kernelCases(true).map(nameOf);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toEqual(expect.arrayContaining(['nn', 'nt', 'tn'].map((layout) => `matmul-${layout} 512x512x512`)));
});

test('refuses a number of repetitions that makes no sense', async () => {
  await expect(benchKernels(gpu, { commit: null, repetitions: 0 })).rejects.toThrow(RangeError);
});
