/** Losses that are no numbers: adapters are recorded as broken and the run ends; a broken fine-tuning ends it. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { createRun, readRun } from '@seal/runs';
import { SealRun, type SealConfig } from '@seal/trainer';
import { config, header, openWorld } from './world.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-non-finite-'));
let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => {
  gpu.close();
  rmSync(base, { recursive: true, force: true });
});

/** A rate that no configuration file may have: float32 overflows within a few steps. */
const BREAKING = 1e30;
const small: SealConfig = {
  ...config,
  outer: { ...config.outer, rounds: 1, contexts: 2 },
  evaluation: { contexts: 2, repeats: 1, randomSelection: true, oracle: true },
};

async function run(name: string, settings: SealConfig): Promise<unknown> {
  const { input, executor, model, readFrom } = openWorld(gpu, 5, settings);
  const store = await createRun(join(base, name), header(5, input.modelDigest));
  readFrom(store);
  try {
    return await new SealRun(input, executor, store).complete().then(
      (rewards) => rewards.length,
      (error: unknown) => error,
    );
  } finally {
    await store.close();
    await executor.close();
    model.destroy();
  }
}

it('records adapters that broke, keeps none of their edits, and finishes', async () => {
  const rewards = await run('adapters', { ...small, inner: { ...small.inner, learningRate: BREAKING } });
  expect(rewards).toBeGreaterThan(0);
  const records = await readRun(join(base, 'adapters'));
  const trained = records.rewards.filter(({ steps }) => steps > 0);
  expect(trained.length).toBeGreaterThan(0);
  for (const { status, cause } of trained) expect({ status, cause }).toEqual({ status: 'non-finite', cause: expect.stringMatching(/not finite$/) });
  const chosen = records.selections.filter(({ phase }) => phase === 'rl');
  for (const { selfEditId, reason } of chosen) expect({ selfEditId, reason }).toEqual({ selfEditId: null, reason: 'no self-edit could be trained on' });
  expect(records.sft.find(({ phase }) => phase === 'rl')).toMatchObject({ examples: 0, steps: 0, adapterDigest: null });
});

it('ends with a clear error where the policy’s own fine-tuning breaks', async () => {
  const failure = await run('policy', { ...small, outer: { ...small.outer, sft: { ...small.outer.sft, epochs: 6, learningRate: BREAKING } } });
  expect(failure).toBeInstanceOf(Error);
  expect((failure as Error).message).toMatch(/^Cannot (go on|keep the adapter): .* not finite; lower `outer\.sft\.learningRate`$/);
  expect(await readRun(join(base, 'policy'))).toMatchObject({ sft: [] });
});
