import { spawnSync } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { SuiteReport } from './suite.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const suite = 'test/runtimes/suite.ts';

function run(command: string, args: readonly string[]): SuiteReport {
  const { status, signal, stdout, stderr } = spawnSync(join(root, 'node_modules', '.bin', command), args, {
    cwd: root,
    encoding: 'utf8',
    // tsx starts whatever `node` is first here, as it does under npx.
    env: { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}` },
    timeout: 60_000,
  });
  // A process that computed everything and then hung or crashed on its way out has failed too.
  expect({ status, signal, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as SuiteReport;
}

test.each([
  { name: 'Node', command: 'node', args: [suite], backend: 'dawn' },
  { name: 'Bun', command: 'bun', args: ['run', suite], backend: 'dawn' },
  { name: 'Deno', command: 'deno', args: ['run', '-A', suite, 'dawn'], backend: 'dawn' },
  { name: 'Deno', command: 'deno', args: ['run', '-A', suite], backend: 'native' },
  { name: 'Node', command: 'tsx', args: [suite], backend: 'dawn' },
])('$command runs the suite with its $backend device', ({ name, command, args, backend }) => {
  const report = run(command, args);
  expect(report.runtime).toMatch(new RegExp(`^${name} \\d`));
  expect(report.gpu.backend).toBe(backend);
  expect(Object.keys(report.largestErrors).join(' ')).toMatch(/rms-norm\/.* matmul-nn\//);
});
