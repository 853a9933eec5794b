/** What weights answer without an adapter is computed once for each weights and context, whoever asks for it again. */

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { createRun, openRun, readRun, type RunStore } from '@seal/runs';
import { SealRun, type SealConfig } from '@seal/trainer';
import { contents } from './records.ts';
import { config, header, openWorld } from './world.ts';

let gpu: Gpu;
const base = mkdtempSync(join(tmpdir(), 'seal-unadapted-'));
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => {
  gpu.close();
  rmSync(base, { recursive: true, force: true });
});

const settings: SealConfig = {
  ...config,
  outer: { ...config.outer, selection: { ...config.outer.selection, threshold: 'beats-baselines' } },
  evaluation: { ...config.evaluation, repeats: 1, randomSelection: false, oracle: false },
};

/** Completes a run in which the contexts of round 1 are also those of the table; gives how many contexts were asked about. */
async function complete(open: (digest: string) => Promise<RunStore>): Promise<number> {
  const { input, executor, model, readFrom } = openWorld(gpu, 5, settings);
  const answer = vi.spyOn(executor, 'answer');
  const store = await open(input.modelDigest);
  readFrom(store);
  await new SealRun({ ...input, evaluation: input.rounds[0]! }, executor, store).complete();
  await store.close();
  await executor.close();
  model.destroy();
  return answer.mock.calls.reduce((sum, [work]) => sum + work.length, 0);
}

const whole = join(base, 'whole');

it('asks about a context once with the same weights, across rounds and conditions', async () => {
  const asked = await complete((digest) => createRun(whole, header(5, digest)));
  const { rewards, answers } = await readRun(whole);
  const unadapted = rewards.filter(({ steps }) => steps === 0);
  // Four contexts in each of two rounds, and those of round 1 again in the table, by the same weights.
  expect(unadapted).toHaveLength(12);
  expect(asked).toBe(8);
  const given = (phase: string, round: number) => {
    const keys = new Map(unadapted.filter((r) => r.phase === phase && r.round === round).map(({ key, contextId }) => [key, contextId]));
    return answers
      .flatMap(({ rewardKey, question, answer }) => (keys.has(rewardKey) ? [`${keys.get(rewardKey)} ${question} ${answer}`] : []))
      .toSorted();
  };
  expect(given('rl', 1).length).toBeGreaterThan(4);
  expect(given('evaluate', 0)).toEqual(given('rl', 1));
});

it('asks nothing again after a stop', async () => {
  const dir = join(base, 'stopped');
  cpSync(whole, dir, { recursive: true });
  const lost = new Set((await readRun(whole)).rewards.filter(({ phase, steps }) => phase === 'evaluate' && steps === 0).map(({ key }) => key));
  expect(lost.size).toBe(4);
  for (const [kind, name] of [['rewards', 'key'], ['answers', 'rewardKey']] as const) {
    const path = join(dir, `${kind}.jsonl`);
    const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
    const kept = lines.filter((line) => !lost.has((JSON.parse(line) as Record<string, string>)[name]!));
    expect(kept.length).toBeLessThan(lines.length);
    writeFileSync(path, kept.map((line) => `${line}\n`).join(''));
  }
  expect(await complete(() => openRun(dir))).toBe(0);
  expect(contents(dir)).toEqual(contents(whole));
});
