/** Reward by likelihood: what is recorded is what each adapter gives alone, rounds write no answers, the table does. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { loraLayout, LoraPack, parseAdapterFile, scoreTokens } from '@seal/model';
import { createRun, openRun, readRun, type RunStore } from '@seal/runs';
import { likelihoodMeasure, loraConfig, resultDocument, SealRun, type SealConfig } from '@seal/trainer';
import { contents } from './records.ts';
import { config, header, openWorld } from './world.ts';

let gpu: Gpu;
const base = mkdtempSync(join(tmpdir(), 'seal-likelihood-'));
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => {
  gpu.close();
  rmSync(base, { recursive: true, force: true });
});

const settings: SealConfig = {
  ...config,
  // The upper of two layers: what the lower one computes is kept, for documents and for gold answers.
  inner: { ...config.inner, contextsPerAdapter: 1, lora: { ...config.inner.lora, layers: [1] } },
  outer: { ...config.outer, rounds: 1, repeats: 2, reward: 'likelihood', answers: 'skipped', selection: { threshold: 'beats-baselines', ties: 'random' } },
  evaluation: { ...config.evaluation, contexts: 2, repeats: 1, randomSelection: false, oracle: false },
};

const places: string[] = [];
async function complete(name: string, stopAfter = Infinity): Promise<string> {
  const dir = join(base, name);
  const { input, executor, model, readFrom } = openWorld(gpu, 5, settings);
  const stop = new AbortController();
  const store: RunStore = places.includes(dir) ? await openRun(dir) : await createRun(dir, header(5, input.modelDigest));
  places.push(dir);
  readFrom(store);
  let seen = 0;
  const onProgress = () => (++seen > stopAfter ? stop.abort(new Error('stopped')) : undefined);
  try {
    await new SealRun({ ...input, rounds: input.rounds.slice(0, 1) }, executor, store, { onProgress, signal: stop.signal }).complete();
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    await store.close();
    await executor.close();
    model.destroy();
  }
  return dir;
}

it('chooses by the gain, writes answers for the table alone, and goes on after a stop to the same records', async () => {
  const whole = await complete('whole');
  const { rewards, selections, answers } = await readRun(whole);
  const of = (phase: string) => rewards.filter((one) => one.phase === phase);
  expect(of('rl').every(({ questions, likelihood = 1 }) => questions === 0 && likelihood < 0)).toBe(true);
  expect(of('evaluate').every(({ questions, likelihood = 1 }) => questions > 0 && likelihood < 0)).toBe(true);
  const tabled = new Set(of('evaluate').map(({ key }) => key));
  expect(answers.every(({ rewardKey }) => tabled.has(rewardKey))).toBe(true);
  expect(selections).toHaveLength(4);
  for (const { contextId, candidates, selfEditId } of selections) {
    const own = of('rl').filter((one) => one.contextId === contextId);
    const unadapted = own.find(({ condition }) => condition === 'base')?.likelihood ?? NaN;
    for (const { selfEditId: id, reward } of candidates) {
      const measured = own.filter((one) => one.selfEditId === id && one.condition === null).map(({ likelihood = NaN }) => likelihood);
      expect(measured).toHaveLength(2);
      expect(reward).toBeCloseTo((measured[0]! + measured[1]!) / 2 - unadapted, 9);
    }
    const best = Math.max(...candidates.map(({ reward }) => reward));
    if (selfEditId !== null) expect(candidates.find((one) => one.selfEditId === selfEditId)?.reward).toBe(best);
  }
  const document = resultDocument(header(5, 'm'), whole, of('evaluate'), { totalSeconds: 1 }, [], likelihoodMeasure(rewards));
  expect(document.rows.every(({ accuracy, likelihood }) => accuracy >= 0 && (likelihood?.mean ?? 1) < 0)).toBe(true);
  expect(document.likelihood).toMatchObject({ repeats: 2, accuracyReliability: null });

  const stopped = await complete('stopped', 20);
  expect((await readRun(stopped)).rewards.length).toBeLessThan(rewards.length);
  await complete('stopped');
  expect(contents(stopped)).toEqual(contents(whole));
});

it('records for every question what the adapter gives alone, text by text', async () => {
  const dir = join(base, 'whole');
  const { rewards } = await readRun(dir);
  const store = await openRun(dir);
  const { input, codec, executor, model } = openWorld(gpu, 5, settings);
  const lora = loraConfig(settings.inner.lora);
  const pack = new LoraPack(gpu.device, model.config, lora, 1);
  const likelihoods = await store.records('likelihoods');
  const trained = rewards.filter(({ phase, condition, adapterDigest }) => phase === 'rl' && condition === null && adapterDigest !== null).slice(0, 3);
  const unadapted = rewards.filter(({ phase, condition }) => phase === 'rl' && condition === 'base').slice(0, 1);
  expect([trained.length, unadapted.length]).toEqual([3, 1]);
  for (const { key, contextId, adapterDigest, likelihood } of [...trained, ...unadapted]) {
    if (adapterDigest !== null) pack.write(0, parseAdapterFile(await store.readBlob('adapters', adapterDigest), loraLayout(model.config, lora), lora.rank, 'the adapter'));
    const context = input.rounds.flat().find(({ id }) => id === contextId)!;
    const own = likelihoods.filter(({ rewardKey }) => rewardKey === key);
    const tasks = input.domain.tasks(context);
    expect(own).toHaveLength(tasks.length);
    for (const [i, { prompt, gold }] of tasks.entries()) {
      // Words have no end of their own in this world: the prompt's tokens, then the answer's.
      const before = codec.prompt(prompt);
      const after = codec.prompt(gold).slice(codec.prompt('').length);
      const [scores] = await scoreTokens(model, adapterDigest === null ? null : pack, [[...before, ...after]]);
      const expected = Array.from(scores!).slice(before.length - 1).reduce((sum, one) => sum + one, 0) / after.length;
      expect(own[i]).toMatchObject({ gold, tokens: after.length });
      expect(Math.abs(own[i]!.logProbability - expected)).toBeLessThan(1e-5);
    }
    expect(likelihood).toBeCloseTo(own.reduce((sum, one) => sum + one.logProbability, 0) / own.length, 12);
  }
  pack.destroy();
  await store.close();
  await executor.close();
  model.destroy();
});
