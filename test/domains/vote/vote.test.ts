/** The third domain through the whole loop: what its interface promises is what its records show. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { totalmem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu } from '@seal/device';
import { adapt, openLocalExecutor, run, type Deps } from '@seal/engine';
import { contextsOf, isRight } from '@seal/tiny';
import { readRun, type RunRecords } from '@seal/runs';
import { presets } from '../presets.ts';
import { BOUNDS, elected, VOTES, voteDomain } from './domain.ts';
import { spelled, vote } from './preset.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-vote-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const deps: Deps = {
  openGpu: () => openGpu(),
  hub: { cacheDirectory: join(base, 'hub') },
  version: { package: '0' },
  totalMemory: totalmem(),
  now: () => new Date(0),
  presets,
  openExecutor: openLocalExecutor,
};

describe('spelled', () => {
  it('gives self-edits that choose within bounds, beyond them, nothing, and none', () => {
    expect(spelled([7, 1, 3])).toBe('{"tools":["direct","derived","inverse"],"learningRate":0.01,"epochs":3}');
    expect(spelled([0, 0, 11])).toBe('{"tools":[],"learningRate":0.1,"epochs":11}');
    expect(spelled([])).toBe('I would rather not .');
  });
});

describe('two rounds', () => {
  let records: RunRecords;
  beforeAll(async () => {
    const out = join(base, 'run');
    await run({ preset: 'vote', seeds: [3], out }, deps);
    records = await readRun(out);
  }, 120_000);

  it('records what every self-edit chose, within bounds, and why others are invalid', () => {
    const written = records.selfEdits;
    const invalid = written.filter(({ sequences }) => sequences === 0);
    const valid = written.filter(({ sequences }) => sequences > 0);
    expect(invalid.length).toBeGreaterThan(0);
    expect(valid.length).toBeGreaterThan(0);
    for (const { rejected } of invalid) expect(rejected).toMatch(/no JSON|no tool/);
    for (const { text, settings, rejected } of valid) {
      const asked = JSON.parse(text) as { learningRate: number; epochs: number };
      const clamp = (value: number, [least, most]: readonly [number, number]) => Math.min(most, Math.max(least, value));
      expect(settings).toMatchObject({ learningRate: clamp(asked.learningRate, BOUNDS.learningRate), epochs: clamp(asked.epochs, BOUNDS.epochs) });
      const isClamped = settings?.['learningRate'] !== asked.learningRate || settings['epochs'] !== asked.epochs;
      expect(rejected !== null && /above|below/.test(rejected), text).toBe(isClamped);
    }
  });

  it('trains as each chose: its rate, and every sequence as often as its epochs', () => {
    const edits = new Map(records.selfEdits.map((edit) => [edit.id, edit]));
    const candidates = records.rewards.filter(({ phase, condition }) => phase === 'rl' && condition === null);
    expect(candidates).toHaveLength(2 * 3 * 4);
    for (const { selfEditId, steps, learningRate, status, adapterDigest, cause } of candidates) {
      const edit = edits.get(selfEditId ?? '');
      if (edit?.sequences === 0) {
        expect({ status, steps, adapterDigest }).toEqual({ status: 'invalid', steps: 0, adapterDigest: null });
        expect(cause).toBe(edit.rejected);
      } else {
        const { epochs } = (edit?.settings ?? {}) as { epochs: number };
        expect(steps).toBe(Math.ceil((epochs * (edit?.sequences ?? 0)) / vote.config.inner.documentsPerStep));
        expect(learningRate).toBe(edit?.settings?.['learningRate']);
        expect(status).toBe('ok');
      }
    }
    expect(new Set(candidates.map(({ steps }) => steps)).size).toBeGreaterThan(2);
  });

  it('judges all answers of a context together', () => {
    const keys = new Map(records.rewards.map((reward) => [reward.key, reward]));
    for (const { answer, votes = [], gold, correct, score } of records.answers) {
      expect(votes).toHaveLength(VOTES);
      expect(answer).toBe(elected(votes));
      expect(correct).toBe(isRight(answer, gold));
      expect(score).toBeCloseTo(votes.filter((one) => isRight(one, gold)).length / VOTES, 12);
    }
    for (const [key, own] of Map.groupBy(records.answers, ({ rewardKey }) => rewardKey)) {
      const { reward = NaN, questions } = keys.get(key) ?? {};
      expect(questions).toBe(own.length);
      expect(reward).toBeCloseTo(own.reduce((sum, { score = 0 }) => sum + score, 0) / own.length, 12);
    }
    expect(records.answers.some(({ score = 0 }) => score > 0 && score < 1)).toBe(true);
  });

  it('keeps every self-edit that led to something right, and learns from all of them', () => {
    for (const { round, phase, candidates, kept = [], contextId } of records.selections) {
      if (phase !== 'rl') continue;
      const rewards = records.rewards.filter((one) => one.phase === 'rl' && one.condition === null && one.round === round && one.contextId === contextId && one.status === 'ok');
      const good = rewards.filter(({ reward }) => reward > 0).map(({ selfEditId }) => selfEditId);
      expect(kept.toSorted()).toEqual(good.toSorted());
      expect(candidates.length).toBe(4);
    }
    const kept = records.selections.filter(({ phase }) => phase === 'rl').reduce((sum, one) => sum + (one.kept?.length ?? 0), 0);
    expect(kept).toBeGreaterThan(6);
    expect(records.sft.filter(({ phase }) => phase === 'rl').reduce((sum, { examples }) => sum + examples, 0)).toBe(kept);
  });

  it('has a table in its own words, without rows that the domain does not have', () => {
    const names = new Set(records.rewards.filter(({ phase }) => phase === 'evaluate').map(({ condition }) => condition));
    expect([...names].sort()).toEqual(
      ['random-selection', 'round-1', 'round-2', 'round-2-greedy', 'self-edit', 'self-edit-greedy', 'unadapted', 'usual', 'usual-matched'],
    );
    expect(records.header).toMatchObject({ preset: 'vote', terms: voteDomain.terms });
  });
});

it('adapts one adapter to several contexts, as the self-edits of each chose', async () => {
  const file = join(base, 'puzzles.json');
  const contexts = contextsOf('dev', 2, 9);
  writeFileSync(file, JSON.stringify(contexts.map(({ title, text, questions }) => ({ title, context: text, questions }))));
  const out = join(base, 'adapter');
  const document = await adapt({ preset: 'vote', passages: file, out, edits: 2, seed: 1 }, deps);
  const { edits, settings } = JSON.parse((await import('node:fs')).readFileSync(join(out, 'adaptation.json'), 'utf8')) as {
    edits: string[][];
    settings: ({ epochs: number } | null)[][];
  };
  const chosen = contexts.flatMap((context, i) =>
    edits[i]!.map((text, j) => ({ sequences: voteDomain.parse(context, text).sequences.length, epochs: settings[i]?.[j]?.epochs ?? 0 })),
  );
  const walks = chosen.reduce((sum, { sequences, epochs }) => sum + sequences * epochs, 0);
  expect(document.trainingSequences).toBe(chosen.reduce((sum, { sequences }) => sum + sequences, 0));
  expect(document.steps).toBe(Math.ceil(walks / vote.config.inner.documentsPerStep));
  expect(document.questions).toBe(12);
}, 60_000);
