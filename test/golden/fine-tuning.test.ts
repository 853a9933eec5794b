/** `seal sft` against transformers, PEFT and torch: the same documents, the same losses, the same learning rates. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '@seal/model';
import { batchOrder, encodeExamples, parseExamples, scheduledRate, type Schedule } from '@seal/trainer';
import { seal } from '../cli/seal.ts';
import { relativeL2 } from './fixture.ts';

interface Expected {
  readonly documents: readonly { readonly tokens: number[]; readonly mask: number[] }[];
  readonly maxTokens: number;
  readonly warmUpSteps: number;
  readonly runs: Readonly<Record<'adapter' | 'full', { readonly schedule: Schedule; readonly learningRate: number; readonly losses: number[] }>>;
  readonly schedules: readonly { readonly schedule: Schedule; readonly warmUpSteps: number; readonly steps: number; readonly rates: number[] }[];
}

const folder = fileURLToPath(new URL('fine-tuning/', import.meta.url));
const json = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'));
const expected = json('expected.json') as Expected;
const out = mkdtempSync(join(tmpdir(), 'seal-fine-tuning-'));
afterAll(() => rmSync(out, { recursive: true }));

it('makes the documents that transformers makes', async () => {
  const { tokenizer, chat } = await readCheckpoint(join(folder, 'model'));
  const examples = parseExamples(readFileSync(join(folder, 'examples.jsonl')), 'examples.jsonl');
  const { documents, cut, dropped } = encodeExamples(examples, { tokenizer, begin: [1], ends: [2], chat }, expected.maxTokens, 'examples.jsonl');
  expect(documents.map(({ tokens }) => tokens)).toEqual(expected.documents.map(({ tokens }) => tokens));
  // The first entry is never used.
  const behind = (weights: ArrayLike<number> | undefined) => Array.from(weights ?? []).slice(1);
  expect(documents.map(({ targetWeights }) => behind(targetWeights))).toEqual(expected.documents.map(({ mask }) => behind(mask)));
  expect({ cut, dropped }).toEqual({ cut: 2, dropped: 0 });
});

it('takes them in the order that the fixture was made with', () => {
  const order = batchOrder(8, 2, 5);
  expect(Array.from({ length: 10 }, (_, step) => order(step))).toEqual(json('order.json'));
});

describe.each(['adapter', 'full'] as const)('ten steps of %s', (kind) => {
  it('have the losses of PyTorch', async () => {
    const { schedule, learningRate, losses } = expected.runs[kind];
    const options = {
      model: join(folder, 'model'),
      data: join(folder, 'examples.jsonl'),
      out: join(out, kind),
      seed: 5,
      batch: 2,
      steps: 10,
      seq: expected.maxTokens,
      warmup: expected.warmUpSteps,
      lr: learningRate,
      schedule,
      ...(kind === 'adapter' && { 'adapter-init': join(folder, 'adapter') }),
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const ended = await seal(['sft', ...args, '--json', ...(kind === 'full' ? ['--full'] : [])]);
    expect(ended).toMatchObject({ code: 0 });
    const result = JSON.parse(ended.stdout) as { losses: number[] };
    expect(relativeL2(result.losses, losses)).toBeLessThanOrEqual(1e-4);
    // Training matters within ten steps: the first losses alone would not do.
    expect(relativeL2(result.losses.map((_, i) => result.losses[i % 4]!), losses)).toBeGreaterThan(1e-3);
    const kept = readFileSync(join(out, kind, 'losses.jsonl'), 'utf8').trim().split('\n');
    expect(kept.map((line) => (JSON.parse(line) as { loss: number }).loss)).toEqual(result.losses);
  });
});

it.each(expected.schedules)('$schedule over $steps steps, $warmUpSteps of warm-up, is that of transformers', ({ schedule, warmUpSteps, steps, rates }) => {
  const own = rates.map((_, step) => scheduledRate(step, { learningRate: 1, schedule, warmUpSteps, steps }));
  own.forEach((rate, step) => expect(rate).toBeCloseTo(rates[step]!, 12));
});

const story = join(process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data', 'real/llama-story-hf');
const absent = !existsSync(join(story, 'EXPECTED.json'));

describe.skipIf(absent)(`a trained model of another project${absent ? `: ${story} is absent, it is not part of the repository` : ''}`, () => {
  it('begins with the loss of an independent float64 forward pass, and learns', async () => {
    const { greedy_ids: ids, mean_logprob: mean } = JSON.parse(readFileSync(join(story, 'EXPECTED.json'), 'utf8')) as { greedy_ids: number[]; mean_logprob: number };
    const { tokenizer } = await readCheckpoint(story);
    const text = tokenizer.decode(ids);
    const data = join(out, 'story.jsonl');
    writeFileSync(data, `${JSON.stringify({ text })}\n`);
    // Cut behind the last of the ids, the end token is no target: the loss is over what was scored there.
    const args = ['--model', story, '--data', data, '--seq', String(ids.length), '--steps', '8', '--lr', '5e-3', '--out', join(out, 'story'), '--json'];
    const ended = await seal(['sft', ...args]);
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.stderr).toContain('1 example of 1 cut at 64 tokens');
    const { losses } = JSON.parse(ended.stdout) as { losses: number[] };
    expect(losses[0]).toBeCloseTo(-mean, 4);
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
    // Kernels for heads of another width are compiled when they are first used: a minute on a busy machine.
  }, 240_000);
});
