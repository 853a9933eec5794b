/** How much of packed steps is padding, on self-edits that a model wrote. No GPU: who trains when, and how batches lie. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { streamOf } from '@seal/files';
import { knowledgeIncorporation, paperSequences, type Context, type TrainingSequence } from '@seal/domains';
import { computedTokens, packBatch, segmentTokens, type ModelConfig, type Segment } from '@seal/model';
import { createTokenizer } from '@seal/tokenizer';
import { createCodec, Packer, planSteps, type Codec } from '@seal/trainer';

const recordings = process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data';
const files = {
  ranked: join(recordings, 'data/rank_iter0_trim.json'),
  kept: join(recordings, 'data/sft_best1of5_iter0.jsonl'),
  tokenizer: join(recordings, 'real/tokenizer-smollm2/tokenizer.json'),
};
const absent = Object.values(files).find((file) => !existsSync(file));
const reason = `${absent} is absent: recorded self-edits and tokenizers are not part of the repository`;

interface Edit {
  readonly title: string;
  readonly passage: string;
  readonly text: string;
}

/** A prompt of the reference holds the title and the passage between its two marks. */
function passageOf(prompt: string): { title: string; passage: string } {
  const [, body = ''] = /\nPassage:\n([\s\S]*)\n\nImplications:\n$/.exec(prompt) ?? [];
  const at = body.indexOf('\n');
  return { title: body.slice(0, at), passage: body.slice(at + 1) };
}

/** Five completions of each of 50 passages, and the 50 that were kept. */
function recordedEdits(): Edit[] {
  const { articles } = JSON.parse(readFileSync(files.ranked, 'utf8')) as {
    articles: { prompt: string; completions: { text: string }[] }[];
  };
  const kept = readFileSync(files.kept, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line) as { prompt: string; completion: string });
  return [
    ...articles.flatMap(({ prompt, completions }) => completions.map(({ text }) => ({ ...passageOf(prompt), text }))),
    ...kept.map(({ prompt, completion }) => ({ ...passageOf(prompt), text: completion })),
  ];
}

const bare = (text: string): TrainingSequence => ({ prompt: '', text });
const domain = knowledgeIncorporation({ template: 'implications', mode: 'corrected', grader: 'containment' });
const ways: Record<string, (edit: Edit) => TrainingSequence[]> = {
  paper: ({ title, passage, text }) => paperSequences(title, passage, text, { variant: 'v1', split: true, passage: true }).map(bare),
  corrected({ title, passage, text }) {
    const context: Context = { id: title, title, text: passage, questions: [] };
    return [...domain.always(context), ...domain.parse(context, text).sequences];
  },
};

/** Tokens of a training of every edit's documents for its own number of epochs. */
function train(codec: Codec, sequences: readonly (readonly TrainingSequence[])[], documentsPerStep: number, limits: { slots: number; tokensPerStep: number }) {
  const plans = sequences.map((own, job): Segment[] => {
    const documents = own.map((sequence) => codec.document(sequence));
    const epochs = [1, 3, 5, 10][job % 4] ?? 1;
    const steps = Math.ceil((epochs * documents.length) / documentsPerStep);
    const name = [4, 'padding', job] as const;
    const work = { documents, replay: [], steps, rate: { learningRate: 1e-3, schedule: 'constant', warmUpSteps: 0 }, stream: name } as const;
    return planSteps(work, { documentsPerStep, replayPerStep: 0 }, streamOf(name)).map(({ segment }) => segment);
  });
  const order = [...plans.keys()].sort((a, b) => plans[b]!.length - plans[a]!.length);
  const packer = new Packer(order, (job) => plans[job]!.map(segmentTokens), limits);
  const use = { content: 0, computed: 0, rows: 0 };
  for (let parts = packer.next(); parts.length > 0; parts = packer.next()) {
    const segments: Segment[] = Array.from({ length: limits.slots }, () => []);
    for (const { job, slot, step } of parts) segments[slot] = plans[job]![step]!;
    const batch = packBatch(segments);
    // Counted from the documents: a segment's tokens, and these in whole tiles of 32, an idle slot none.
    const own = segments.map((segment) => segment.reduce((sum, { tokens }) => sum + tokens.length, 0));
    const content = own.reduce((sum, count) => sum + count, 0);
    const computed = own.reduce((sum, count) => sum + 32 * Math.ceil(count / 32), 0);
    expect(batch.contentCount).toBe(content);
    expect(computedTokens(batch)).toBe(computed);
    use.content += content;
    use.computed += computed;
    use.rows += 32 * Math.ceil(batch.tokenCount / 32);
  }
  expect(use.content).toBe(plans.flat(2).reduce((sum, { tokens }) => sum + tokens.length, 0));
  return use;
}

describe.skipIf(absent !== undefined)(absent === undefined ? 'recorded self-edits' : `recorded self-edits (${reason})`, () => {
  const codec = () => {
    const json = (name: string) => JSON.parse(readFileSync(join(recordings, 'real/tokenizer-smollm2', name), 'utf8')) as unknown;
    const tokenizer = createTokenizer(json('tokenizer.json'), files.tokenizer);
    return createCodec(tokenizer, { eosTokenIds: [tokenizer.id('<|endoftext|>')], bosTokenId: null } as unknown as ModelConfig, 2_048);
  };

  it.each(Object.keys(ways))('%s: less than 0.15 of the tokens of packed steps are padding', (way) => {
    const edits = recordedEdits();
    expect(edits).toHaveLength(300);
    const sequences = edits.map(ways[way]!);
    const own = codec();
    const limits = { slots: 32, tokensPerStep: 8_192 };
    for (const documentsPerStep of [2, 4]) {
      const { content, computed } = train(own, sequences, documentsPerStep, limits);
      expect(1 - content / computed, `${documentsPerStep} documents a step, every tile of 32 counted`).toBeLessThan(0.15);
    }
    // One document a step leaves the projections' tiles of 32 too empty for that; all wider ops fill blocks of 8.
    const { content, rows } = train(own, sequences, 1, limits);
    expect(1 - content / rows, 'one document a step, blocks of 8 counted').toBeLessThan(0.15);
  });
});
