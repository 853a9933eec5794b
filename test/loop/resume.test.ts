/** The same seed gives the same bytes, and a stopped run that goes on is the run that was never stopped. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { createRun, openRun, readRun, type RunStore } from '@seal/runs';
import { resultDocument, SealRun } from '@seal/trainer';
import { contents } from './records.ts';
import { header, openWorld } from './world.ts';

let gpu: Gpu;
const base = mkdtempSync(join(tmpdir(), 'seal-loop-'));
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => {
  gpu.close();
  rmSync(base, { recursive: true, force: true });
});

async function complete(store: RunStore, seed: number) {
  const { model, executor, input, readFrom } = openWorld(gpu, seed);
  readFrom(store);
  const run = new SealRun(input, executor, store);
  const rewards = await run.complete();
  await store.close();
  await executor.close();
  model.destroy();
  const { rows, comparisons } = resultDocument(store.header, '', rewards, { totalSeconds: 0 });
  return { rows, comparisons };
}

it('repeats itself byte for byte with the same seed, and not with another', async () => {
  const { input, model, executor } = openWorld(gpu);
  await executor.close();
  model.destroy();
  const start = (name: string, seed: number) => createRun(join(base, name), header(seed, input.modelDigest));
  const first = await complete(await start('first', 5), 5);
  const second = await complete(await start('second', 5), 5);
  await complete(await start('other', 6), 6);
  expect(second).toEqual(first);
  expect(contents(join(base, 'second'))).toEqual(contents(join(base, 'first')));
  expect(contents(join(base, 'other'))['self-edits']).not.toEqual(contents(join(base, 'first'))['self-edits']);
  const { rewards } = await readRun(join(base, 'first'));
  expect(new Set(rewards.map(({ adapterDigest }) => adapterDigest)).size).toBeGreaterThan(10);
});

it('goes on after any stop as if there had been none, and repeats no finished reward', async () => {
  const whole = await readRun(join(base, 'first'));
  const dir = join(base, 'stopped');
  const { input, model, executor, readFrom } = openWorld(gpu);
  let store = await createRun(dir, header(5, input.modelDigest));
  for (const stopAfter of [3, 9, 14]) {
    const controller = new AbortController();
    let adaptations = 0;
    readFrom(store);
    const run = new SealRun(input, executor, store, {
      signal: controller.signal,
      onProgress: (progress) => {
        adaptations = progress.adaptations;
        if (adaptations >= stopAfter) controller.abort(new Error('stopped by the test'));
      },
    });
    await expect(run.complete()).rejects.toThrow('stopped by the test');
    expect(adaptations).toBeGreaterThanOrEqual(stopAfter);
    await store.close();
    store = await openRun(dir);
  }
  const finishedBefore = (await readRun(dir)).rewards.length;
  expect(finishedBefore).toBeGreaterThan(0);
  expect(finishedBefore).toBeLessThan(whole.rewards.length);
  await executor.close();
  model.destroy();
  await complete(store, 5);
  expect(contents(dir)).toEqual(contents(join(base, 'first')));
  expect((await readRun(dir)).rewards).toHaveLength(whole.rewards.length);
});
