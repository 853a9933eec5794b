/** What self-edits choose of their training is obeyed and recorded; where they leave nothing to train on, the weights are asked. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import type { Domain } from '@seal/domains';
import { createRun, readRun } from '@seal/runs';
import { tinyDomain } from '@seal/tiny';
import { SealRun, type SealConfig } from '@seal/trainer';
import { config, header, openWorld } from './world.ts';

let gpu: Gpu;
const base = mkdtempSync(join(tmpdir(), 'seal-chosen-'));
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => {
  gpu.close();
  rmSync(base, { recursive: true, force: true });
});

const small: SealConfig = {
  ...config,
  outer: { ...config.outer, rounds: 1, contexts: 2 },
  evaluation: { contexts: 2, repeats: 1, randomSelection: false, oracle: false },
};

async function run(name: string, domain: Domain) {
  const { input, executor, model, readFrom } = openWorld(gpu, 5, small);
  const store = await createRun(join(base, name), header(5, input.modelDigest));
  readFrom(store);
  await new SealRun({ ...input, domain }, executor, store).complete();
  await store.close();
  await executor.close();
  model.destroy();
  return readRun(join(base, name));
}

it('obeys and records what the self-edits of a group choose, each for itself', async () => {
  const rates = [0.02, 0.03];
  const domain: Domain = {
    ...tinyDomain,
    // One document each, so that walks can be counted; contexts differ in what they choose.
    always: () => [],
    parse: (context, text) => ({ sequences: [{ prompt: '', text: context.text }], rejected: [], settings: { learningRate: rates[Number(text.length % 2)]!, epochs: 6 } }),
  };
  const { selfEdits, rewards } = await run('settings', domain);
  const chosen = new Map(selfEdits.map(({ id, settings }) => [id, settings]));
  const trained = rewards.filter(({ phase, selfEditId }) => phase === 'rl' && selfEditId !== null);
  expect(trained.length).toBeGreaterThan(0);
  for (const { group, steps, status, selfEditId, learningRate } of trained) {
    expect(chosen.get(selfEditId!)).toEqual({ learningRate, epochs: 6 });
    expect(rates).toContain(learningRate);
    expect({ steps, status }).toEqual({ steps: Math.round((6 * group.length) / small.inner.documentsPerStep), status: 'ok' });
  }
});

it('asks the weights as they are where there is nothing to train on', async () => {
  const domain: Domain = { ...tinyDomain, always: () => [], control: () => [], parse: () => ({ sequences: [], rejected: [{ reason: 'nothing', count: 1 }] }) };
  const { rewards, answers, selections, sft } = await run('nothing', domain);
  const candidates = rewards.filter(({ phase, selfEditId }) => phase === 'rl' && selfEditId !== null);
  expect(candidates).toHaveLength(small.outer.contexts * small.outer.samples);
  for (const reward of candidates) expect(reward).toMatchObject({ steps: 0, trainedTokens: 0, adapterDigest: null, status: 'invalid', cause: 'nothing (1)' });
  // Nobody learnt anything: whoever is asked about a context answers alike.
  const byContext = Map.groupBy(answers.filter(({ rewardKey }) => candidates.some(({ key }) => key === rewardKey)), ({ contextId, question }) => `${contextId} ${question}`);
  for (const own of byContext.values()) expect(new Set(own.map(({ answer }) => answer)).size).toBe(1);
  expect(selections.every(({ selfEditId, reason }) => selfEditId === null && reason === 'no self-edit could be trained on')).toBe(true);
  expect(sft).toMatchObject([{ examples: 0, adapterDigest: null }]);
  expect(new Set(rewards.map(({ condition }) => condition)).has('passage')).toBe(false);
});
