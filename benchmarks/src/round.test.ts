import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { tinyConfig } from '@seal/engine';
import { findPython } from './round-peer.ts';
import { benchRound } from './round.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-round-test-'));
const python = await findPython(['python3']).catch(() => null);
let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => {
  gpu.close();
  rmSync(base, { recursive: true, force: true });
});

const options = {
  commit: null,
  checkpoint: fileURLToPath(new URL('../../packages/tiny/checkpoint', import.meta.url)),
  phase: { contexts: 2, edits: 2, seed: 1 },
  config: { ...tinyConfig, inner: { ...tinyConfig.inner, packSize: 2, tokensPerStep: 512, steps: 6 } },
};

test('measures a reward phase and returns plain data', { timeout: 120_000 }, async () => {
  const benchmark = await benchRound(gpu, { ...options, commit: 'abc1234' });
  expect(JSON.parse(JSON.stringify(benchmark))).toEqual(benchmark);
  expect(benchmark).toMatchObject({ commit: 'abc1234', peftSeconds: null, ratio: null, peers: null });
  expect(benchmark.settings).toMatchObject({ contexts: 2, edits: 2, inner: { steps: 6 } });
  expect(benchmark.packs.reduce((sum, { adapters }) => sum + adapters, 0)).toBe(benchmark.settings.adapters);
  expect(benchmark.seconds).toBeGreaterThanOrEqual(benchmark.adaptSeconds);
  // Four self-edits.
  expect((benchmark.rewardsPerMinute * benchmark.seconds) / 60).toBeCloseTo(4, 1);
});

test.skipIf(python === null)(
  'PyTorch, with PEFT and batched, trains the same adapters (needs python3 with torch, transformers and peft)',
  { timeout: 300_000 },
  async () => {
    const { ratio, peftSeconds, seconds, peers } = await benchRound(gpu, { ...options, python: python ?? '' });
    expect(peers).not.toBeNull();
    // Six steps do not amplify rounding yet.
    for (const { agreement } of [peers?.peft, peers?.batched].filter((one) => one !== undefined)) {
      expect(agreement.worstUpdateRelativeL2).toBeLessThan(1e-3);
      expect(agreement.equalAnswers).toBe(1);
    }
    expect(ratio).toBeCloseTo((peftSeconds ?? 0) / seconds, 1);
  },
);

test('a peer that gives other adapters back is not timed', { timeout: 120_000 }, async () => {
  // A stand-in for Python that answers every request with the adapters as they were before training.
  const script = join(base, 'untrained');
  writeFileSync(
    script,
    `#!${process.execPath}
const { readFileSync, writeFileSync } = require('node:fs');
const folder = process.argv[3];
const { stride, adapters } = JSON.parse(readFileSync(folder + '/jobs.json', 'utf8'));
const initial = new Float32Array(readFileSync(folder + '/initial.f32').buffer.slice(0));
console.log('{}');
require('node:readline').createInterface(process.stdin).on('line', (line) => {
  const asked = JSON.parse(line).adapters;
  writeFileSync(folder + '/trained.f32', Buffer.concat(asked.map((e) => Buffer.from(initial.slice(e * stride, (e + 1) * stride).buffer))));
  const losses = asked.map((e) => adapters[e].steps.map(() => 1));
  console.log(JSON.stringify({ adaptSeconds: 1, answerSeconds: 1, losses, answers: asked.map(() => []) }));
});
`,
  );
  chmodSync(script, 0o755);
  await expect(benchRound(gpu, { ...options, python: script })).rejects.toThrow(/Cannot time peft: .* differs from ours by/);
});

test('a Python that ends is named with its reason', { timeout: 120_000 }, async () => {
  const script = join(base, 'broken');
  writeFileSync(script, `#!${process.execPath}\nconsole.error('no such module');\nprocess.exit(1);\n`);
  chmodSync(script, 0o755);
  await expect(benchRound(gpu, { ...options, python: script })).rejects.toThrow(/PyTorch baseline: it ended .*no such module/);
});

test('says why no Python will do', async () => {
  await expect(findPython([])).rejects.toThrow('no python3 on the PATH');
  await expect(findPython([join(base, 'absent')])).rejects.toThrow(/Cannot run PyTorch and PEFT: .*absent.*`python`/);
});

test('refuses a phase without work', async () => {
  await expect(benchRound(gpu, { ...options, phase: { contexts: 0, edits: 1, seed: 0 } })).rejects.toThrow(RangeError);
});
