/** Models and tokenizers of llama2.c, made by hand here, and its trained one where the reference data are. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openGpu } from '@seal/device';
import { hostWeights, loadModel } from './checkpoint.ts';
import { Generator } from '../sampling/generation.ts';
import { openLlama2c, readLlama2cTokenizer } from './llama2c.ts';
import { createTokenizer } from '@seal/tokenizer';

const base = mkdtempSync(join(tmpdir(), 'seal-llama2c-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
let count = 0;
function file(bytes: Uint8Array): string {
  const path = join(base, `${count++}.bin`);
  writeFileSync(path, bytes);
  return path;
}

/** dim 8, hidden 4, 2 layers, 2 heads of 4, 1 of keys and values, 5 tokens, 3 positions. */
const sizes = [8, 4, 2, 2, 1, 5, 3];
/** Elements in the order of the file: every number is its own place. */
const layout = {
  embedding: 5 * 8,
  attentionNorm: 2 * 8,
  wq: 2 * 8 * 8,
  wk: 2 * 4 * 8,
  wv: 2 * 4 * 8,
  wo: 2 * 8 * 8,
  mlpNorm: 2 * 8,
  w1: 2 * 4 * 8,
  w2: 2 * 8 * 4,
  w3: 2 * 4 * 8,
  norm: 8,
  rotary: 3 * 4,
};
const starts = Object.fromEntries(
  Object.keys(layout).map((name, i) => [name, Object.values(layout).slice(0, i).reduce((sum, n) => sum + n, 0)]),
) as Record<keyof typeof layout, number>;
const elements = Object.values(layout).reduce((sum, n) => sum + n, 0);
function model(header = sizes, classifier = 0, change = (values: Float32Array) => values): Uint8Array {
  const values = change(Float32Array.from({ length: elements + classifier }, (_, i) => i));
  return Buffer.concat([new Uint8Array(Int32Array.from(header).buffer), new Uint8Array(values.buffer)]);
}
const counting = (start: number, n: number) => Float32Array.from({ length: n }, (_, i) => start + i);

describe('openLlama2c', () => {
  it('finds every tensor where llama2.c puts it', async () => {
    const { config, source } = await openLlama2c(file(model()));
    expect(config).toMatchObject({ family: 'llama', hiddenSize: 8, intermediateSize: 4, numHiddenLayers: 2, numAttentionHeads: 2 });
    expect(config).toMatchObject({ numKeyValueHeads: 1, headDim: 4, vocabSize: 5, maxPositionEmbeddings: 3, tieWordEmbeddings: true });
    const weights = await hostWeights({ source });
    const expectAt = (name: string, start: number, n: number) => expect(weights.get(name), name).toEqual(counting(start, n));
    expectAt('model.embed_tokens.weight', 0, 40);
    expectAt('model.layers.1.input_layernorm.weight', starts.attentionNorm + 8, 8);
    expectAt('model.layers.1.self_attn.v_proj.weight', starts.wv + 32, 32);
    expectAt('model.layers.0.self_attn.o_proj.weight', starts.wo, 64);
    expectAt('model.layers.1.post_attention_layernorm.weight', starts.mlpNorm + 8, 8);
    expectAt('model.layers.1.mlp.gate_proj.weight', starts.w1 + 32, 32);
    expectAt('model.layers.0.mlp.down_proj.weight', starts.w2, 32);
    expectAt('model.layers.1.mlp.up_proj.weight', starts.w3 + 32, 32);
    expectAt('model.norm.weight', starts.norm, 8);
    expect(weights.has('lm_head.weight')).toBe(false);
  });

  it('puts the pairs that are turned together into the two halves of a head', async () => {
    const { source } = await openLlama2c(file(model()));
    const rows = async (name: string, first: number, n: number) =>
      Array.from({ length: n }, (_, i) => i * 8).map(async (at) => (await source.readRows(name, first, n))[at]);
    const q = await Promise.all(await rows('model.layers.1.self_attn.q_proj.weight', 0, 8));
    // Rows 0 2 1 3 of the first head, then of the second.
    expect(q).toEqual([0, 2, 1, 3, 4, 6, 5, 7].map((row) => starts.wq + 64 + row * 8));
    expect(await Promise.all(await rows('model.layers.1.self_attn.q_proj.weight', 5, 2))).toEqual([6, 5].map((row) => starts.wq + 64 + row * 8));
    expect(await Promise.all(await rows('model.layers.0.self_attn.k_proj.weight', 0, 4))).toEqual([0, 2, 1, 3].map((row) => starts.wk + row * 8));
  });

  it('takes a classifier of its own from the end, where the number of tokens is negative', async () => {
    const { config, source } = await openLlama2c(file(model(sizes.with(5, -5), 40)));
    expect(config).toMatchObject({ vocabSize: 5, tieWordEmbeddings: false });
    expect(await source.readRows('lm_head.weight', 0, 5)).toEqual(counting(elements, 40));
  });

  it.each<[string, Uint8Array, string]>([
    ['a file cut off', model().subarray(0, -1), `one of the sizes ${sizes.join(', ')} has`],
    ['a longer file', Buffer.concat([model(), Buffer.alloc(4)]), 'bytes, one of the sizes'],
    ['sizes that are none', model(sizes.with(0, 0)), 'it is no model of llama2.c (its sizes would be 0, '],
    ['negative sizes', model(sizes.with(2, -2)), 'give a whole .bin that its export.py wrote with --version 0, or a model directory'],
    ['sizes far beyond the file', model([2 ** 24, 2 ** 24, 4_096, 4, 4, 2 ** 24, 2 ** 20]), 'bytes, one of the sizes'],
    ['a later version', model(sizes.with(0, 0x616b3432)), "it is a later version of llama2.c's format; export it with --version 0"],
    ['half a header', model().subarray(0, 12), 'it has 12 bytes'],
  ])('refuses %s', async (_, bytes, message) => {
    const path = file(bytes);
    const failure = await openLlama2c(path).then(() => 'accepted', (error: Error) => error.message);
    expect(failure).toContain(path);
    expect(failure).toContain(message);
  });

  it('refuses a number that is none by tensor and element', async () => {
    const path = file(model(sizes, 0, (values) => values.with(starts.wq + 9, NaN)));
    const { source } = await openLlama2c(path);
    await expect(source.readRows('model.layers.0.self_attn.q_proj.weight', 0, 8)).rejects.toThrow(`${path}: tensor model.layers.0.self_attn.q_proj.weight holds NaN at element 9`);
  });
});

/** A tokenizer's file: pieces with their scores. */
function tokenizer(pieces: readonly (readonly [text: string | Uint8Array, score: number])[]): Uint8Array {
  const parts = pieces.map(([text, score]) => {
    const bytes = Buffer.from(text as string);
    const head = Buffer.alloc(8);
    head.writeFloatLE(score);
    head.writeInt32LE(bytes.byteLength, 4);
    return Buffer.concat([head, bytes]);
  });
  return Buffer.concat([Buffer.from(Uint32Array.of(9).buffer), ...parts]);
}
const special = [['<unk>', 0], ['\n<s>\n', 0], ['\n</s>\n', 0]] as const;

describe('readLlama2cTokenizer', () => {
  it('merges by score, falls back to bytes and puts a space before the text', async () => {
    const bytes = Array.from({ length: 256 }, (_, i) => [`<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`, 0] as const);
    const pieces = [...special, ...bytes, [' a', -1], ['bc', -2], ['ab', -3], [' ', -10], ['a', -11], ['b', -12], ['c', -13]] as const;
    const path = file(tokenizer(pieces));
    const read = createTokenizer(await readLlama2cTokenizer(path, pieces.length), path);
    const id = (text: string) => pieces.findIndex(([piece]) => piece === text);
    // ` a` is better than `ab`, which would leave nothing for `bc`.
    expect(read.encode('abc')).toEqual([id(' a'), id('bc')]);
    expect(read.encode('cab')).toEqual([id(' '), id('c'), id('ab')]);
    expect(read.encode('\u00e9')).toEqual([id(' '), 3 + 0xc3, 3 + 0xa9]);
    expect(read.decode(read.encode('abc \u00e9 cab'))).toBe('abc \u00e9 cab');
    expect(read.id('</s>')).toBe(2);
  });

  it.each<[string, Uint8Array, string]>([
    ['a file that ends in a piece', tokenizer(special).subarray(0, -3), 'piece 2 has 6 bytes, the file has 3 more'],
    ['a piece longer than the file', Buffer.concat([tokenizer(special), Buffer.from([0, 0, 0, 0, 255, 255, 255, 127])]), 'piece 3 has 2147483647 bytes'],
    ['a negative length', Buffer.concat([tokenizer(special), Buffer.from([0, 0, 0, 0, 255, 255, 255, 255])]), 'piece 3 has -1 bytes'],
    ['an endless piece', tokenizer([...special, ['a'.repeat(2_000), 0]]), 'piece 3 has 2000 bytes, at most 1024 are read'],
    ['bytes that are no text', tokenizer([...special, [Buffer.from([0xff]), 0]]), 'piece 3 is not UTF-8'],
    ['a score that is none', tokenizer([...special, ['a', NaN]]), 'the score of piece 3 is NaN'],
    ['two pieces alike', tokenizer([...special, ['a', 0], ['a', 1]]), 'two of its pieces are the same'],
    ['other special tokens', tokenizer([['[UNK]', 0], ...special.slice(1)]), 'piece 0 is "[UNK]", expected <unk>'],
    ['an empty file', new Uint8Array(), 'it has 0 bytes'],
    ['more pieces than tokens', tokenizer([...special, ...Array.from({ length: 9 }, (_, i) => [`x${i}`, 0] as const)]), 'it has 12 pieces, the model 10 tokens'],
  ])('refuses %s', async (_, bytes, message) => {
    await expect(readLlama2cTokenizer(file(bytes), 10)).rejects.toThrow(message);
  });
});

const real = join(process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data', 'real', 'llama2c-stories260K');

it('tells the story that llama2.c tells with the trained model', async ({ skip }) => {
  if (!existsSync(real)) return skip(`${real} is not there: set SEAL_REFERENCE_DATA`);
  const { config, source } = await openLlama2c(join(real, 'stories260K.bin'));
  const tokenizerPath = join(real, 'tok512.bin');
  const read = createTokenizer(await readLlama2cTokenizer(tokenizerPath, config.vocabSize), tokenizerPath);
  const [, story = ''] = /-t 0\.0\n(.*?)\n```/s.exec(readFileSync(join(real, 'stories260K.md'), 'utf8')) ?? [];
  expect(story.length).toBeGreaterThan(500);
  const gpu = await openGpu();
  const model = await loadModel(gpu, { config, source });
  const generator = new Generator(model, null, { slots: 1, length: 300, prefillTokens: 16 });
  const [[completion] = []] = await generator.generate([{ prompt: [1], draws: [() => 0] }], { temperature: 0, topP: 1, maxNewTokens: 256, stopTokens: [] });
  generator.destroy();
  model.destroy();
  gpu.close();
  const told = read.decode([...(completion?.tokens ?? [])]);
  expect(told.slice(0, story.length)).toBe(story);
  // The text as its tokenizer spells it is the text that was generated.
  const ids = read.encode(story);
  expect(ids).toEqual([...(completion?.tokens ?? [])].slice(0, ids.length));
});
