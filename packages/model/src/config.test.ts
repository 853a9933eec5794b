import { describe, expect, it } from 'vitest';
import { configFile, parseConfig } from './config.ts';

const good = {
  model_type: 'llama',
  vocab_size: 100,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
};
const refusal = (change: object): string => {
  try {
    parseConfig({ ...good, ...change }, 'dir/config.json');
    return 'accepted';
  } catch (error) {
    const { message } = error as Error;
    expect(message).toMatch(/^Cannot (use|read) dir\/config\.json: [^\n]+$/);
    return message;
  }
};

describe('parseConfig', () => {
  it('fills in the defaults of transformers', () => {
    expect(parseConfig(good, 'x')).toEqual({
      vocabSize: 100,
      hiddenSize: 16,
      intermediateSize: 24,
      numHiddenLayers: 2,
      numAttentionHeads: 4,
      numKeyValueHeads: 2,
      headDim: 4,
      maxPositionEmbeddings: 2_048,
      rmsNormEps: 1e-6,
      ropeTheta: 10_000,
      tieWordEmbeddings: false,
      bosTokenId: null,
      eosTokenIds: [],
    });
    const { num_key_value_heads: _, ...withoutGroups } = good;
    expect(parseConfig(withoutGroups, 'x').numKeyValueHeads).toBe(4);
    expect(parseConfig({ ...good, num_key_value_heads: null, head_dim: null }, 'x')).toMatchObject({ numKeyValueHeads: 4, headDim: 4 });
  });

  it('reads a head size of its own, a rotary base in either place and several end tokens', () => {
    const config = parseConfig({ ...good, head_dim: 8, rope_parameters: { rope_theta: 5e5, rope_type: 'default' }, eos_token_id: [3, 4] }, 'x');
    expect(config).toMatchObject({ headDim: 8, ropeTheta: 5e5, eosTokenIds: [3, 4] });
    expect(parseConfig({ ...good, rope_theta: 7, eos_token_id: 0 }, 'x')).toMatchObject({ ropeTheta: 7, eosTokenIds: [0] });
  });

  it.each<[string, object, string]>([
    ['another family', { model_type: 'qwen3' }, 'model_type is "qwen3", supported is "llama"'],
    ['another activation', { hidden_act: 'gelu' }, 'hidden_act is "gelu", supported is "silu"'],
    ['attention bias', { attention_bias: true }, 'attention_bias is true'],
    ['MLP bias', { mlp_bias: true }, 'mlp_bias is true'],
    ['scaled rotary positions', { rope_scaling: { rope_type: 'llama3', factor: 8 } }, 'rope_scaling is {"rope_type":"llama3","factor":8}'],
    ['scaled rotary parameters', { rope_parameters: { rope_type: 'yarn' } }, 'rope_parameters.rope_type is "yarn"'],
    ['tensor-parallel pretraining', { pretraining_tp: 2 }, 'pretraining_tp is 2'],
    ['quantised weights', { quantization_config: { bits: 4 } }, 'quantization_config is {"bits":4}'],
    ['groups that do not divide', { num_key_value_heads: 3 }, 'num_key_value_heads is 3, supported is a divisor of num_attention_heads (4)'],
    ['more key heads than heads', { num_key_value_heads: 8 }, 'num_key_value_heads is 8'],
    ['an odd head', { head_dim: 7 }, 'head_dim is 7, supported is an even whole number'],
    ['heads that do not divide', { hidden_size: 18 }, 'head_dim is 4.5'],
    ['an end token beyond the vocabulary', { eos_token_id: [3, 100] }, 'eos_token_id is 100, supported is an id below vocab_size (100)'],
    ['a begin token beyond the vocabulary', { bos_token_id: 100 }, 'bos_token_id is 100'],
  ])('refuses %s by name', (_, change, message) => {
    expect(refusal(change)).toContain(message);
  });

  it.each(Object.keys(good).filter((key) => key !== 'model_type'))('refuses zero, negative, fractional, absurd and missing %s', (key) => {
    for (const value of [0, -1, 1.5, NaN, Infinity, 1e300, '4', undefined]) {
      if (key === 'num_key_value_heads' && value === undefined) continue;
      expect(refusal({ [key]: value }), `${key} ${value}`).toContain(key);
    }
  });

  it('refuses absurd constants and what is no configuration at all', () => {
    expect(refusal({ max_position_embeddings: 1e12 })).toContain('max_position_embeddings');
    expect(refusal({ rms_norm_eps: 0 })).toContain('rms_norm_eps');
    expect(refusal({ rope_theta: -1 })).toContain('rope_theta');
    for (const value of [null, 3, 'config', []]) expect(() => parseConfig(value, 'x')).toThrow(SyntaxError);
  });

  it('reads back what configFile writes', () => {
    const config = parseConfig({ ...good, tie_word_embeddings: true, bos_token_id: 1, eos_token_id: [2, 3], rope_theta: 1_234 }, 'x');
    expect(parseConfig(JSON.parse(JSON.stringify(configFile(config))), 'x')).toEqual(config);
    expect(configFile({ ...config, eosTokenIds: [2] })).toMatchObject({ eos_token_id: 2, architectures: ['LlamaForCausalLM'] });
  });
});
