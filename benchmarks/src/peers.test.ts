import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { kernelCases } from './cases.ts';
import { draw } from './operands.ts';
import { Peers } from './peers.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-peers-test-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

let peers: Peers | null = null;
afterEach(() => peers?.close());

/** A file where the folder for npm's packages should be: nothing can be installed, and nothing is downloaded. */
const blocked = join(base, 'blocked');
writeFileSync(blocked, '');

/** A program in place of a Python with torch; it says what it is told to whatever it is asked. */
function impostor(name: string, result: string, run = '({ ms: 2 })'): string {
  const path = join(base, name);
  const code = `#!${process.execPath}
const fs = require('node:fs');
const say = (value) => console.log(JSON.stringify(value));
if (process.argv[3] === 'cuda') { say({ failed: 'no such device' }); process.exit(0); }
console.log('a library that talks');
say({ ready: { version: '1', device: 'test' } });
const floats = (path) => { const b = fs.readFileSync(path); return new Float32Array(b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength)); };
require('node:readline').createInterface(process.stdin).on('line', (line) => {
  const request = JSON.parse(line);
  if ('run' in request) return say(${run});
  const { files, problem: { M, N, K }, result } = request.prepare;
  const [a, b, c] = [floats(files.a), floats(files.b), new Float32Array(M * N)];
  for (let m = 0; m < M; m++) for (let k = 0; k < K; k++) for (let n = 0; n < N; n++) c[m * N + n] += a[m * K + k] * b[k * N + n];
  ${result}
  fs.writeFileSync(result, c);
  say({ prepared: true });
});
`;
  writeFileSync(path, code);
  chmodSync(path, 0o755);
  return path;
}

const one = kernelCases(true).find(({ op, shape }) => op.name === 'matmul-nn' && shape === '2048x128x128');

async function opened(python: string) {
  if (!one) throw new TypeError('The case is gone');
  peers = await Peers.open({ folder: blocked, python });
  const inputs = draw(one.op.inputs, one, 1);
  const expected = one.op.reference(one.sizes, inputs, { c: new Float64Array(2048 * 128) });
  const contestants = await peers.contestants(one, inputs, expected['c'] ?? new Float64Array());
  const problem = (name: string) => peers?.records.find((record) => record.name === name)?.problem;
  return { contestants, problem };
}

test('a peer that computes the same takes turns; one that cannot be had is named with its reason', async () => {
  const { contestants, problem } = await opened(impostor('honest', ''));
  expect(contestants.map(({ name }) => name)).toEqual(['torch-cpu']);
  expect(await contestants[0]?.run(3)).toEqual({ wallMs: 2, gpuMs: null });
  expect(problem('torch-cpu')).toBeNull();
  expect(problem('torch-cuda')).toBe('no such device');
  for (const name of ['tfjs-webgpu', 'jax-js-webgpu', 'jax-js-wasm', 'onnxruntime-node']) expect(problem(name)).toMatch(/./);
});

test('a peer whose result is wrong is never timed', async () => {
  const { contestants, problem } = await opened(impostor('wrong', 'c[5] += 1;'));
  expect(contestants).toEqual([]);
  expect(problem('torch-cpu')).toMatch(/^matmul-nn 2048x128x128: its result is off by /);
});

test('a peer that refuses the timed work is never timed, nor is one that ends', async () => {
  const refusing = await opened(impostor('refusing', '', "({ failed: 'refused' })"));
  expect(refusing.contestants).toEqual([]);
  expect(refusing.problem('torch-cpu')).toContain('refused');
  const ending = await opened(impostor('ending', "console.error('out of memory'); process.exit(1);"));
  expect(ending.contestants).toEqual([]);
  expect(ending.problem('torch-cpu')).toContain('its process ended: out of memory');
});

test('a Python that is not there is a reason too', async () => {
  const { contestants, problem } = await opened(join(base, 'nothing'));
  expect(contestants).toEqual([]);
  expect(problem('torch-cpu')).toContain('ENOENT');
});
