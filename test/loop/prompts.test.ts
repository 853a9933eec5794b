/** How many prompt tokens a run reads: a passage once for all its self-edits, a long beginning once for its questions. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { stream } from '@seal/files';
import { openGpu, type Gpu } from '@seal/device';
import { type Task } from '@seal/domains';
import { openWorld } from './world.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

it('reads a passage once for all self-edits, and the short questions of the tiny world each by itself', async () => {
  const { model, bench, codec, input } = openWorld(gpu);
  const contexts = input.evaluation.slice(0, 2);
  const tokens = (prompts: readonly string[]) => prompts.reduce((sum, prompt) => sum + codec.prompt(prompt).length, 0);

  const prompts = contexts.map((context) => input.domain.prompt(context));
  const draws = (prompt: string) => Array.from({ length: 8 }, (_, sample) => stream(7, prompt, sample)).map((random) => () => random.next());
  const edits = await bench.write(prompts.map((prompt) => ({ prompt, draws: draws(prompt) })), 1);
  expect(edits.map(({ length }) => length)).toEqual([8, 8]);
  expect(bench.promptTokens).toBe(tokens(prompts));

  const before = bench.promptTokens;
  const tasks = contexts.map((context) => input.domain.tasks(context));
  await bench.answer(tasks);
  expect(bench.promptTokens - before).toBe(tokens(tasks.flat().map(({ prompt }) => prompt)));
  bench.destroy();
  model.destroy();
});

it('writes as many self-edits at once as are decoded side by side, until it is stopped', async () => {
  const { model, bench, input } = openWorld(gpu);
  const prompts = input.evaluation.slice(0, 3).map((context) => ({
    prompt: input.domain.prompt(context),
    draws: Array.from({ length: 100 }, (_, sample) => stream(8, context.id, sample)).map((random) => () => random.next()),
  }));
  const stop = new AbortController();
  const groups: (readonly { readonly text: string; readonly tokens: number }[])[][] = [];
  let tokens = 0;
  const onTokens = (count: number) => {
    expect(count).toBeGreaterThanOrEqual(tokens);
    tokens = count;
    if (groups.length === 2) stop.abort(new Error('enough'));
  };
  const writing = async () => {
    for await (const group of bench.writeGroups(prompts, 1, { onTokens, signal: stop.signal })) {
      groups.push(group);
      expect(group.map(({ length }) => length)).toEqual([100]);
      // An end token is no part of a text, a text's tokens are counted as they come.
      expect(tokens).toBe(groups.flat(2).reduce((sum, text) => sum + text.tokens, 0));
    }
  };
  await expect(writing()).rejects.toThrow('enough');
  expect(groups).toHaveLength(2);
  bench.destroy();
  model.destroy();
});

it('reads what the questions of a group begin with once', async () => {
  const { model, bench, codec, input } = openWorld(gpu);
  const [context] = input.evaluation;
  const preamble = input.domain.prompt(context!);
  const behind = (task: Task): Task => ({ ...task, prompt: `${preamble} ${task.prompt}` });
  const own = input.domain.tasks(context!).slice(0, 3).map(behind);
  const length = codec.prompt(preamble).length;
  expect(length).toBeGreaterThan(16);
  const all = own.reduce((sum, { prompt }) => sum + codec.prompt(prompt).length, 0);
  await bench.answer([own]);
  // All three begin with the preamble and the question's mark.
  expect(bench.promptTokens).toBeLessThanOrEqual(all - 2 * length);
  const once = bench.promptTokens;
  // Two groups, perhaps asked apart after a stop, share nothing.
  await bench.answer([own, own]);
  expect(bench.promptTokens - once).toBe(2 * once);
  bench.destroy();
  model.destroy();
});
