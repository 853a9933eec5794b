import { describe, expect, it } from 'vitest';
import { configFile, parseConfig } from './config.ts';
import { parameterLayout } from './parameters.ts';

const good = {
  model_type: 'llama',
  vocab_size: 100,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
};
const qwen2 = { ...good, model_type: 'qwen2' };
const qwen3 = { ...good, model_type: 'qwen3', head_dim: 8 };
const gemma3 = { ...good, model_type: 'gemma3_text', head_dim: 8, num_hidden_layers: 7 };
const refusal = (change: object, base: object = good): string => {
  try {
    parseConfig({ ...base, ...change }, 'dir/config.json');
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
      family: 'llama',
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
      ropeScaling: null,
      slidingRopeTheta: null,
      tieWordEmbeddings: false,
      biasedProjections: [],
      queryKeyNorm: false,
      normOffset: 0,
      sandwichNorms: false,
      scaledEmbedding: false,
      activation: 'silu',
      queryPreAttnScalar: null,
      windows: [null, null],
      bosTokenId: null,
      eosTokenIds: [],
    });
    const { num_key_value_heads: _, ...withoutGroups } = good;
    expect(parseConfig(withoutGroups, 'x').numKeyValueHeads).toBe(4);
    expect(parseConfig({ ...good, num_key_value_heads: null, head_dim: null }, 'x')).toMatchObject({ numKeyValueHeads: 4, headDim: 4 });
    const bare = { ...withoutGroups, num_attention_heads: 64, hidden_size: 256 };
    expect(parseConfig({ ...bare, model_type: 'qwen2' }, 'x')).toMatchObject({ numKeyValueHeads: 32, headDim: 4, maxPositionEmbeddings: 32_768 });
    expect(parseConfig({ ...bare, model_type: 'qwen3' }, 'x')).toMatchObject({ numKeyValueHeads: 32, headDim: 128 });
  });

  it('reads a head size of its own and several end tokens', () => {
    expect(parseConfig({ ...good, head_dim: 8, eos_token_id: [3, 4] }, 'x')).toMatchObject({ headDim: 8, eosTokenIds: [3, 4] });
    expect(parseConfig({ ...good, eos_token_id: 0 }, 'x')).toMatchObject({ eosTokenIds: [0] });
  });

  it('reads the biases of each family', () => {
    const attention = ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'];
    const mlp = ['mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj'];
    const biased = (file: object) => parseConfig(file, 'x').biasedProjections;
    expect(biased({ ...good, attention_bias: true })).toEqual([...attention, 'self_attn.o_proj']);
    expect(biased({ ...good, mlp_bias: true })).toEqual(mlp);
    expect(biased(qwen2)).toEqual(attention);
    expect(biased(qwen3)).toEqual([]);
    expect(biased({ ...qwen3, attention_bias: true })).toEqual([...attention, 'self_attn.o_proj']);
  });

  it('reads windows from a list of layer types or from the first layer that has one', () => {
    const windows = (change: object) => parseConfig({ ...qwen2, num_hidden_layers: 3, ...change }, 'x').windows;
    const on = { use_sliding_window: true, sliding_window: 7 };
    expect(windows({})).toEqual([null, null, null]);
    expect(windows({ ...on, use_sliding_window: false })).toEqual([null, null, null]);
    expect(windows({ ...on, sliding_window: null })).toEqual([null, null, null]);
    expect(windows(on)).toEqual([null, null, null]);
    expect(windows({ ...on, max_window_layers: 1 })).toEqual([null, 7, 7]);
    expect(windows({ use_sliding_window: true, max_window_layers: 2 })).toEqual([null, null, 4_096]);
    const types = ['sliding_attention', 'full_attention', 'sliding_attention'];
    expect(windows({ ...on, max_window_layers: 0, layer_types: types })).toEqual([7, null, 7]);
  });

  it('reads rotary settings in the layouts of transformers 4 and 5', () => {
    const rope = (change: object) => {
      const { ropeTheta, ropeScaling } = parseConfig({ ...good, max_position_embeddings: 512, ...change }, 'x');
      return { ropeTheta, ropeScaling };
    };
    const llama3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
    const scaling = { type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositionEmbeddings: 64 };
    expect(rope({ rope_theta: 7 })).toEqual({ ropeTheta: 7, ropeScaling: null });
    expect(rope({ rope_parameters: { rope_theta: 5e5, rope_type: 'default' } })).toEqual({ ropeTheta: 5e5, ropeScaling: null });
    expect(rope({ rope_scaling: { type: 'default' } })).toEqual({ ropeTheta: 10_000, ropeScaling: null });
    expect(rope({ rope_theta: 7, rope_scaling: { type: 'linear', factor: 2 } })).toEqual({ ropeTheta: 7, ropeScaling: { type: 'linear', factor: 2 } });
    expect(rope({ rope_theta: 7, rope_scaling: { rope_type: 'llama3', ...llama3 } })).toEqual({ ropeTheta: 7, ropeScaling: scaling });
    const modern = { rope_parameters: { rope_type: 'llama3', rope_theta: 9, ...llama3 } };
    expect(rope(modern)).toEqual({ ropeTheta: 9, ropeScaling: scaling });
    // As transformers: the theta within before the one without, a length outside before the one within.
    expect(rope({ ...modern, rope_theta: 7, original_max_position_embeddings: 128 })).toEqual({
      ropeTheta: 9,
      ropeScaling: { ...scaling, originalMaxPositionEmbeddings: 128 },
    });
    const { original_max_position_embeddings: _, ...withoutLength } = llama3;
    expect(rope({ rope_scaling: { rope_type: 'llama3', ...withoutLength } }).ropeScaling).toMatchObject({ originalMaxPositionEmbeddings: 512 });
  });

  it('reads Gemma 3 with the defaults of transformers', () => {
    const { head_dim: _, num_key_value_heads: __, ...bare } = gemma3;
    const config = parseConfig({ ...bare, sliding_window: 5 }, 'x');
    expect(config).toMatchObject({ numKeyValueHeads: 4, headDim: 256, maxPositionEmbeddings: 131_072, rmsNormEps: 1e-6 });
    expect(config).toMatchObject({ queryKeyNorm: true, normOffset: 1, sandwichNorms: true, scaledEmbedding: true, tieWordEmbeddings: true });
    expect(config).toMatchObject({ activation: 'gelu_pytorch_tanh', queryPreAttnScalar: 256, biasedProjections: [] });
    expect(config).toMatchObject({ windows: [5, 5, 5, 5, 5, null, 5], ropeTheta: 1_000_000, ropeScaling: null, slidingRopeTheta: 10_000 });
    expect(parseConfig({ ...gemma3, tie_word_embeddings: false }, 'x').tieWordEmbeddings).toBe(false);
    expect(parseConfig({ ...gemma3, sliding_window_pattern: 2 }, 'x').windows).toEqual([4_096, null, 4_096, null, 4_096, null, 4_096]);
  });

  it('reads how the layers of Gemma 3 turn in the layouts of transformers 4 and 5', () => {
    const rope = (change: object) => {
      const { ropeTheta, ropeScaling, slidingRopeTheta } = parseConfig({ ...gemma3, ...change }, 'x');
      return [ropeTheta, ropeScaling, slidingRopeTheta];
    };
    const linear = { type: 'linear', factor: 8 };
    expect(rope({ rope_theta: 5, rope_local_base_freq: 3, rope_scaling: { rope_type: 'linear', factor: 8 } })).toEqual([5, linear, 3]);
    const full_attention = { rope_type: 'linear', factor: 8, rope_theta: 5 };
    expect(rope({ rope_parameters: { full_attention, sliding_attention: { rope_type: 'default', rope_theta: 3 } } })).toEqual([5, linear, 3]);
    expect(rope({ rope_parameters: { full_attention } })).toEqual([5, linear, 10_000]);
    expect(rope({ rope_parameters: null })).toEqual([1_000_000, null, 10_000]);
    // As transformers: the older dictionary over the newer one, a theta within before the one without.
    expect(rope({ rope_theta: 7, rope_parameters: { full_attention }, rope_scaling: { factor: 2 } })).toEqual([5, { ...linear, factor: 2 }, 10_000]);
  });

  it.each<[string, object, string]>([
    ['another family', { model_type: 'mixtral' }, 'model_type is "mixtral", supported is "llama", "qwen2", "qwen3", "gemma3_text"'],
    ['another task', { architectures: ['LlamaForSequenceClassification'] }, 'architectures is ["LlamaForSequenceClassification"], supported is ["LlamaForCausalLM"]'],
    ['another activation', { hidden_act: 'gelu' }, 'hidden_act is "gelu", supported is "silu"'],
    ['yarn', { rope_scaling: { type: 'yarn', factor: 4 } }, 'rope_scaling.type is "yarn", supported is "default", "linear", "llama3"'],
    ['dynamic positions', { rope_scaling: { rope_type: 'dynamic', factor: 4 } }, 'rope_scaling.rope_type is "dynamic"'],
    ['long positions', { rope_parameters: { rope_type: 'longrope' } }, 'rope_parameters.rope_type is "longrope"'],
    ['a name of the prototype', { rope_parameters: { rope_type: 'toString' } }, 'rope_parameters.rope_type is "toString"'],
    ['positions of several kinds', { rope_scaling: { type: 'default', mrope_section: [2, 2] } }, 'rope_scaling.mrope_section is [2,2]'],
    ['a key that would break the line', { rope_scaling: { ['a\nb']: 1 } }, 'Cannot use dir/config.json: "rope_scaling.a\\nb" is 1'],
    ['positions by layer', { rope_parameters: { full_attention: { rope_type: 'default' } } }, 'rope_parameters.full_attention is'],
    ['a linear scale without a factor', { rope_scaling: { type: 'linear' } }, 'rope_scaling.factor is null'],
    ['llama3 without its factors', { rope_scaling: { rope_type: 'llama3', factor: 8 } }, 'rope_scaling.low_freq_factor is null'],
    [
      'llama3 upside down',
      { rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 4, high_freq_factor: 4 } },
      'rope_scaling.high_freq_factor is 4, supported is a number above low_freq_factor (4)',
    ],
    ['a part of the head turned', { rope_parameters: { rope_theta: 1e4, partial_rotary_factor: 0.5 } }, 'rope_parameters.partial_rotary_factor is 0.5'],
    ['a part of the head turned, outside', { partial_rotary_factor: 0.25 }, 'partial_rotary_factor is 0.25, supported is 1'],
    ['interleaved positions', { rope_interleaved: true }, 'rope_interleaved is true, supported is false'],
    ['layers without positions', { no_rope_layers: [1, 0] }, 'no_rope_layers is [1,0]'],
    ['scaled logits', { logit_scale: 0.0625 }, 'logit_scale is 0.0625, supported is 1'],
    ['a scaled residual', { residual_multiplier: 0.22 }, 'residual_multiplier is 0.22'],
    ['capped logits', { final_logit_softcapping: 30 }, 'final_logit_softcapping is 30, supported is null'],
    ['clipped projections', { clip_qkv: 8 }, 'clip_qkv is 8'],
    ['dropout', { attention_dropout: 0.1 }, 'attention_dropout is 0.1, supported is 0'],
    ['removed heads', { pruned_heads: { 1: [2] } }, 'pruned_heads is {"1":[2]}'],
    ['a window of a family without', { sliding_window: 4_096 }, 'sliding_window is 4096, supported is null'],
    ['tensor-parallel pretraining', { pretraining_tp: 2 }, 'pretraining_tp is 2'],
    ['groups that do not divide', { num_key_value_heads: 3 }, 'num_key_value_heads is 3, supported is a divisor of num_attention_heads (4)'],
    ['more key heads than heads', { num_key_value_heads: 8 }, 'num_key_value_heads is 8'],
    ['a head that is not in fours', { head_dim: 6 }, 'head_dim is 6, supported is a multiple of 4'],
    ['heads that do not divide', { hidden_size: 18 }, 'head_dim is 4.5'],
    ['an end token beyond the vocabulary', { eos_token_id: [3, 100] }, 'eos_token_id is 100, supported is an id below vocab_size (100)'],
    ['a begin token beyond the vocabulary', { bos_token_id: 100 }, 'bos_token_id is 100'],
  ])('refuses %s by name', (_, change, message) => {
    expect(refusal(change)).toContain(message);
  });

  it.each<[string, object, object, string]>([
    ['MLP bias', qwen2, { mlp_bias: true }, 'mlp_bias is true, supported is false'],
    ['a missing norm', qwen3, { use_qk_norm: false }, 'use_qk_norm is false, supported is true'],
    ['attention in two chunks', qwen2, { dual_chunk_attention_config: { chunk_size: 8 } }, 'dual_chunk_attention_config is {"chunk_size":8}'],
    ['layer types of another length', qwen3, { layer_types: ['full_attention'] }, 'supported is a list of num_hidden_layers (2)'],
    ['another layer type', qwen2, { layer_types: ['full_attention', 'linear_attention'] }, 'layer_types is "linear_attention"'],
    ['a window without its size', qwen2, { layer_types: ['full_attention', 'sliding_attention'], sliding_window: 4 }, 'layer_types is "sliding_attention"'],
    ['another architecture', qwen2, { architectures: ['Qwen2ForRewardModel'] }, 'supported is ["Qwen2ForCausalLM"]'],
  ])('refuses %s of Qwen by name', (_, base, change, message) => {
    expect(refusal(change, base)).toContain(message);
  });

  it.each<[string, object, string]>([
    ['capped logits', { final_logit_softcapping: 30 }, 'final_logit_softcapping is 30, supported is null'],
    ['capped scores', { attn_logit_softcapping: 50 }, 'attn_logit_softcapping is 50, supported is null'],
    ['attention in both directions', { use_bidirectional_attention: true }, 'use_bidirectional_attention is true, supported is false'],
    ['another activation', { hidden_activation: 'gelu' }, 'hidden_activation is "gelu", supported is "gelu_pytorch_tanh"'],
    ['a window without its size', { sliding_window: null }, 'layer_types is "sliding_attention", supported is "full_attention" where sliding_window is null'],
    ['scaled positions within windows', { rope_parameters: { sliding_attention: { rope_type: 'linear', factor: 2 } } }, 'rope_parameters.sliding_attention.rope_type is "linear", supported is "default"'],
    ['dynamic positions', { rope_parameters: { full_attention: { rope_type: 'dynamic', factor: 2 } } }, 'rope_parameters.full_attention.rope_type is "dynamic"'],
    ['positions of one kind for all', { rope_parameters: { rope_type: 'default', rope_theta: 7 } }, 'rope_parameters.rope_type is "default", supported is null beside full_attention and sliding_attention'],
    ['positions of a third kind', { rope_parameters: { chunked_attention: { rope_theta: 7 } } }, 'rope_parameters.chunked_attention is'],
    ['the model with images', { model_type: 'gemma3' }, 'model_type is "gemma3", supported is'],
    ['another architecture', { architectures: ['Gemma3ForConditionalGeneration'] }, 'supported is ["Gemma3ForCausalLM"]'],
  ])('refuses %s of Gemma 3 by name', (_, change, message) => {
    expect(refusal(change, gemma3)).toContain(message);
  });

  it.each<[string, object, string]>([
    ['bitsandbytes', { quantization_config: { quant_method: 'bitsandbytes', load_in_8bit: true } }, 'quantization_config: "bitsandbytes"'],
    ['gptq', { quantization_config: { quant_method: 'gptq', bits: 4 } }, 'quantization_config: "gptq"'],
    ['awq', { quantization_config: { quant_method: 'awq' } }, 'quantization_config: "awq"'],
    ['MLX', { quantization: { group_size: 64, bits: 4 } }, 'quantization: {"group_size":64,"bits":4}'],
  ])('refuses weights quantised by %s with the remedy', (_, change, message) => {
    const text = refusal(change);
    expect(text).toContain(`its weights are quantised (${message})`);
    expect(text).toContain('use the unquantised checkpoint and quantise on loading, `weights` int8 or `weights` int4');
  });

  it('ignores keys that change nothing, and values that leave the arithmetic as it is', () => {
    const harmless = {
      use_cache: true,
      initializer_range: 0.02,
      torch_dtype: 'bfloat16',
      chunk_size_feed_forward: 0,
      hidden_act: 'silu',
      pretraining_tp: 1,
      partial_rotary_factor: 1,
      logit_scale: null,
      attention_dropout: 0,
      pruned_heads: {},
      no_rope_layers: [],
      quantization_config: null,
      architectures: ['LlamaForCausalLM'],
    };
    expect(parseConfig({ ...good, ...harmless }, 'x')).toEqual(parseConfig(good, 'x'));
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
    expect(refusal({ rope_theta: Infinity })).toContain('rope_theta');
    expect(refusal({ rope_scaling: { type: 'linear', factor: 0 } })).toContain('rope_scaling.factor');
    for (const value of [null, 3, 'config', []]) expect(() => parseConfig(value, 'x')).toThrow(SyntaxError);
  });
});

describe('configFile', () => {
  const llama3 = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
  it.each<[string, object]>([
    ['llama', { ...good, tie_word_embeddings: true, bos_token_id: 1, eos_token_id: [2, 3], rope_theta: 1_234 }],
    ['llama with biases', { ...good, attention_bias: true, mlp_bias: true }],
    ['llama with one bias', { ...good, mlp_bias: true, rope_scaling: llama3 }],
    ['llama with linear positions', { ...good, rope_parameters: { rope_theta: 5, rope_type: 'linear', factor: 2 } }],
    ['qwen2', qwen2],
    ['qwen2 with windows', { ...qwen2, use_sliding_window: true, sliding_window: 5, max_window_layers: 1 }],
    ['qwen2 with windows first', { ...qwen2, use_sliding_window: true, sliding_window: 5, layer_types: ['sliding_attention', 'full_attention'] }],
    ['qwen3', { ...qwen3, attention_bias: true }],
    ['gemma3', { ...gemma3, query_pre_attn_scalar: 10, tie_word_embeddings: false }],
    ['gemma3 with scaled positions', { ...gemma3, attention_bias: true, rope_scaling: { rope_type: 'linear', factor: 8 }, rope_local_base_freq: 3 }],
    ['gemma3 with windows in no order', { ...gemma3, num_hidden_layers: 2, layer_types: ['full_attention', 'sliding_attention'], sliding_window: 9 }],
  ])('writes what parseConfig read: %s', (_, file) => {
    const config = parseConfig(file, 'x');
    expect(parseConfig(JSON.parse(JSON.stringify(configFile(config))), 'x')).toEqual(config);
  });

  it('names the class of transformers and one end token by itself', () => {
    expect(configFile(parseConfig({ ...good, eos_token_id: [2] }, 'x'))).toMatchObject({ eos_token_id: 2, architectures: ['LlamaForCausalLM'] });
    expect(configFile(parseConfig(qwen3, 'x'))).toMatchObject({ architectures: ['Qwen3ForCausalLM'] });
  });
});

describe('parameterLayout', () => {
  it('holds biases and the norms of heads, behind the matrices', () => {
    const { places, decayElements } = parameterLayout(parseConfig({ ...qwen3, attention_bias: true }, 'x'));
    const sizes = Object.fromEntries(
      ['q_norm.weight', 'k_norm.weight', 'q_proj.bias', 'k_proj.bias', 'v_proj.bias', 'o_proj.bias'].map((name) => {
        const place = places.get(`model.layers.1.self_attn.${name}`);
        return [name, place && place.offset >= decayElements ? place.elementCount : 0];
      }),
    );
    expect(sizes).toEqual({ 'q_norm.weight': 8, 'k_norm.weight': 8, 'q_proj.bias': 32, 'k_proj.bias': 16, 'v_proj.bias': 16, 'o_proj.bias': 16 });
    expect([...places.values()].filter(({ shape, offset }) => (shape.length === 2) !== offset < decayElements)).toEqual([]);
  });
});
