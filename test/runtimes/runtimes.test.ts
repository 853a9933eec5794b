import { spawnSync } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { AdaptationReport } from './adaptation.ts';
import type { KernelsReport } from './kernels.ts';
import type { SuiteReport } from './suite.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const suite = 'test/runtimes/suite.ts';
const adaptation = 'test/runtimes/adaptation.ts';
const kernels = 'test/runtimes/kernels.ts';

function run<Report>(command: string, args: readonly string[], timeout = 60_000): Report {
  const { status, signal, stdout, stderr } = spawnSync(join(root, 'node_modules', '.bin', command), args, {
    cwd: root,
    encoding: 'utf8',
    // tsx starts whatever `node` is first here, as it does under npx.
    env: { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}` },
    timeout,
  });
  // A process that computed everything and then hung or crashed on its way out has failed too.
  expect({ status, signal, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Report;
}

test.each([
  { name: 'Node', command: 'node', args: [suite], backend: 'dawn' },
  { name: 'Bun', command: 'bun', args: ['run', suite], backend: 'dawn' },
  { name: 'Deno', command: 'deno', args: ['run', '-A', suite, 'dawn'], backend: 'dawn' },
  { name: 'Deno', command: 'deno', args: ['run', '-A', suite], backend: 'native' },
  { name: 'Node', command: 'tsx', args: [suite], backend: 'dawn' },
])('$command runs the suite with its $backend device', ({ name, command, args, backend }) => {
  const report = run<SuiteReport>(command, args);
  expect(report.runtime).toMatch(new RegExp(`^${name} \\d`));
  expect(report.gpu.backend).toBe(backend);
  expect(Object.keys(report.largestErrors).join(' ')).toMatch(/rms-norm\/.* matmul-nn\//);
});

test('writes, adapts and answers alike on Node, Bun and Deno', () => {
  const node = run<AdaptationReport>('node', [adaptation]);
  expect(node).toMatchObject({ written: expect.any(Number), losses: [expect.any(Number), expect.any(Number)] });
  expect(node.written).toBeGreaterThan(0);
  // The same Dawn gives the same bits; Deno's own WebGPU rounds and orders sums otherwise.
  expect(run<AdaptationReport>('bun', ['run', adaptation])).toEqual({ ...node, runtime: expect.stringMatching(/^Bun /) });
  const deno = run<AdaptationReport>('deno', ['run', '-A', adaptation]);
  expect(deno.runtime).toMatch(/^Deno /);
  expect(deno.written).toBe(node.written);
  deno.losses.forEach((loss, i) => expect(Math.abs(Number(loss) / Number(node.losses[i]) - 1)).toBeLessThan(1e-5));
});

test('every kernel that needs no subgroups compiles under naga and agrees with float64', () => {
  const { runtime, ran, wrong } = run<KernelsReport>('deno', ['run', '-A', kernels], 280_000);
  expect(runtime).toMatch(/^Deno /);
  expect(wrong).toEqual([]);
  // Neither a family nor an op may drop out unseen.
  expect(Object.values(ran).filter((names) => names.length === 0)).toEqual([]);
  expect(ran['matmul-nt']).toEqual(expect.arrayContaining(['workgroup', 'workgroup-small', 'workgroup-thin', 'tile']));
  expect(ran['lora-linear']).toEqual(expect.arrayContaining(['workgroup', 'workgroup-small', 'workgroup-thin', 'plain']));
  for (const name of ['attention', 'attention-decode', 'lora-linear-gradient', 'rms-norm', 'cross-entropy']) {
    expect(ran[name]).toEqual(expect.arrayContaining(['workgroup', 'plain']));
  }
}, 300_000);
