import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { conditionName } from '@seal/runs';
import { contextsOf, speaksTinyWorld, tinyDomain } from '@seal/tiny';
import { readCheckpoint } from '@seal/model';
import { groupContexts, lengthsOf, plannedWork, tableRows } from '@seal/trainer';
import { tiny, tinyConfig } from './tiny.ts';

const checkpoint = await readCheckpoint(fileURLToPath(new URL('../../../tiny/checkpoint', import.meta.url)));
const request = { model: undefined, mode: 'corrected' } as const;
const all = { control: true, reading: false, perfect: true };

it('has the lengths that it was measured with', async () => {
  const { promptTokens } = await tiny.open(checkpoint, request);
  expect(lengthsOf(tinyConfig, 512, promptTokens)).toEqual({ prompt: 256, writing: 448, question: 252, answering: 256, document: 512, example: 512 });
});

it('measures every row there is, and plans as much work as can be counted by hand', () => {
  expect(tableRows(tinyConfig, all).flat().map(({ condition }) => conditionName(condition))).toEqual([
    'round-2', 'round-2-greedy', 'round-1', 'random-selection', 'passage', 'self-edit', 'self-edit-greedy', 'oracle', 'passage-matched', 'base',
  ]);
  const { outer, evaluation, inner } = tinyConfig;
  for (const seed of [0, 1, 2]) {
    const drawn = contextsOf('rl', outer.rounds * outer.contexts, seed);
    const parts = [drawn.slice(0, outer.contexts), drawn.slice(outer.contexts), contextsOf('test', evaluation.contexts, seed)];
    const [first, second, table] = parts.map((contexts) => ({ contexts: contexts.length, groups: groupContexts(tinyDomain, contexts, inner.contextsPerAdapter).length }));
    const planned = plannedWork(tinyConfig, all, [first!, second!], table!);
    // Groups as they come: contexts that conflict may need one more than a quarter of them.
    expect(planned).toEqual({ selfEdits: 528, adaptations: 9 * (first!.groups + second!.groups + table!.groups) });
    expect(planned.adaptations).toBeGreaterThanOrEqual(9 * (4 + 4 + 6));
    if (seed === 0) expect(planned.adaptations).toBe(144);
  }
});

it('draws nobody twice for the rounds, and others for the table', async () => {
  const subject = await tiny.open(checkpoint, request);
  const { rounds, table } = await subject.draw({ rounds: 2, perRound: 16, table: 24 }, 3);
  expect([rounds.length, table.length]).toEqual([32, 24]);
  expect(new Set([...rounds, ...table].map(({ id }) => id)).size).toBe(56);
  expect(subject).toMatchObject({ kept: null, domain: { name: tinyDomain.name } });
});

it('refuses what its world has no use for, and a model without its words', async () => {
  expect(speaksTinyWorld(checkpoint.tokenizer)).toBe(true);
  for (const [own, message] of [
    [{ passages: 'x.json' }, 'takes no `passages`'],
    [{ template: 'qa' }, 'Cannot use `template` with the tiny model'],
    [{ chat: true }, 'Cannot use `chat` with the tiny model'],
  ] as const) {
    await expect(tiny.open(checkpoint, { ...request, ...own })).rejects.toThrow(message);
  }
  const other = { ...checkpoint, tokenizer: { ...checkpoint.tokenizer, largestId: checkpoint.tokenizer.largestId + 1 } };
  await expect(tiny.open(other, { ...request, model: 'other' })).rejects.toThrow('Cannot use the preset tiny: other does not have the words of the tiny world');
});
