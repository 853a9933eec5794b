import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { kernelFigure } from './kernel-figure.ts';
import { kernelTables, withSection } from './kernel-tables.ts';
import type { KernelBenchmark } from './kernels.ts';
import type { RoundBenchmark } from './round.ts';
import type { StepBenchmark } from './step.ts';

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');
const record = 'results/kernels-lavapipe.json';
const benchmark = JSON.parse(read(record)) as KernelBenchmark;

test("the README's tables and the figure are those of the record", () => {
  const readme = read('README.md');
  expect(withSection(readme, kernelTables(benchmark, record))).toBe(readme);
  expect(read('results/kernels-lavapipe.svg')).toBe(kernelFigure(benchmark));
});

test('a changed record would be noticed', () => {
  const [first, ...rest] = benchmark.rows;
  if (!first) throw new TypeError('The record has no rows');
  const changed = { ...benchmark, rows: [{ ...first, medianMs: 2 * first.medianMs, gflops: first.gflops / 2 }, ...rest] };
  expect(kernelTables(changed, record)).not.toBe(kernelTables(benchmark, record));
  expect(kernelFigure(changed)).not.toBe(kernelFigure(benchmark));
});

test('the record says where and with what it was made, and names no path', () => {
  expect(benchmark).toMatchObject({
    adapter: expect.stringMatching(/./),
    commit: expect.stringMatching(/^[0-9a-f]{7,}$/),
    versions: { os: expect.stringMatching(/./), webgpu: expect.stringMatching(/^\d/) },
    ceilings: { gflops: expect.any(Number), gbps: expect.any(Number) },
  });
  for (const row of benchmark.rows) {
    expect(row.medianMs).toBeGreaterThan(0);
    // Ceilings took their fastest turn: what goes by its median stays below, but for noise.
    expect(row.fractionOfCeiling).toBeLessThan(1.1);
  }
  expect(read(record)).not.toMatch(/"[^"]*\/(?:home|root|tmp|work)\//);
  // Another record would need tables of its own.
  expect(readdirSync(fileURLToPath(new URL('../results', import.meta.url))).filter((name) => /^kernels.*json$/.test(name))).toHaveLength(1);
});

test('the figure is well-formed and shows every peer that ran', () => {
  const svg = kernelFigure(benchmark);
  expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  for (const { name, rows } of benchmark.peers) if (rows.length > 0) expect(svg).toContain(name);
});

test('the figures of a step and of a round are those of their records', () => {
  const readme = read('README.md');
  const step = JSON.parse(read('results/step-lavapipe.json')) as StepBenchmark;
  const round = JSON.parse(read('results/round-lavapipe.json')) as RoundBenchmark;
  for (const line of [
    `| one step of 512 tokens against plain tiles | ${step.plainTileSpeedup}x |`,
    `| 32 adapters packed against 32 alone | ${step.packedSpeedup}x (updates differ by ${step.packedVsSoloRelativeL2})`,
    `| host's share of a step of 512 tokens | ${step.encodeFraction} |`,
    `| tokens a second, packed | ${step.tokensPerSecond} |`,
    `| **ours, packed** | ${round.seconds} |`,
    `| PEFT, one adapter at a time | ${round.peftSeconds} | ${round.ratio}x |`,
    `| plain batched PyTorch | ${round.peers?.batched.seconds} | ${round.peers?.batched.ratio}x |`,
  ]) {
    expect(readme).toContain(line);
  }
});

test('refuses a document without the marks', () => {
  expect(() => withSection('# Nothing', 'tables')).toThrow(RangeError);
});
