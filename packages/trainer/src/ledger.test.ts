import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createRun, openRun, type RunStore } from '@seal/runs';
import { context as contextOf, lines as domain } from './fixture.ts';
import { openLedger } from './ledger.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-ledger-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const context = contextOf('c', 'x', ['1', '2', '3']);

const header = {
  runId: 'r',
  createdAt: '2026-01-01T00:00:00.000Z',
  preset: 'tiny',
  mode: 'corrected',
  seed: 0,
  config: {},
  environment: { runtime: 'test', adapter: 'test', packageVersion: '0' },
  modelDigest: '0'.repeat(64),
} as const;

const rest = {
  round: 1, phase: 'rl', condition: null, selfEditId: null, adapterDigest: null, repeat: 0,
  steps: 1, trainedTokens: 1, firstLoss: 1, lastLoss: 1, status: 'ok', cause: null,
} as const;
const edit = { id: '0123456789abcdef', round: 1, phase: 'rl', condition: null, contextId: 'c', sample: 0, tokens: 3, policyDigest: 'p', stream: 's' } as const;
const reward = { key: 'fedcba9876543210', group: ['c'], ...rest };
const parse = (of: typeof context, text: string) => domain.parse(of, text);
const answers = domain.judge(context, ['1', 'no', '3']);
const lines = (dir: string, kind: string) => readFileSync(join(dir, `${kind}.jsonl`), 'utf8').split('\n').filter(Boolean);
const begin = (name: string): Promise<RunStore> => createRun(join(base, name), header);

it('records judged answers and each once, however often it is told', async () => {
  const store = await begin('once');
  const ledger = await openLedger(store, parse);
  expect(ledger.hasReward(reward.key)).toBe(false);
  await ledger.addReward(context, answers, reward);
  await ledger.addReward(context, answers, reward);
  expect(lines(store.place, 'answers')).toHaveLength(3);
  expect(ledger.rewards({ phase: 'rl', contextId: 'c' })).toMatchObject([{ correct: 2, questions: 3, reward: 2 / 3 }]);
  expect(ledger.rewards({ phase: 'random' })).toEqual([]);
  await store.close();
});

it('recalls what an earlier process recorded', async () => {
  const store = await begin('recall');
  const ledger = await openLedger(store, parse);
  expect(await ledger.addEdit(context, { ...edit, text: 'a\n-\nb\n-' })).toMatchObject({ sequences: 2, rejected: 'dash (2)' });
  await ledger.addReward(context, answers, reward);
  await store.close();
  const again = await openRun(store.place);
  const recalled = await openLedger(again, parse);
  expect(recalled.edit(edit.id).text).toBe('a\n-\nb\n-');
  expect((await recalled.addEdit(context, { ...edit, text: 'another' })).text).toBe('a\n-\nb\n-');
  expect(recalled.hasReward(reward.key)).toBe(true);
  expect(() => recalled.edit('none')).toThrow('Cannot find self-edit none');
  await again.close();
});

it.each([0, 1, 2, 3])('records no answer twice when it was stopped after %i of them', async (written) => {
  const store = await begin(`stopped-${written}`);
  await (await openLedger(store, parse)).addReward(context, answers, reward);
  await store.close();
  const whole = lines(store.place, 'answers');
  writeFileSync(join(store.place, 'answers.jsonl'), whole.slice(0, written).map((line) => `${line}\n`).join(''));
  writeFileSync(join(store.place, 'rewards.jsonl'), '');
  const again = await openRun(store.place);
  await (await openLedger(again, parse)).addReward(context, answers, reward);
  await again.close();
  expect(lines(store.place, 'answers')).toEqual(whole);
  expect(lines(store.place, 'rewards')).toHaveLength(1);
});

it('gives an empty self-edit no sequences', async () => {
  const store = await begin('empty');
  expect(await (await openLedger(store, parse)).addEdit(context, { ...edit, text: '' })).toMatchObject({ sequences: 0, rejected: null });
  await store.close();
});

it('takes the mean score for the reward where credit is not all or nothing, and keeps score and votes', async () => {
  const store = await begin('scores');
  const ledger = await openLedger(store, parse);
  const [first, second, third] = answers;
  await ledger.addReward(context, [{ ...first!, score: 0.5 }, { ...second!, votes: ['a', 'b'] }, third!], reward);
  expect(ledger.rewards({ key: reward.key })).toMatchObject([{ correct: 2, questions: 3, reward: 0.5 }]);
  await store.close();
  const kept = lines(store.place, 'answers').map((line) => JSON.parse(line) as object);
  expect(kept).toMatchObject([{ score: 0.5 }, { votes: ['a', 'b'] }, { answer: '3' }]);
  expect(kept[2]).not.toHaveProperty('score');
  expect(kept[2]).not.toHaveProperty('votes');
});

it('recalls judged answers of weights without an adapter with all that was judged', async () => {
  const store = await begin('unadapted');
  const ledger = await openLedger(store, parse);
  const judged = answers.map((one) => ({ ...one, score: 0.25, votes: ['1'] }));
  await ledger.addReward(context, judged, { ...reward, steps: 0 });
  expect(ledger.unadaptedAnswers(reward.key)).toEqual(judged);
  await store.close();
  const again = await openRun(store.place);
  expect((await openLedger(again, parse)).unadaptedAnswers(reward.key)).toEqual(judged);
  await again.close();
});

it('records what a self-edit chose of its training', async () => {
  const store = await begin('chosen');
  const ledger = await openLedger(store, parse);
  expect(await ledger.addEdit(context, { ...edit, text: 'lr=5\nepochs=3\na' })).toMatchObject({
    sequences: 1, rejected: 'learningRate above 0.1 (1)', settings: { learningRate: 0.1, epochs: 3 },
  });
  expect(await ledger.addEdit(context, { ...edit, id: 'fedcba9876543210', text: 'a' })).not.toHaveProperty('settings');
  await store.close();
});
