/** Models and adapters written as GGUF and read again: tokenizers, tensors, ends, and whole exports of small models. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { exportModel, type Deps } from '@seal/engine';
import { dequantise, Metadata, quantise, tokenizerMetadata, type TextDocuments } from '@seal/gguf';
import { huggingFaceFiles, openGguf, writeGguf, type Gguf } from '@seal/gguf/node';
import { stream } from '@seal/files';
import {
  adapterFiles,
  checkpointFiles,
  generationSettings,
  hostWeights,
  initialWeights,
  loraLayout,
  parseConfig,
  PROJECTIONS,
  readAdapterDirectory,
  readCheckpoint,
  type LoraConfig,
  type ModelConfig,
} from '@seal/model';
import { createTokenizer } from '@seal/tokenizer';

const base = mkdtempSync(join(tmpdir(), 'seal-export-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const at = (...names: string[]) => join(base, ...names);
const folder = join(import.meta.dirname, 'tokenizers');
const parsed = (path: string): Record<string, unknown> => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
const texts = JSON.parse(readFileSync(join(folder, 'texts.json'), 'utf8')) as string[];

type Json = Record<string, unknown>;
const trained = parsed(join(folder, 'byte-level.json'));
const plainTokens = (trained['added_tokens'] as Json[]).filter(({ single_word, lstrip, rstrip }) => !single_word && !lstrip && !rstrip);
const cut = (digits: string) => {
  const [first, byteLevel] = (trained['pre_tokenizer'] as { pretokenizers: Json[] }).pretokenizers;
  const Regex = (first as { pattern: { Regex: string } }).pattern.Regex.replace(String.raw`\p{N}{1,3}`, digits);
  return { type: 'Sequence', pretokenizers: [{ ...first, pattern: { Regex } }, byteLevel] };
};
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
const model = (ignore_merges: boolean) => ({ ...(trained['model'] as Json), ignore_merges });
const llama3 = { ...trained, added_tokens: plainTokens, normalizer: null, pre_tokenizer: cut(String.raw`\p{N}{1,3}`) };
const pieces = parsed(join(folder, 'metaspace.json'));
const sentencePiece = {
  ...pieces,
  normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, { type: 'Replace', pattern: { String: ' ' }, content: '▁' }] },
  pre_tokenizer: null,
};

const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
const scored = {
  ...sentencePiece,
  model: {
    ...(pieces['model'] as Json),
    vocab: Object.fromEntries(['<unk>', '<s>', '</s>', ...bytes, '▁', 'e', 't', 'h', '▁t', 'he', '▁th', '▁the'].map((piece, id) => [piece, id])),
    merges: [['▁', 't'], ['h', 'e'], ['▁t', 'h'], ['▁t', 'he'], ['▁th', 'e']],
  },
};

const TOKENIZERS: Readonly<Record<string, readonly [pre: string, json: Json]>> = {
  llama3: ['llama-bpe', llama3],
  qwen2: ['qwen2', { ...llama3, normalizer: { type: 'NFC' }, pre_tokenizer: cut(String.raw`\p{N}`), post_processor: null, model: model(false) }],
  smollm: ['smollm', { ...llama3, pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel] }, post_processor: null, model: model(false) }],
  'gpt-2': ['gpt-2', { ...llama3, pre_tokenizer: byteLevel, post_processor: byteLevel, model: model(false) }],
  SentencePiece: ['default', scored],
};

const documents = (tokenizer: unknown, change: Partial<TextDocuments> = {}): TextDocuments => ({ tokenizer, rows: 720, special: {}, ends: [], chatTemplate: null, ...change });

describe('a tokenizer in metadata', () => {
  test.each(Object.entries(TOKENIZERS))('%s has the tokens that it had', async (name, [pre, json]) => {
    const metadata = tokenizerMetadata(documents(json), name);
    expect(metadata.get('tokenizer.ggml.pre')).toEqual({ type: 'string', value: pre });
    const path = at(`tokens-${name}.gguf`);
    await writeGguf(path, metadata, []);
    const original = createTokenizer(json, name);
    const written = createTokenizer(huggingFaceFiles(openGguf(path))['tokenizer.json'](), path);
    for (const text of texts) {
      expect(written.encodeWithSpecials(text)).toEqual(original.encodeWithSpecials(text));
      expect(written.decode(original.encode(text), { skipSpecialTokens: false })).toBe(original.decode(original.encode(text), { skipSpecialTokens: false }));
    }
    // The embedding's last rows have no token.
    expect(new Metadata(metadata, name).texts('tokenizer.ggml.tokens')?.at(-1)).toBe('[PAD719]');
  });

  test.each([
    ['another way to cut', { ...llama3, pre_tokenizer: { type: 'Whitespace' } }, /pre_tokenizer and normalizer are those of no tokenizer .*Whitespace/],
    ['a known way with another normaliser', { ...llama3, normalizer: { type: 'NFKC' } }, /NFKC/],
    ['words that are merged all the same', { ...llama3, model: model(false) }, /what model of its tokenizer\.json says.*ignore_merges/],
    ['tokens that take the space beside them', { ...llama3, added_tokens: (trained['added_tokens'] as Json[]).filter(({ single_word }) => !single_word) }, /what added_tokens/],
    ['a rule for pairs', { ...llama3, post_processor: { type: 'RobertaProcessing', sep: ['a', 1], cls: ['b', 2] } }, /post_processor/],
    ['whole words', { ...llama3, model: { type: 'WordPiece', vocab: {}, unk_token: '[UNK]' } }, /"WordPiece"/],
    ['a Metaspace', pieces, /pre_tokenizer/],
    ['merges that no scores give', sentencePiece, /what merges of its tokenizer\.json/],
  ])('is refused by name with %s', (_, json, reason) => {
    expect(() => tokenizerMetadata(documents(json), 'mine')).toThrow(reason);
  });

  test('names all ends, the tokenizer\'s own first, and refuses a fourth', () => {
    const metadata = new Metadata(tokenizerMetadata(documents(llama3, { special: { eos_token: '<|im_end|>', bos_token: '<|begin_of_text|>' }, ends: [703, 702, 701] }), 'mine'), 'mine');
    expect(['bos', 'eos', 'eot', 'eom'].map((name) => metadata.count(`tokenizer.ggml.${name}_token_id`))).toEqual([700, 702, 703, 701]);
    expect(metadata.flag('tokenizer.ggml.add_bos_token')).toBe(true);
    expect(() => tokenizerMetadata(documents(llama3, { ends: [1, 2, 3, 4] }), 'mine')).toThrow('4 tokens that end a text');
  });

  const recordings = join(process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data', 'real');
  const published = [['smollm2', 49_152, 'smollm'], ['qwen2.5', 151_936, 'qwen2'], ['llama3.2-instruct', 128_256, 'llama-bpe'], ['tinyllama-chat', 32_000, 'default']] as const;
  test.skipIf(!existsSync(recordings)).each(published)('the published one of %s is written (skipped without SEAL_REFERENCE_DATA)', (name, rows, pre) => {
    const json = parsed(join(recordings, `tokenizer-${name}`, 'tokenizer.json'));
    expect(tokenizerMetadata(documents(json, { rows }), name).get('tokenizer.ggml.pre')).toEqual({ type: 'string', value: pre });
  });
});

const sizes = { vocab_size: 720, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 256, rms_norm_eps: 1e-5 };
const CONFIGS: Readonly<Record<string, Json>> = {
  llama: {
    ...sizes, model_type: 'llama', head_dim: 16, tie_word_embeddings: true, attention_bias: true, bos_token_id: 700, eos_token_id: [702, 703], rope_theta: 500_000,
    rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 },
  },
  qwen2: { ...sizes, model_type: 'qwen2', tie_word_embeddings: false, eos_token_id: 702, rope_scaling: { rope_type: 'linear', factor: 2 } },
};
const chat_template = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** A model directory with random weights. */
function directory(name: 'llama' | 'qwen2', change: Json = {}, tokenizer: Json = TOKENIZERS[name === 'llama' ? 'llama3' : 'qwen2']?.[1] ?? {}): string {
  const path = mkdtempSync(at(`${name}-`));
  const config = parseConfig({ ...CONFIGS[name], ...change }, 'the test');
  const random = stream(1, 'weights');
  const normal = () => 2 * (random.next() + random.next() + random.next() - 1.5);
  const weights = new Map([...initialWeights(config, normal)].map(([own, values]) => [own, own.endsWith('bias') ? values.map(() => 0.1 * normal()) : values]));
  const files = checkpointFiles(config, weights);
  writeFileSync(join(path, 'config.json'), JSON.stringify({ ...(JSON.parse(files.config) as Json), ...CONFIGS[name], ...change }));
  writeFileSync(join(path, 'model.safetensors'), files.weights);
  writeFileSync(join(path, 'tokenizer.json'), JSON.stringify(tokenizer));
  writeFileSync(join(path, 'tokenizer_config.json'), JSON.stringify({ eos_token: '<|im_end|>', ...(name === 'llama' && { bos_token: { content: '<|begin_of_text|>' } }), chat_template }));
  return path;
}

function adapterOf(config: ModelConfig, change: Partial<LoraConfig> = {}): string {
  const path = mkdtempSync(at('adapter-'));
  const lora: LoraConfig = { rank: 4, alpha: 6, targets: PROJECTIONS, ...change };
  const layout = loraLayout(config, lora);
  const random = stream(2, 'adapter');
  const values = Float32Array.from({ length: layout.stride }, () => 0.2 * (random.next() - 0.5));
  for (const [file, content] of Object.entries(adapterFiles(layout, lora, values, 'mine'))) writeFileSync(join(path, file), content);
  return path;
}

/** A tensor as it lies in a file. */
function stored({ tensors }: Gguf, name: string): Float32Array {
  const found = tensors.get(name);
  if (!found) throw new Error(`${name} is missing`);
  return dequantise(found.type, readFileSync(found.path).subarray(found.start, found.start + found.byteLength));
}

/** Rows of queries and keys of a file in the order of a checkpoint, by the axes that `permute` of llama.cpp swaps. */
function unpermuted(values: Float32Array, columns: number, headDim: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let head = 0; head * headDim * columns < values.length; head++) {
    for (let p = 0; p < 2; p++) {
      for (let i = 0; i < headDim / 2; i++) {
        const from = (head * headDim + 2 * i + p) * columns;
        out.set(values.subarray(from, from + columns), (head * headDim + p * (headDim / 2) + i) * columns);
      }
    }
  }
  return out;
}

let gpu: Gpu;
let deps: Deps;
beforeAll(async () => {
  gpu = await openGpu();
  const close = gpu.close.bind(gpu);
  Object.defineProperty(gpu, 'close', { value: () => undefined });
  deps = { openGpu: async () => gpu, hub: { cacheDirectory: at('hub') }, version: { package: '1.2.3' }, totalMemory: 2 ** 33, now: () => new Date(0) };
  return () => close();
});

describe('a model as GGUF', () => {
  test.each([['llama', 'f16'], ['llama', 'q8_0'], ['qwen2', 'f16'], ['qwen2', 'q8_0']] as const)('%s as %s is read as what it was', async (name, dtype) => {
    const from = directory(name);
    const out = at(`${name}-${dtype}.gguf`);
    const document = await exportModel({ model: from, as: 'gguf', dtype, out }, deps);
    expect(document).toMatchObject({ out, dtype, adapterDigest: null, template: null, checks: { model: { prompts: 6 } } });
    const [original, written] = [await readCheckpoint(from), await readCheckpoint(out)];
    // What a scaling of rotary frequencies is called is another matter; what it gives is compared by its answers.
    expect({ ...written.config, ropeScaling: null }).toEqual({ ...original.config, ropeScaling: null, bosTokenId: name === 'llama' ? 700 : null, eosTokenIds: written.config.eosTokenIds });
    expect(generationSettings(out, written.config, {}).stopTokens.toSorted()).toEqual(original.config.eosTokenIds.toSorted());
    const [mine, theirs] = [await hostWeights(original), await hostWeights(written)];
    expect([...theirs.keys()].toSorted()).toEqual([...mine.keys()].toSorted());
    for (const [tensor, values] of mine) {
      const isVector = /norm|bias/.test(tensor);
      const type = isVector ? 'F32' : dtype === 'f16' ? 'F16' : 'Q8_0';
      expect(theirs.get(tensor), tensor).toEqual(dequantise(type, quantise(type, values)));
    }
    const gguf = openGguf(out);
    const query = mine.get('model.layers.1.self_attn.q_proj.weight') ?? new Float32Array();
    const raw = stored(gguf, 'blk.1.attn_q.weight');
    const [Q, D] = [dtype === 'f16' ? 'F16' : 'Q8_0', original.config.headDim] as const;
    expect(name === 'llama' ? unpermuted(raw, 32, D) : raw).toEqual(dequantise(Q, quantise(Q, query)));
    for (const text of texts.slice(0, 40)) expect(written.tokenizer.encodeWithSpecials(text)).toEqual(original.tokenizer.encodeWithSpecials(text));
    expect(huggingFaceFiles(gguf)['tokenizer_config.json']()).toMatchObject({ chat_template, eos_token: '<|im_end|>' });
    if (name === 'llama') expect(stored(gguf, 'rope_freqs.weight')).toHaveLength(D / 2);
    // Written of that file, it is the same but for what is rounded twice.
    const again = at(`${name}-${dtype}-again.gguf`);
    await exportModel({ model: out, as: 'gguf', dtype, out: again }, deps);
    expect([...openGguf(again).metadata.values].toSorted()).toEqual([...gguf.metadata.values].map(([key, value]) => [key, key === 'general.name' ? { type: 'string', value: `${name}-${dtype}` } : value]).toSorted());
    expect(await hostWeights(await readCheckpoint(again))).toEqual(theirs);
  });

  test('with an adapter in it, and a directory for Ollama', async () => {
    const from = directory('llama');
    const adapter = adapterOf((await readCheckpoint(from)).config);
    const document = await exportModel({ model: from, adapter, as: 'ollama-lora', out: at('ollama') }, deps);
    expect(document).toMatchObject({ template: 'turns', checks: { model: { tokens: 144 }, adapter: { tokens: 144, partings: [] } } });
    expect(readdirSync(at('ollama')).toSorted()).toEqual(['Modelfile', 'adapter.gguf', 'model.gguf']);
    expect(readFileSync(at('ollama', 'Modelfile'), 'utf8')).toMatch(/^FROM \.\/model\.gguf\nADAPTER \.\/adapter\.gguf\nTEMPLATE """[^]*PARAMETER stop "<\|im_end\|>"\nPARAMETER stop "<\|endoftext\|>"\n$/);
    const merged = await exportModel({ model: from, adapter, as: 'ollama', dtype: 'f32', out: at('merged') }, deps);
    expect(merged.files.map(({ name }) => name)).toEqual(['model.gguf', 'Modelfile']);
    expect(merged.adapterDigest).toBe(document.adapterDigest);
    expect(readFileSync(at('merged', 'Modelfile'), 'utf8')).not.toContain('ADAPTER');
  });
});

describe('an adapter as GGUF', () => {
  test.each([['llama', false], ['llama', true], ['qwen2', false]] as const)('for %s (rank-stabilised: %s) is what PEFT wrote', async (name, rankStabilised) => {
    const from = directory(name);
    const { config } = await readCheckpoint(from);
    const adapter = adapterOf(config, { rankStabilised });
    const out = at(`${name}-${rankStabilised}-lora.gguf`);
    expect(await exportModel({ model: from, adapter, as: 'gguf-lora', out }, deps)).toMatchObject({ dtype: null, checks: { adapter: { tokens: 144, partings: [] } } });
    const gguf = openGguf(out);
    const peft = readAdapterDirectory(adapter, config);
    expect(gguf.metadata.text('general.architecture')).toBe(name);
    expect(gguf.metadata.values.get('adapter.lora.alpha')).toEqual({ type: 'f32', value: rankStabilised ? Math.fround(6 * Math.sqrt(4)) : 6 });
    expect(gguf.tensors.size).toBe(2 * 2 * PROJECTIONS.length);
    // Dimensions as llama.cpp has them, the contiguous one first: [in, r] and [r, out].
    expect([gguf.tensors.get('blk.0.ffn_down.weight.lora_a')?.shape, gguf.tensors.get('blk.0.ffn_down.weight.lora_b')?.shape]).toEqual([[4, 64], [32, 4]]);
    for (const [part, projection] of [['attn_q', 'self_attn.q_proj'], ['attn_k', 'self_attn.k_proj'], ['attn_v', 'self_attn.v_proj'], ['ffn_up', 'mlp.up_proj']] as const) {
      const place = peft.layout.places.find((one) => one.layer === 1 && one.projection === projection);
      if (!place) throw new Error('no place');
      const b = stored(gguf, `blk.1.${part}.weight.lora_b`);
      const rows = name === 'llama' && /[qk]$/.test(part) ? unpermuted(b, 4, config.headDim) : b;
      expect(Array.from({ length: 4 }, (_, r) => Array.from({ length: place.out }, (__, o) => rows[o * 4 + r])).flat()).toEqual([...peft.values.subarray(place.offsetB, place.offsetB + 4 * place.out)]);
      expect(stored(gguf, `blk.1.${part}.weight.lora_a`)).toEqual(peft.values.subarray(place.offsetA, place.offsetA + 4 * place.inner));
    }
    const read = readAdapterDirectory(out, config);
    expect({ values: read.values, modules: read.modules }).toEqual({ values: peft.values, modules: peft.modules });
  });

  test('of every projection can be written: what training may adapt is never refused afterwards', async () => {
    const from = directory('qwen2');
    const { config } = await readCheckpoint(from);
    for (const projection of PROJECTIONS) {
      const out = at(`${projection}.gguf`);
      await exportModel({ model: from, adapter: adapterOf(config, { targets: [projection] }), as: 'gguf-lora', out }, deps);
      expect(readAdapterDirectory(out, config).lora.targets).toEqual([projection]);
    }
  });
});

describe('an export is refused', () => {
  test('where something is there already, or makes no sense', async () => {
    const model = directory('llama');
    writeFileSync(at('there.gguf'), 'mine');
    await expect(exportModel({ model, as: 'gguf', out: at('there.gguf') }, deps)).rejects.toMatchObject({ kind: 'usage', message: expect.stringContaining('it is there already') as string });
    expect(readFileSync(at('there.gguf'), 'utf8')).toBe('mine');
    mkdirSync(at('full'));
    writeFileSync(at('full', 'x'), '');
    await expect(exportModel({ model, as: 'ollama', out: at('full') }, deps)).rejects.toThrow('it is not empty');
    await expect(exportModel({ model, as: 'gguf-lora', out: at('no.gguf') }, deps)).rejects.toThrow('without `adapter`');
    await expect(exportModel({ model, adapter: model, as: 'gguf-lora', dtype: 'f16', out: at('no.gguf') }, deps)).rejects.toThrow('Cannot use `dtype`');
  });

  test('before a device is opened where a file has no place for something', async () => {
    const without = { ...deps, openGpu: () => Promise.reject(new Error('no device is wanted')) };
    const out = at('never.gguf');
    const refuses = (model: string, reason: string | RegExp) => expect(exportModel({ model, as: 'gguf', out }, without)).rejects.toThrow(reason);
    await refuses(directory('llama', {}, { ...llama3, normalizer: { type: 'NFKC' } }), 'NFKC');
    await refuses(directory('qwen2', { use_sliding_window: true, sliding_window: 64, max_window_layers: 1 }), 'a window of 64 tokens');
    await refuses(directory('qwen2', { rope_scaling: CONFIGS['llama']?.['rope_scaling'] }), 'rope_scaling');
    const other = adapterOf(parseConfig({ ...CONFIGS['llama'], hidden_size: 64 }, 'the test'));
    await expect(exportModel({ model: directory('llama'), adapter: other, as: 'gguf-lora', out }, without)).rejects.toMatchObject({ kind: 'data' });
    const wrong = at('wrong-adapter.gguf');
    await exportModel({ model: directory('llama'), adapter: adapterOf((await readCheckpoint(directory('llama'))).config), as: 'gguf-lora', out: wrong }, deps);
    await expect(exportModel({ model: directory('qwen2'), adapter: wrong, as: 'gguf', out }, without)).rejects.toThrow('general.architecture is "llama", expected is "qwen2"');
    expect(existsSync(out)).toBe(false);
  });

  test('where a value is beyond the numbers asked for, and leaves nothing', async () => {
    const model = directory('llama');
    const { config } = await readCheckpoint(model);
    const weights = await hostWeights(await readCheckpoint(model));
    weights.get('model.layers.0.mlp.up_proj.weight')?.set([1e5], 7);
    writeFileSync(join(model, 'model.safetensors'), checkpointFiles(config, weights).weights);
    await expect(exportModel({ model, as: 'gguf', out: at('large', 'x.gguf') }, deps)).rejects.toThrow('tensor blk.0.ffn_up.weight as F16: a value is 100000');
    expect(readdirSync(at('large'))).toEqual([]);
  });
});
