/** Tokenizers and configurations out of metadata; their ids and logits are compared in test/golden. */

import { describe, expect, it } from 'vitest';
import { huggingFaceConfig } from './config.ts';
import { Metadata, type GgufValue } from './metadata.ts';
import { mergesOf } from './sentencepiece.ts';
import { huggingFaceGenerationConfig, huggingFaceTokenizerConfig } from './text-config.ts';
import { huggingFaceTokenizer } from './tokenizer.ts';

const text = (value: string): GgufValue => ({ type: 'string', value });
const number = (value: number): GgufValue => ({ type: 'u32', value });
const texts = (...value: string[]): GgufValue => ({ type: 'array', items: 'string', value });
const numbers = (...value: number[]): GgufValue => ({ type: 'array', items: 'i32', value: Int32Array.from(value) });
const floats = (...value: number[]): GgufValue => ({ type: 'array', items: 'f32', value: Float32Array.from(value) });
const header = (values: Record<string, GgufValue | undefined>) => ({
  path: 'x.gguf',
  metadata: new Metadata(new Map(Object.entries(values).filter((entry): entry is [string, GgufValue] => entry[1] !== undefined)), 'x.gguf'),
});

const bytes = {
  'tokenizer.ggml.model': text('gpt2'),
  'tokenizer.ggml.pre': text('llama-bpe'),
  'tokenizer.ggml.tokens': texts('a', 'b', 'ab', '<|begin|>', '<|eot|>', 'tool', '[PAD6]'),
  'tokenizer.ggml.token_type': numbers(1, 1, 1, 3, 3, 4, 5),
  'tokenizer.ggml.merges': texts('a b'),
  'tokenizer.ggml.bos_token_id': number(3),
  'tokenizer.ggml.eos_token_id': number(4),
  'tokenizer.ggml.eot_token_id': number(4),
  'tokenizer.ggml.eom_token_id': number(2),
};

const pieces = {
  'tokenizer.ggml.model': text('llama'),
  'tokenizer.ggml.tokens': texts('<unk>', '<s>', '</s>', '<0x0A>', '▁', 'a', '▁a', 'aa', '  '),
  'tokenizer.ggml.token_type': numbers(2, 3, 3, 6, 1, 1, 1, 1, 4),
  'tokenizer.ggml.scores': floats(0, 0, 0, 0, -3, -4, -1, -2, 0),
  'tokenizer.ggml.bos_token_id': number(1),
  'tokenizer.ggml.eos_token_id': number(2),
};

describe('byte-level tokenizers', () => {
  it('keep control tokens special, user-defined ones plain, and rows without a token out', () => {
    const json = huggingFaceTokenizer(header(bytes));
    expect(json['added_tokens']).toMatchObject([{ id: 3, content: '<|begin|>', special: true }, { id: 4, special: true }, { id: 5, content: 'tool', special: false }]);
    expect(json['model']).toMatchObject({ vocab: { a: 0, b: 1, ab: 2 }, merges: [['a', 'b']], ignore_merges: true });
    // llama.cpp puts the beginning before texts of this kind where the file does not say.
    expect(json['post_processor']).toMatchObject({ single: [{ SpecialToken: { id: '<|begin|>' } }, { Sequence: { id: 'A' } }] });
    expect(huggingFaceTokenizer(header({ ...bytes, 'tokenizer.ggml.add_bos_token': { type: 'bool', value: false } }))['post_processor']).toBeNull();
  });

  it('say every end, each once', () => {
    expect(huggingFaceGenerationConfig(header(bytes))).toMatchObject({ bos_token_id: 3, eos_token_id: [4, 2] });
  });

  it('name special tokens by their texts, and all templates', () => {
    const own = header({
      ...bytes,
      'tokenizer.chat_template': text('plain'),
      'tokenizer.chat_templates': texts('tool_use'),
      'tokenizer.chat_template.tool_use': text('tools'),
    });
    expect(huggingFaceTokenizerConfig(own)).toMatchObject({
      bos_token: '<|begin|>',
      eos_token: '<|eot|>',
      chat_template: [{ name: 'default', template: 'plain' }, { name: 'tool_use', template: 'tools' }],
    });
  });
});

describe('SentencePiece', () => {
  it('merges by scores, the best first, out of pieces that texts are made of', () => {
    expect(mergesOf([{ id: 4, text: '▁', score: -3 }, { id: 5, text: 'a', score: -4 }, { id: 6, text: '▁a', score: -1 }, { id: 7, text: 'aa', score: -2 }])).toEqual([['▁', 'a'], ['a', 'a']]);
    const json = huggingFaceTokenizer(header(pieces));
    expect(json['model']).toMatchObject({ byte_fallback: true, unk_token: '<unk>', vocab: { '<unk>': 0, '<0x0A>': 3, '▁': 4, a: 5, '▁a': 6, aa: 7 } });
    expect(json['normalizer']).toMatchObject({ normalizers: [{ type: 'Prepend', prepend: '▁' }, { type: 'Replace' }] });
  });

  it('has no prefix where the file says so, and finds user-defined pieces in what is normalised', () => {
    const json = huggingFaceTokenizer(header({ ...pieces, 'tokenizer.ggml.add_space_prefix': { type: 'bool', value: false } }));
    expect(json['normalizer']).toMatchObject({ type: 'Replace' });
    expect(json['added_tokens']).toMatchObject([{ id: 0 }, { id: 1 }, { id: 2 }, { id: 8, content: '  ', normalized: true, special: false }]);
  });
});

describe('tokenizers that are refused', () => {
  it.each<[string, Record<string, GgufValue | undefined>, string]>([
    ['none', { 'tokenizer.ggml.model': undefined }, 'Cannot read x.gguf: it has no tokenizer'],
    ['another kind', { 'tokenizer.ggml.model': text('t5') }, 'Cannot use x.gguf: tokenizer.ggml.model is "t5", supported is "gpt2", "llama"'],
    ['another way to cut', { 'tokenizer.ggml.pre': text('deepseek-v3') }, 'tokenizer.ggml.pre is "deepseek-v3", supported is "gpt-2", "smollm", "llama-bpe", "qwen2"'],
    ['no way to cut', { 'tokenizer.ggml.pre': undefined }, 'tokenizer.ggml.pre is "default"'],
    ['types of other tokens', { 'tokenizer.ggml.token_type': numbers(1, 1) }, 'tokenizer.ggml.token_type has 2 items, there are 7 tokens'],
    ['an unknown type', { 'tokenizer.ggml.token_type': numbers(1, 1, 9, 3, 3, 4, 5) }, 'token 2 has type 9'],
    ['a token twice', { 'tokenizer.ggml.tokens': texts('a', 'a', 'ab', 'c', 'd', 'e', 'f') }, 'token "a" is there twice'],
    ['half a merge', { 'tokenizer.ggml.merges': texts('ab') }, 'merge 0 is "ab", not two tokens'],
    ['an end beyond the tokens', { 'tokenizer.ggml.bos_token_id': number(99) }, 'tokenizer.ggml.bos_token_id is 99, there are 7 tokens'],
    ['tokens that are numbers', { 'tokenizer.ggml.tokens': numbers(1) }, '"tokenizer.ggml.tokens" is a list of 1 items of type i32, not a list of strings'],
  ])('%s', (_, change, message) => {
    expect(() => huggingFaceTokenizer(header({ ...bytes, ...change }))).toThrow(message);
  });

  it('pieces without scores', () => {
    expect(() => huggingFaceTokenizer(header({ ...pieces, 'tokenizer.ggml.scores': undefined }))).toThrow('tokenizer.ggml.scores has no items, there are 9 tokens');
  });
});

const sizes = {
  'general.architecture': text('llama'),
  'llama.block_count': number(2),
  'llama.context_length': number(64),
  'llama.embedding_length': number(32),
  'llama.feed_forward_length': number(48),
  'llama.attention.head_count': number(4),
  'llama.attention.head_count_kv': number(2),
  'llama.attention.layer_norm_rms_epsilon': { type: 'f32', value: Math.fround(1e-5) },
  'llama.rope.freq_base': { type: 'f32', value: 500_000 },
} as const satisfies Record<string, GgufValue>;
const tensors = new Map([['token_embd.weight', { shape: [99, 32] }]]);

describe('configurations', () => {
  it('say what the file says', () => {
    expect(huggingFaceConfig({ ...header({ ...sizes, ...bytes }), tensors, ropeFactors: null })).toMatchObject({
      model_type: 'llama', vocab_size: 99, hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2,
      head_dim: 8, rms_norm_eps: 1e-5, rope_theta: 500_000, rope_scaling: null, tie_word_embeddings: true, bos_token_id: 3, eos_token_id: [4, 2],
    });
    const untied = new Map([...tensors, ['output.weight', { shape: [99, 32] }]]);
    expect(huggingFaceConfig({ ...header(sizes), tensors: untied, ropeFactors: [1, 1, 4, 8] })).toMatchObject({
      tie_word_embeddings: false,
      rope_scaling: { rope_type: 'longrope', long_factor: [1, 1, 4, 8], short_factor: [1, 1, 4, 8], attention_factor: 1 },
    });
  });

  it('of Gemma 3 have a window in five of six layers and two rotary bases', () => {
    const own = Object.fromEntries(Object.entries(sizes).map(([key, value]) => [key.replace('llama.', 'gemma3.'), value]));
    const gemma = { ...own, 'general.architecture': text('gemma3'), 'gemma3.block_count': number(7), 'gemma3.attention.sliding_window': number(16), 'gemma3.attention.key_length': number(16), 'gemma3.attention.value_length': number(16) };
    const read = huggingFaceConfig({ ...header(gemma), tensors, ropeFactors: null });
    expect(read).toMatchObject({ model_type: 'gemma3_text', head_dim: 16, sliding_window: 16, rope_local_base_freq: 10_000, query_pre_attn_scalar: 16 });
    expect(read['layer_types']).toEqual([...Array<string>(5).fill('sliding_attention'), 'full_attention', 'sliding_attention']);
  });

  it.each<[string, Record<string, GgufValue | undefined>, string]>([
    ['another architecture', { 'general.architecture': text('mamba') }, 'Cannot use x.gguf: general.architecture is "mamba", supported is "llama", "qwen2", "qwen3", "gemma3"'],
    ['an adapter', { 'general.type': text('adapter') }, 'general.type is "adapter", supported is "model"; give the model itself'],
    ['experts', { 'llama.expert_count': number(8) }, 'llama.expert_count is "8", supported is a model without it'],
    ['half of a head turned', { 'llama.rope.dimension_count': number(4) }, 'llama.rope.dimension_count is 4, supported is the size of a head (8)'],
    ['another scaling', { 'llama.rope.scaling.type': text('yarn') }, 'llama.rope.scaling.type is "yarn", supported is "none" or "linear"'],
    ['a window', { 'llama.attention.sliding_window': number(16) }, 'llama.attention.sliding_window is 16, supported is 0, or at least the context (64)'],
    ['a size that is missing', { 'llama.block_count': undefined }, 'Cannot read x.gguf: it has no key "llama.block_count"'],
    ['a size that is a text', { 'llama.block_count': text('two') }, 'Cannot read x.gguf: "llama.block_count" is "two", not a finite number'],
    ['sizes by layer', { 'llama.attention.head_count': numbers(4, 4) }, '"llama.attention.head_count" is a list of 2 items of type i32, not a finite number'],
  ])('refuse %s', (_, change, message) => {
    expect(() => huggingFaceConfig({ ...header({ ...sizes, ...change }), tensors, ropeFactors: null })).toThrow(message);
  });
});
