import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkpointFiles, hostWeights, initialWeights, readCheckpoint } from './checkpoint.ts';
import { configFile } from '../config.ts';
import { smallConfig, smallWeights } from '../fixture.ts';
import { parameterLayout } from '../parameters.ts';
import { parseSafetensors, writeSafetensors } from './safetensors.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-checkpoint-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const weights = smallWeights(smallConfig);
const files = checkpointFiles(smallConfig, weights);
const vocabulary = Object.fromEntries(Array.from({ length: 24 }, (_, id) => [id === 0 ? '[unk]' : `w${id}`, id]));
const tokenizer = {
  version: '1.0',
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: null,
  decoder: { type: 'WordPiece', prefix: '##', cleanup: false },
  model: { type: 'WordPiece', unk_token: '[unk]', continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab: vocabulary },
};

let count = 0;
/** A model directory with some of its files replaced, or left out where null. */
function directory(change: Record<string, string | Uint8Array | null> = {}): string {
  const dir = mkdtempSync(join(base, `${count++}-`));
  const all = {
    'config.json': files.config,
    'model.safetensors': files.weights,
    'tokenizer.json': JSON.stringify(tokenizer),
    ...change,
  };
  for (const [name, content] of Object.entries(all)) if (content !== null) writeFileSync(join(dir, name), content);
  return dir;
}

const config = (change: object) => JSON.stringify({ ...configFile(smallConfig), ...change });

/** The weights file with tensors replaced, added or (null) left out. */
function weightsFile(change: Record<string, { shape: number[]; data: Float32Array } | null>): Uint8Array {
  const tensors = new Map(
    [...parameterLayout(smallConfig).places.values()].map(({ name, shape }) => [name, { shape, data: weights.get(name) ?? new Float32Array() }]),
  );
  for (const [name, tensor] of Object.entries(change)) {
    if (tensor) tensors.set(name, tensor);
    else tensors.delete(name);
  }
  return writeSafetensors(tensors);
}

describe('readCheckpoint', () => {
  it('reads what checkpointFiles wrote, to the bit', async () => {
    const read = await readCheckpoint(directory());
    expect(read.config).toEqual(smallConfig);
    const stored = await hostWeights(read);
    expect([...stored.keys()].toSorted()).toEqual([...weights.keys()].toSorted());
    for (const [name, data] of stored) expect(data, name).toEqual(weights.get(name));
    expect(read.tokenizer.encode('w3 w7 nothing')).toEqual([3, 7, 0]);
    expect(read.tokenizer).toMatchObject({ unknownId: 0, largestId: 23 });
  });

  it('accepts the copies that other writers store: a tied head and rotary frequencies', async () => {
    const head = weights.get('model.embed_tokens.weight') ?? new Float32Array();
    const extra = weightsFile({
      'lm_head.weight': { shape: [24, 16], data: head },
      'model.layers.0.self_attn.rotary_emb.inv_freq': { shape: [4], data: new Float32Array(4) },
    });
    const stored = await hostWeights(await readCheckpoint(directory({ 'model.safetensors': extra })));
    expect([...stored.keys()].toSorted()).toEqual([...weights.keys()].toSorted());
  });

  it('refuses a tied head that is another matrix than the embedding', async () => {
    const head = (weights.get('model.embed_tokens.weight') ?? new Float32Array()).with(30, 7);
    const read = await readCheckpoint(directory({ 'model.safetensors': weightsFile({ 'lm_head.weight': { shape: [24, 16], data: head } }) }));
    await expect(hostWeights(read)).rejects.toThrow('lm_head.weight is 7 at element 30, model.embed_tokens.weight is');
  });

  it('takes a tied embedding from the head where only that is stored', async () => {
    const name = 'model.embed_tokens.weight';
    const embedding = weights.get(name) ?? new Float32Array();
    const headOnly = weightsFile({ [name]: null, 'lm_head.weight': { shape: [24, 16], data: embedding } });
    expect((await hostWeights(await readCheckpoint(directory({ 'model.safetensors': headOnly })))).get(name)).toEqual(embedding);
  });

  it.each(['config.json', 'model.safetensors', 'tokenizer.json'])('names a missing %s', async (name) => {
    const dir = directory({ [name]: null });
    await expect(readCheckpoint(dir)).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(readCheckpoint(dir)).rejects.toThrow(`Cannot read ${join(dir, name)}: there is no such file`);
  });

  it.each<[string, Record<string, string | Uint8Array>, string, string]>([
    ['a configuration that is not JSON', { 'config.json': '{' }, 'config.json', 'it is not JSON'],
    ['a tokenizer that is not JSON', { 'tokenizer.json': '' }, 'tokenizer.json', 'it is not JSON'],
    ['a tokenizer of another kind', { 'tokenizer.json': '{"model": 3}' }, 'tokenizer.json', 'model must be an object'],
    ['a tokenizer larger than the model', { 'config.json': config({ vocab_size: 24 }), 'tokenizer.json': JSON.stringify({ ...tokenizer, model: { ...tokenizer.model, vocab: { ...vocabulary, extra: 24 } } }) }, 'tokenizer.json', 'token id 24, the model has a vocabulary of 24'],
    ['truncated weights', { 'model.safetensors': files.weights.subarray(0, -1) }, 'model.safetensors', 'is the file cut off?'],
    ['more layers than weights', { 'config.json': config({ num_hidden_layers: 3 }) }, 'model.safetensors', 'tensor model.layers.2.self_attn.q_proj.weight is missing, config.json asks for it'],
    ['fewer layers than weights', { 'config.json': config({ num_hidden_layers: 1 }) }, 'model.safetensors', 'tensor model.layers.1.self_attn.q_proj.weight belongs to no part'],
    ['another width', { 'config.json': config({ intermediate_size: 21 }) }, 'model.safetensors', 'is (20, 16), config.json asks for (21, 16)'],
    ['another vocabulary', { 'config.json': config({ vocab_size: 25 }) }, 'model.safetensors', 'tensor model.embed_tokens.weight is (24, 16), config.json asks for (25, 16)'],
    ['a head that is not tied', { 'config.json': config({ tie_word_embeddings: false }) }, 'model.safetensors', 'tensor lm_head.weight is missing'],
    ['a transposed tensor', { 'model.safetensors': weightsFile({ 'model.layers.0.mlp.up_proj.weight': { shape: [16, 20], data: new Float32Array(320) } }) }, 'model.safetensors', 'up_proj.weight is (16, 20), config.json asks for (20, 16)'],
    ['a missing tensor', { 'model.safetensors': weightsFile({ 'model.norm.weight': null }) }, 'model.safetensors', 'tensor model.norm.weight is missing'],
    ['a tensor of another family', { 'model.safetensors': weightsFile({ 'model.layers.0.self_attn.q_norm.weight': { shape: [8], data: new Float32Array(8) } }) }, 'model.safetensors', 'q_norm.weight belongs to no part'],
    ['weights that are not numbers', { 'model.safetensors': weightsFile({ 'model.norm.weight': { shape: [16], data: new Float32Array(16).fill(NaN) } }) }, 'model.safetensors', 'tensor model.norm.weight holds NaN at element 0'],
  ])('refuses %s', async (_, change, place, message) => {
    const dir = directory(change);
    const failure = await readCheckpoint(dir).then(hostWeights).then(() => 'accepted', (error: Error) => error.message);
    expect(failure).toContain(join(dir, place));
    expect(failure).toContain(message);
    expect(failure).not.toContain('\n');
  });

  it('refuses a dtype that holds no weights', async () => {
    const text = Buffer.from(files.weights).toString('latin1').replace('"dtype":"F32"', '"dtype":"I32"');
    const dir = directory({ 'model.safetensors': Buffer.from(text, 'latin1') });
    await expect(readCheckpoint(dir)).rejects.toThrow(`Cannot use ${join(dir, 'model.safetensors')}: tensor model.embed_tokens.weight has dtype I32`);
  });
});

describe('checkpointFiles', () => {
  it('refuses to save a part of a model', () => {
    expect(() => checkpointFiles(smallConfig, new Map())).toThrow('tensor model.embed_tokens.weight is missing');
  });

  it('names tensors as transformers does', () => {
    const names = [...parseSafetensors(files.weights, 'x').keys()];
    expect(names).toHaveLength(2 * 9 + 2);
    expect(names).toContain('model.layers.1.post_attention_layernorm.weight');
    expect(readFileSync(join(directory(), 'config.json'), 'utf8')).toContain('"model_type": "llama"');
  });
});

describe('initialWeights', () => {
  it('draws each kind of tensor with its deviation', () => {
    const asked = initialWeights(smallConfig, () => 1);
    expect(asked.get('model.norm.weight')?.every((value) => value === 1)).toBe(true);
    expect(asked.get('model.embed_tokens.weight')?.[0]).toBeCloseTo(0.04, 6);
    expect(asked.get('model.layers.0.self_attn.q_proj.weight')?.[0]).toBeCloseTo(0.6 / 4, 6);
    expect(asked.get('model.layers.0.mlp.down_proj.weight')?.[0]).toBeCloseTo(0.6 / Math.sqrt(20) / 2, 6);
  });
});
