/** How many prompt tokens a run reads: a passage once for all its self-edits, a long beginning once for its questions. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import type { Prompt } from '@seal/domains';
import { BASE_POLICY, type Executor, type Sampled, type WriteWork } from '@seal/trainer';
import { openWorld } from './world.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

const policy = BASE_POLICY;

/** All self-edits, by prompt. */
async function write(executor: Executor, work: readonly WriteWork[]): Promise<(readonly Sampled[])[]> {
  const written: (readonly Sampled[])[] = [];
  for await (const group of executor.write(work)) written.push(...group);
  return written;
}

it('reads a passage once for all self-edits, and the short questions of the tiny world each by itself', async () => {
  const { model, executor, codec, input } = openWorld(gpu);
  const contexts = input.evaluation.slice(0, 2);
  const tokens = (prompts: readonly (readonly number[])[]) => prompts.reduce((sum, { length }) => sum + length, 0);

  const prompts = contexts.map((context) => codec.prompt(input.domain.prompt(context)));
  const streams = (context: string) => Array.from({ length: 8 }, (_, sample) => [7, context, sample] as const);
  const edits = await write(executor, prompts.map((prompt, i) => ({ policy, prompt, streams: streams(contexts[i]!.id), temperature: 1 })));
  expect(edits.map(({ length }) => length)).toEqual([8, 8]);
  expect(executor.promptTokens).toBe(tokens(prompts));

  const before = executor.promptTokens;
  const work = contexts.map((context) => ({ policy, ask: input.domain.tasks(context).map(({ prompt }) => codec.prompt(prompt)) }));
  await executor.answer(work);
  expect(executor.promptTokens - before).toBe(tokens(work.flatMap(({ ask }) => ask)));
  await executor.close();
  model.destroy();
});

it('writes as many self-edits at once as are decoded side by side, until it is stopped', async () => {
  const { model, executor, codec, input } = openWorld(gpu);
  const work = input.evaluation.slice(0, 3).map((context) => ({
    policy,
    prompt: codec.prompt(input.domain.prompt(context)),
    streams: Array.from({ length: 100 }, (_, sample) => [8, context.id, sample] as const),
    temperature: 1,
  }));
  const stop = new AbortController();
  const groups: (readonly (readonly Sampled[])[])[] = [];
  let tokens = 0;
  const writing = async () => {
    const hooks = {
      onProgress(progress: { readonly type: string; readonly tokens?: number }) {
        expect(progress.type).toBe('written');
        expect(progress.tokens).toBeGreaterThanOrEqual(tokens);
        tokens = progress.tokens ?? NaN;
        if (groups.length === 2) stop.abort(new Error('enough'));
      },
      signal: stop.signal,
    };
    for await (const group of executor.write(work, hooks)) {
      groups.push(group);
      expect(group.map(({ length }) => length)).toEqual([100]);
      // An end token is no part of a text, a text's tokens are counted as they come.
      expect(tokens).toBe(groups.flat(2).reduce((sum, text) => sum + text.tokens.length, 0));
    }
  };
  await expect(writing()).rejects.toThrow('enough');
  expect(groups).toHaveLength(2);
  await executor.close();
  model.destroy();
});

it('reads what the questions of a group begin with once', async () => {
  const { model, executor, codec, input } = openWorld(gpu);
  const [context] = input.evaluation;
  const preamble = textOf(input.domain.prompt(context!));
  const ask = input.domain.tasks(context!).slice(0, 3).map(({ prompt }) => codec.prompt(`${preamble} ${textOf(prompt)}`));
  const length = codec.prompt(preamble).length;
  expect(length).toBeGreaterThan(16);
  const all = ask.reduce((sum, prompt) => sum + prompt.length, 0);
  await executor.answer([{ policy, ask }]);
  // All three begin with the preamble and the question's mark.
  expect(executor.promptTokens).toBeLessThanOrEqual(all - 2 * length);
  const once = executor.promptTokens;
  // Two groups, perhaps asked apart after a stop, share nothing.
  await executor.answer([{ policy, ask }, { policy, ask }]);
  expect(executor.promptTokens - once).toBe(2 * once);
  await executor.close();
  model.destroy();
});

/** The tiny world has no conversations. */
function textOf(prompt: Prompt): string {
  if (typeof prompt !== 'string') throw new TypeError('The prompt is a conversation');
  return prompt;
}
