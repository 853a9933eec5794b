import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { openGpu } from '@seal/device';
import type { Numbers } from '@seal/kernels';
import { draw, takeTurns } from '@seal/tuner';
import { kernelCases, type BenchCase } from './cases.ts';
import { benchKernels } from './kernels.ts';
import { installPeers } from './peers-install.ts';
import { operandsFor } from './peers-operands.ts';
import { knownPeers, Peers, type PeerCommand } from './peers.ts';

/** A peer that computes RMSNorm in JavaScript; its argument says how it behaves. */
const FAKE = `
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
const way = process.argv[2];
const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
if (way === 'crash') throw new Error('no such library');
if (way === 'silent') setInterval(() => {}, 1_000);
else if (way === 'babble') process.stdout.write('Welcome!\\n');
else say({ ready: { version: '1.2.3', device: 'abacus' } });
const read = (path) => new Float32Array(Uint8Array.from(readFileSync(path)).buffer);
let runs = 0;
for await (const line of createInterface(process.stdin)) {
  const { load, run } = JSON.parse(line);
  if (run !== undefined) {
    runs++;
    if (way === 'crash late' && runs > 4) process.exit(3);
    if (way === 'hang late' && runs > 4) await new Promise(() => setInterval(() => {}, 1_000));
    say({ ms: 10 * runs });
    continue;
  }
  if (load.problem.kind !== 'rms-norm') {
    say({ loaded: false });
    continue;
  }
  const { T, C, eps } = load.problem;
  const [x, weight] = ['x', 'weight'].map((wanted) => read(load.operands.find(({ name }) => name === wanted).path));
  const y = new Float32Array(T * C);
  for (let t = 0; t < T; t++) {
    let squares = 0;
    for (let c = 0; c < C; c++) squares += x[t * C + c] ** 2;
    for (let c = 0; c < C; c++) y[t * C + c] = (x[t * C + c] / Math.sqrt(squares / C + eps)) * weight[c];
  }
  if (way === 'wrong') y[T * C - 1] += 1e-3;
  writeFileSync(load.result, new Uint8Array(y.buffer));
  say({ loaded: true });
}
`;

let base: string;
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'seal-peers-test-'));
  writeFileSync(join(base, 'fake.mjs'), FAKE);
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rmSync(base, { recursive: true, force: true }));

const fake = (way: string): PeerCommand => ({
  name: way,
  command: () => Promise.resolve([process.execPath, join(base, 'fake.mjs'), way]),
});

function caseOf(name: string): BenchCase {
  const found = kernelCases(true).find(({ op, shape }) => `${op.name} ${shape}`.startsWith(name));
  if (!found) throw new TypeError(`Cannot find a case ${name}`);
  return found;
}

/** The case, its inputs and what the float64 reference makes of them. */
function given(name: string): readonly [BenchCase, Readonly<Record<string, Numbers>>, Float64Array] {
  const one = caseOf(name);
  const inputs = draw(one.op.inputs, one, 1);
  const outputs = draw(one.op.outputs, one, 2) as Record<string, Float64Array>;
  return [one, inputs, one.op.reference(one.sizes, inputs, outputs)['y'] ?? new Float64Array()];
}

test('lets the peers that compute rightly take turns, and names what is wrong with the others', async () => {
  const heard: string[] = [];
  const ways = ['right', 'wrong', 'crash', 'silent', 'babble', 'crash late', 'hang late'];
  const peers = await Peers.open(ways.map(fake), (message) => heard.push(message), 2_000);
  try {
    const [one, inputs, expected] = given('rms-norm T');
    const contestants = await peers.contestants(one, inputs, expected);
    expect(contestants.map(({ name }) => name)).toEqual(['right', 'crash late', 'hang late']);
    const timings = await takeTurns(contestants, 5);
    peers.keep(one, new Map(timings.map((timing) => [timing.name, timing])));
  } finally {
    peers.close();
  }
  const problems = Object.fromEntries(peers.records.map(({ name, problem }) => [name, problem]));
  expect(problems).toEqual({
    right: null,
    wrong: expect.stringMatching(/^Cannot measure rms-norm .* with the peer wrong: its result is off by .*e-4 of the largest value$/),
    crash: 'Cannot start the peer crash: its process ended: Error: no such library',
    silent: 'Cannot start the peer silent: it did not answer within 2 s and was ended',
    babble: 'Cannot start the peer babble: it said Welcome! instead of an answer',
    'crash late': expect.stringContaining('with the peer crash late: its process ended'),
    'hang late': expect.stringContaining('with the peer hang late: it did not answer within 2 s'),
  });
  expect(heard.toSorted()).toEqual(Object.values(problems).filter((problem) => problem !== null).toSorted());
  expect(peers.records.find(({ name }) => name === 'crash late')?.rows).toEqual([]);
  const right = peers.records.find(({ name }) => name === 'right');
  // Three runs to estimate, five turns of 40 to 80 ms.
  expect(right).toMatchObject({ version: '1.2.3', device: 'abacus', rows: [{ op: 'rms-norm', medianMs: 60, spreadMs: 20 }] });
});

test('leaves a case out that a peer cannot express, and one that would take it too long', async () => {
  const peers = await Peers.open([fake('right'), { ...fake('small'), mostFlops: 1e6 }]);
  try {
    expect(await peers.contestants(...given('attention T=128'))).toEqual([]);
    const contestants = await peers.contestants(...given('rms-norm T'));
    expect(contestants.map(({ name }) => name)).toEqual(['right']);
    expect(await peers.contestants(...given('swiglu T'))).toEqual([]);
    expect(peers.records.map(({ problem }) => problem)).toEqual([null, null]);
  } finally {
    peers.close();
  }
});

test('cuts arenas to one matrix an adapter', () => {
  const [one, inputs] = given('lora-linear T=2048 K=128 N=256');
  if (!one.problem) throw new TypeError('The case has no problem');
  const operands = operandsFor(one.problem, one.sizes, inputs);
  expect(operands.map(({ name, shape }) => [name, shape])).toEqual([
    ['x', [2048, 128]],
    ['w', [256, 128]],
    ['h', [16, 128, 16]],
    ['b', [16, 16, 256]],
  ]);
  const b = operands.find(({ name }) => name === 'b')?.values;
  const { stride = 0, offset = 0 } = one.sizes;
  // Adapter 3, row 5, column 7.
  expect(b?.[(3 * 16 + 5) * 256 + 7]).toBe(inputs['arena']?.[3 * stride + offset + 5 * 256 + 7]);
});

test('puts peers into the ratios and the document', async () => {
  const gpu = await openGpu();
  const peers = await Peers.open([fake('right'), fake('wrong'), fake('crash late')]);
  try {
    const filter = (name: string) => name.startsWith('rms-norm T');
    const { rows, peers: records } = await benchKernels(gpu, { commit: null, filter, repetitions: 3, peers });
    for (const { medianMs, ratios } of rows) {
      expect(Object.keys(ratios)).toContain('right');
      expect(Object.keys(ratios)).not.toContain('wrong');
      expect(Object.keys(ratios)).not.toContain('crash late');
      expect(ratios['right']).toBeGreaterThan(0);
      expect(medianMs).toBeGreaterThan(0);
    }
    expect(JSON.parse(JSON.stringify(records))).toEqual(records);
    expect(records.map(({ name, version, rows: own }) => [name, version, own.length])).toEqual([
      ['right', '1.2.3', 1],
      ['wrong', '1.2.3', 0],
      ['crash late', '1.2.3', 0],
    ]);
  } finally {
    peers.close();
    gpu.close();
  }
});

/** A PATH whose npm does `script`, or has none. */
function npmThat(script: string | null): string {
  const folder = mkdtempSync(join(base, 'path-'));
  if (script !== null) {
    writeFileSync(join(folder, 'npm'), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, 'npm'), 0o755);
  }
  vi.stubEnv('PATH', script === null ? folder : [folder, '/usr/bin', '/bin'].join(delimiter));
  return folder;
}

test('says what npm says, and goes on without its peers', async () => {
  npmThat('echo "npm warn ignored" >&2; echo "npm error code ENOTFOUND" >&2; echo "npm error network is unreachable" >&2; exit 1');
  const peers = await Peers.open(knownPeers(join(base, 'offline'), null));
  peers.close();
  const problems = Object.fromEntries(peers.records.map(({ name, problem }) => [name, problem]));
  const npm = (name: string) => `Cannot start the peer ${name}: npm cannot install it: code ENOTFOUND; network is unreachable`;
  const python = (name: string) => `Cannot start the peer ${name}: there is no Python with torch; name one with \`python\``;
  expect(problems).toEqual({
    ...Object.fromEntries(['tfjs-webgpu', 'jax-js-webgpu', 'jax-js-wasm', 'onnxruntime-node'].map((name) => [name, npm(name)])),
    ...Object.fromEntries(['torch-cpu', 'torch-cuda'].map((name) => [name, python(name)])),
  });
});

test('says that there is no npm', async () => {
  npmThat(null);
  await expect(installPeers(join(base, 'no-npm'))).rejects.toThrow('npm cannot install it: there is no npm on the PATH');
});

test('installs pinned packages into the folder it is given, once, without their scripts', async () => {
  const folder = join(base, 'cache', 'peers');
  const calls = join(npmThat('echo "$@" >> "$(dirname "$0")/calls"'), 'calls');
  await installPeers(folder);
  await installPeers(folder);
  expect(readFileSync(calls, 'utf8').trim().split('\n')).toEqual([expect.stringContaining(`install --prefix ${folder} --ignore-scripts`)]);
  const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { dependencies: Record<string, string> };
  for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
});

test('ends its peers and removes what it gave them', async () => {
  const peers = await Peers.open([fake('right')]);
  const [one, inputs, expected] = given('rms-norm T');
  const [contestant] = await peers.contestants(one, inputs, expected);
  peers.close();
  expect(await contestant?.run(1)).toEqual({ wallMs: Infinity, gpuMs: null });
  expect(peers.records[0]?.problem).toContain('its process ended');
});
