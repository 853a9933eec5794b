import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { Context, Domain } from '@seal/domains';
import { createRun, openRun, type RunStore } from '@seal/runs';
import { Ledger } from './ledger.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-ledger-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const context: Context = {
  id: 'c',
  title: 't',
  text: 'x',
  questions: ['1', '2', '3'].map((answer) => ({ question: `${answer}?`, answer, kind: 'direct' })),
};
/** Every line of a self-edit is a sequence; `-` is refused. */
const domain: Domain = {
  name: 'lines',
  prompt: ({ text }) => text,
  parse: (_, selfEdit) => {
    const lines = selfEdit.split('\n').filter(Boolean);
    const kept = lines.filter((line) => line !== '-');
    const refused = lines.length - kept.length;
    return { sequences: kept.map((text) => ({ prompt: '', text })), rejected: refused > 0 ? [{ reason: 'dash', count: refused }] : [] };
  },
  baseline: ({ text }) => [{ prompt: '', text }],
  tasks: ({ questions }) => questions.map(({ question, answer, kind }) => ({ prompt: question, question, gold: answer, kind })),
  grade: (answer, gold) => answer === gold,
};

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
const answers = ['1', 'no', '3'];
const lines = (dir: string, kind: string) => readFileSync(join(dir, `${kind}.jsonl`), 'utf8').split('\n').filter(Boolean);
const begin = (name: string): Promise<RunStore> => createRun(join(base, name), header);

it('grades answers and records each once, however often it is told', async () => {
  const store = await begin('once');
  const ledger = await Ledger.open(store, domain);
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
  const ledger = await Ledger.open(store, domain);
  expect(await ledger.addEdit(context, { ...edit, text: 'a\n-\nb\n-' })).toMatchObject({ sequences: 2, rejected: 'dash (2)' });
  await ledger.addReward(context, answers, reward);
  await store.close();
  const again = await openRun(store.place);
  const recalled = await Ledger.open(again, domain);
  expect(recalled.edit(edit.id).text).toBe('a\n-\nb\n-');
  expect((await recalled.addEdit(context, { ...edit, text: 'another' })).text).toBe('a\n-\nb\n-');
  expect(recalled.hasReward(reward.key)).toBe(true);
  expect(() => recalled.edit('none')).toThrow('Cannot find self-edit none');
  await again.close();
});

it.each([0, 1, 2, 3])('records no answer twice when it was stopped after %i of them', async (written) => {
  const store = await begin(`stopped-${written}`);
  await (await Ledger.open(store, domain)).addReward(context, answers, reward);
  await store.close();
  const whole = lines(store.place, 'answers');
  writeFileSync(join(store.place, 'answers.jsonl'), whole.slice(0, written).map((line) => `${line}\n`).join(''));
  writeFileSync(join(store.place, 'rewards.jsonl'), '');
  const again = await openRun(store.place);
  await (await Ledger.open(again, domain)).addReward(context, answers, reward);
  await again.close();
  expect(lines(store.place, 'answers')).toEqual(whole);
  expect(lines(store.place, 'rewards')).toHaveLength(1);
});

it('gives an empty self-edit no sequences', async () => {
  const store = await begin('empty');
  expect(await (await Ledger.open(store, domain)).addEdit(context, { ...edit, text: '' })).toMatchObject({ sequences: 0, rejected: null });
  await store.close();
});
