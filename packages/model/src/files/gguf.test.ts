/** Checkpoints in GGUF files, written from the weights of a small model as llama.cpp's conversion lays them out. */

import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ggufName, quantise, type GgufValue } from '@seal/gguf';
import { writeGguf, type WrittenTensor } from '@seal/gguf/node';
import { smallConfig, smallWeights } from '../fixture.ts';
import { inverseFrequencies } from '../rope.ts';
import { parameterLayout } from '../parameters.ts';
import { hostWeights, readCheckpoint } from './checkpoint.ts';
import { generationSettings } from './generation-config.ts';
import { originalOf, writeModel } from './rewriting.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-gguf-model-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const weights = smallWeights(smallConfig);
const text = (value: string): GgufValue => ({ type: 'string', value });
const number = (value: number): GgufValue => ({ type: 'u32', value });
const letters = Array.from('abcdefghijklmnopqrst');

const metadata: Record<string, GgufValue> = {
  'general.architecture': text('llama'),
  'llama.block_count': number(smallConfig.numHiddenLayers),
  'llama.context_length': number(smallConfig.maxPositionEmbeddings),
  'llama.embedding_length': number(smallConfig.hiddenSize),
  'llama.feed_forward_length': number(smallConfig.intermediateSize),
  'llama.attention.head_count': number(smallConfig.numAttentionHeads),
  'llama.attention.head_count_kv': number(smallConfig.numKeyValueHeads),
  'llama.attention.key_length': number(smallConfig.headDim),
  'llama.attention.value_length': number(smallConfig.headDim),
  'llama.rope.dimension_count': number(smallConfig.headDim),
  'llama.attention.layer_norm_rms_epsilon': { type: 'f32', value: Math.fround(smallConfig.rmsNormEps) },
  'llama.rope.freq_base': { type: 'f32', value: smallConfig.ropeTheta },
  'tokenizer.ggml.model': text('gpt2'),
  'tokenizer.ggml.pre': text('gpt-2'),
  'tokenizer.ggml.tokens': { type: 'array', items: 'string', value: [...letters, '<|end|>'] },
  'tokenizer.ggml.token_type': { type: 'array', items: 'i32', value: Int32Array.from([...letters.map(() => 1), 3]) },
  'tokenizer.ggml.merges': { type: 'array', items: 'string', value: [] },
  'tokenizer.ggml.eos_token_id': number(20),
  'tokenizer.ggml.eot_token_id': number(3),
  'tokenizer.chat_template': text('{% for m in messages %}{{ m.content }}{% endfor %}'),
};

/** Rows of queries and keys as `permute` of llama.cpp has them: (heads, 2, half, columns) with the middle axes swapped. */
function permuted(values: Float32Array, columns: number): Float32Array {
  const D = smallConfig.headDim;
  const out = new Float32Array(values.length);
  for (let head = 0; head < values.length / columns / D; head++) {
    for (let p = 0; p < 2; p++) {
      for (let i = 0; i < D / 2; i++) {
        const from = (head * D + p * (D / 2) + i) * columns;
        out.set(values.subarray(from, from + columns), (head * D + 2 * i + p) * columns);
      }
    }
  }
  return out;
}

const tensors: WrittenTensor[] = [...parameterLayout(smallConfig).places.values()].map(({ name, shape }) => {
  const values = weights.get(name) ?? new Float32Array();
  const stored = /[qk]_proj/.test(name) ? permuted(values, shape[1]) : values;
  return { name: ggufName(name, 'llama') ?? name, type: 'F32', shape, data: () => [quantise('F32', stored)] };
});

let count = 0;
async function file(change: Record<string, GgufValue | null> = {}, own: readonly WrittenTensor[] = tensors, name = `${count++}.gguf`): Promise<string> {
  const path = join(base, name);
  const all = Object.entries({ ...metadata, ...change }).filter((entry): entry is [string, GgufValue] => entry[1] !== null);
  await writeGguf(path, new Map(all), own);
  return path;
}

const without = (name: string) => tensors.filter((tensor) => tensor.name !== name);

describe('readCheckpoint', () => {
  it('reads weights, configuration, tokenizer and ends of a file', async () => {
    const path = await file();
    const read = await readCheckpoint(path);
    expect(read.config).toMatchObject({ ...smallConfig, bosTokenId: null, eosTokenIds: [20, 3] });
    expect(await hostWeights(read)).toEqual(weights);
    expect(read.tokenizer.encode('bad<|end|>')).toEqual([1, 0, 3, 20]);
    expect(read.chat?.render([{ role: 'user', content: 'hi' }], { addGenerationPrompt: false })).toBe('hi');
    expect(generationSettings(path, read.config, {}).stopTokens).toEqual([20, 3]);
  });

  it('reads any rows, in any order', async () => {
    const { source } = await readCheckpoint(await file());
    for (const [name, { shape }] of source.tensors) {
      const [rows, columns] = shape.length === 2 ? [shape[0], shape[1]] : [1, shape[0]];
      for (let row = rows - 1; row >= 0; row--) {
        expect(await source.readRows(name, row, 1), `${name} ${row}`).toEqual(weights.get(name)?.subarray(row * columns, (row + 1) * columns));
      }
      await expect(source.readRows(name, rows, 1)).rejects.toThrow(`it has ${rows}`);
    }
  });

  it('finds the parts of a split file by its first, and says which that is', async () => {
    const split = (no: number): Record<string, GgufValue> => ({
      'split.no': { type: 'u16', value: no },
      'split.count': { type: 'u16', value: 2 },
      'split.tensors.count': { type: 'i32', value: tensors.length },
    });
    const first = await file(split(0), tensors.slice(0, 5), 'small-00001-of-00002.gguf');
    await expect(readCheckpoint(first)).rejects.toThrow(`Cannot read ${join(base, 'small-00002-of-00002.gguf')}: there is no such file`);
    const second = await file(split(1), tensors.slice(5), 'small-00002-of-00002.gguf');
    expect(await hostWeights(await readCheckpoint(first))).toEqual(weights);
    await expect(readCheckpoint(second)).rejects.toThrow(`is part 2 of 2, and what describes the model is in the first; name ${first}`);
    cpSync(second, join(base, 'alone.gguf'));
    await expect(readCheckpoint(join(base, 'alone.gguf'))).rejects.toThrow('parts are found by names that end with -00001-of-00002.gguf');
    await file(split(1), tensors.slice(6), 'small-00002-of-00002.gguf');
    await expect(readCheckpoint(first)).rejects.toThrow(`its parts hold ${tensors.length - 1} tensors, it has ${tensors.length}`);
  });

  it('divides rotary frequencies by the tensor of divisors', async () => {
    const factors = Float32Array.from({ length: smallConfig.headDim / 2 }, (_, i) => 1 + i / 4);
    const divisors: WrittenTensor = { name: 'rope_freqs.weight', type: 'F32', shape: [factors.length], data: () => [quantise('F32', factors)] };
    const path = await file({}, [...tensors, divisors]);
    const { config } = await readCheckpoint(path);
    const plain = inverseFrequencies(smallConfig);
    expect([...inverseFrequencies(config)]).toEqual([...plain].map((frequency, i) => frequency / factors[i]));
    // And so does what is written from it.
    const out = join(base, 'converted');
    await writeModel(out, await originalOf(path), 'f32');
    expect((await readCheckpoint(out)).config).toEqual(config);
  });

  it('is written as a directory that reads the same', async () => {
    const path = await file();
    const out = join(base, 'directory');
    await writeModel(out, await originalOf(path), 'f32');
    const [own, again] = [await readCheckpoint(path), await readCheckpoint(out)];
    expect(again.config).toEqual(own.config);
    expect(await hostWeights(again)).toEqual(weights);
    expect(again.tokenizer.encode('bad<|end|>')).toEqual([1, 0, 3, 20]);
    expect(again.chat?.render([{ role: 'user', content: 'hi' }], { addGenerationPrompt: false })).toBe('hi');
    expect(generationSettings(out, again.config, {}).stopTokens).toEqual([20, 3]);
  });
});

describe('a file that is refused', () => {
  it.each<[string, () => Promise<string>, string]>([
    ['lacks a tensor', () => file({}, without('blk.1.ffn_up.weight')), 'tensor blk.1.ffn_up.weight is missing, the metadata asks for it'],
    ['has a tensor too many', () => file({}, [...tensors, { name: 'blk.0.attn_sinks', type: 'F32', shape: [1], data: () => [new Uint8Array(4)] }]), 'tensor blk.0.attn_sinks belongs to no part that the metadata asks for'],
    ['has another width', () => file({ 'llama.feed_forward_length': number(21) }), 'the metadata asks for (21, 16)'],
    ['lacks the embedding', () => file({}, without('token_embd.weight')), 'tensor token_embd.weight is missing'],
    ['has more tokens than rows', () => file({ 'tokenizer.ggml.tokens': { type: 'array', items: 'string', value: [...letters, 'u', 'v', 'w', 'x', 'y'] }, 'tokenizer.ggml.token_type': null }), 'it has token id 24, token_embd.weight has 24 rows'],
    ['is cut off', async () => {
      const path = join(base, 'cut.gguf');
      cpSync(await file(), path);
      const { truncateSync, statSync } = await import('node:fs');
      truncateSync(path, statSync(path).size - 64);
      return path;
    }, 'is it cut off?'],
    ['is none', async () => {
      const path = join(base, 'none.gguf');
      writeFileSync(path, 'PK\u0003\u0004 this is an archive of some kind');
      return path;
    }, 'it does not begin with "GGUF", so it is no GGUF file'],
    ['is a pointer', async () => {
      const path = join(base, 'pointer.gguf');
      writeFileSync(path, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n');
      return path;
    }, 'it is a Git LFS pointer, not the model; fetch the file itself with git lfs pull'],
  ])('%s', async (_, make, message) => {
    const path = await make();
    const told = await readCheckpoint(path).then(() => 'accepted', (error: Error) => error.message);
    expect(told).toContain(path);
    expect(told).toContain(message);
  });

  it('holds a value that is no number', async () => {
    const broken = tensors.map((tensor) => (tensor.name === 'output_norm.weight' ? { ...tensor, data: () => [quantise('F32', new Float32Array(16).fill(NaN))] } : tensor));
    await expect(readCheckpoint(await file({}, broken)).then(hostWeights)).rejects.toThrow('tensor model.norm.weight holds NaN at element 0; the file is damaged');
  });
});
