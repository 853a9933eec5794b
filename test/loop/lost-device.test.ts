/** A device that is lost in the middle of a run: the run says so, keeps what it had, and goes on with another device. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DeviceLostError, openGpu } from '@seal/device';
import { createRun, openRun, type RunStore } from '@seal/runs';
import { SealRun, type Progress, type SealConfig } from '@seal/trainer';
import { contents } from './records.ts';
import { config, header, openWorld } from './world.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-lost-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const SEED = 11;
const settings: SealConfig = {
  ...config,
  outer: { ...config.outer, rounds: 1, contexts: 2 },
  evaluation: { contexts: 2, repeats: 1, randomSelection: false, oracle: false },
};

/** Runs on a device of its own, which is lost when `when` says so; what came of it. */
async function work(store: (modelDigest: string) => Promise<RunStore>, when: (progress: Progress) => boolean): Promise<unknown> {
  const gpu = await openGpu();
  const { input, executor, model, readFrom } = openWorld(gpu, SEED, settings);
  const opened = await store(input.modelDigest);
  readFrom(opened);
  let lost = false;
  const onProgress = (progress: Progress) => {
    if (!lost && when(progress)) gpu.device.destroy();
    lost ||= when(progress);
  };
  try {
    return await new SealRun(input, executor, opened, { onProgress }).complete().then(
      () => 'complete',
      (error: unknown) => error,
    );
  } finally {
    await opened.close();
    await executor.close();
    model.destroy();
    gpu.close();
  }
}

const whole = join(base, 'whole');
beforeAll(async () => {
  expect(await work((digest) => createRun(whole, header(SEED, digest)), () => false)).toBe('complete');
});

it.each<[string, (progress: Progress) => boolean]>([
  ['while self-edits are written', ({ stage }) => stage === 'self-edits'],
  ['while adapters are trained', ({ stage, adaptations }) => stage === 'adaptation' && adaptations >= 1],
  ['while the policy is fine-tuned', ({ stage }) => stage === 'fine-tuning'],
  ['in the evaluation', ({ stage, adaptations }) => stage === 'evaluation' && adaptations >= 4],
])('loses its device %s and goes on with another', async (name, when) => {
  const dir = join(base, name.replaceAll(' ', '-'));
  const failure = await work((digest) => createRun(dir, header(SEED, digest)), when);
  expect(failure).toBeInstanceOf(DeviceLostError);
  expect((failure as DeviceLostError).message).toMatch(/^The GPU device was lost \(destroyed\): /);
  const kept = contents(dir);
  const all = contents(whole);
  for (const [kind, lines] of Object.entries(kept)) {
    expect(lines.length, kind).toBeLessThanOrEqual(all[kind]?.length ?? 0);
    expect(lines.filter((line) => !all[kind]?.includes(line)), kind).toEqual([]);
  }
  expect(kept).not.toEqual(all);
  expect(await work(() => openRun(dir), () => false)).toBe('complete');
  expect(contents(dir)).toEqual(all);
});
