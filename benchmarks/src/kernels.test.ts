import { afterAll, beforeAll, expect, test } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { Kernels } from '@seal/kernels';
import { kernelCases, type BenchCase } from './cases.ts';
import { benchKernels, type KernelRow } from './index.ts';
import { measureCase } from './measure.ts';

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
    expect(row).toMatchObject({ op: 'matmul-nn', layout: 'nn', shape: '2048x128x128', dtype: 'f32' });
    expect(row.medianMs).toBeGreaterThan(0);
    expect(row.spreadMs).toBeGreaterThanOrEqual(0);
    // 2 M N K operations, and A, B and C once each (the filter left bias and accumulation out).
    expect(row.gflops * row.medianMs).toBeCloseTo(67.108864, 0);
    expect(row.gbps * row.medianMs).toBeCloseTo((4 * (2 * 2048 * 128 + 128 * 128)) / 1e6, 1);
  }
  expect(benchmark.rows.find(({ variant }) => variant === 'plain-tile')?.ratios).toEqual({ 'plain-tile': 1 });
});

test('covers every matmul layout and names no case twice', () => {
  const names = kernelCases().map(nameOf);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toEqual(expect.arrayContaining(['nn', 'nt', 'tn'].map((layout) => `matmul-${layout} 512x512x512`)));
});

test('refuses to time a kernel that computes something else', async () => {
  const honest = kernelCases().find((bench) => nameOf(bench) === 'rms-norm T=2048 C=128');
  const last = honest?.op.variants.at(-1);
  if (!honest || !last) throw new TypeError('rms-norm is not among the cases');
  // Off by one row at the very end only.
  const code = last.code.replace(/(fn main\([^{]*\{)/s, '$1 if (id.x == params.t - 1u) { return; }');
  expect(code).not.toBe(last.code);
  const planted = { ...honest, op: { ...honest.op, variants: [{ ...last, name: 'planted', code }] } };
  const kernels = new Kernels(gpu.device, gpu.description);
  await expect(measureCase(gpu, kernels, planted, 1)).rejects.toThrow(/Cannot time rms-norm as planted at T=2048 C=128: /);
  kernels.destroy();
});

test('refuses a number of repetitions that makes no sense', async () => {
  await expect(benchKernels(gpu, { commit: null, repetitions: 0 })).rejects.toThrow(RangeError);
});
