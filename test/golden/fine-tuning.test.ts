/** `seal sft` against transformers, PEFT and torch: the same documents, the same losses, the same learning rates. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '@seal/model';
import { batchOrder, encodeExamples, parseExamples, scheduledRate, type Schedule } from '@seal/trainer';
import { seal } from '../cli/seal.ts';

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

function relativeL2(actual: readonly number[], wanted: readonly number[]): number {
  if (actual.length !== wanted.length) return Infinity;
  const square = (values: readonly number[]) => values.reduce((sum, value) => sum + value ** 2, 0);
  return Math.sqrt(square(actual.map((value, i) => value - wanted[i]!)) / square(wanted));
}

it('makes the documents that transformers makes', async () => {
  const { tokenizer } = await readCheckpoint(join(folder, 'model'));
  const examples = parseExamples(readFileSync(join(folder, 'examples.jsonl')), 'examples.jsonl');
  const { documents, cut, dropped } = encodeExamples(examples, { tokenizer, begin: [1], end: 2, chat: null }, expected.maxTokens, 'examples.jsonl');
  expect(documents.map(({ tokens }) => tokens)).toEqual(expected.documents.map(({ tokens }) => tokens));
  // The first entry is never used.
  const behind = (weights: ArrayLike<number> | undefined) => Array.from(weights ?? []).slice(1);
  expect(documents.map(({ targetWeights }) => behind(targetWeights))).toEqual(expected.documents.map(({ mask }) => behind(mask)));
  expect({ cut, dropped }).toEqual({ cut: 1, dropped: 0 });
});

it('takes them in the order that the fixture was made with', () => {
  const order = batchOrder(7, 2, 5);
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
