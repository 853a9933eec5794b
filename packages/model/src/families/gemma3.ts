/**
 * Gemma 3, text alone (arXiv 2503.19786): most layers have a window and turn by frequencies of their own, norms stand on
 * both sides of attention and feed-forward and store their weights less 1, embedded tokens are scaled.
 */

import { type } from 'arktype';
import { positive, ropeSettings, size, type ConfigFile } from '../config-schema.ts';
import type { ModelConfig } from '../model-config.ts';
import { readRopeSettings, writeRope } from '../rope.ts';
import { defineFamily, type Refuse } from './family.ts';
import { layerTypesOf, windowsOf } from './windows.ts';

const keys = type({
  'attention_bias?': 'boolean',
  'query_pre_attn_scalar?': positive,
  'sliding_window?': type(size).or('null'),
  'sliding_window_pattern?': type(size).or('null'),
  'layer_types?': type('string[]').or('null'),
  'rope_local_base_freq?': positive,
  // Transformers 5 has a dictionary for each kind of layer.
  'rope_parameters?': type({ 'full_attention?': ropeSettings, 'sliding_attention?': ropeSettings }).or('null'),
});
type GemmaFile = ConfigFile & typeof keys.infer;

const MAX_POSITIONS = 131_072;

/** How layers turn that see everything, and those that have a window. */
function readRopes(file: GemmaFile, refuse: Refuse) {
  const { full_attention, sliding_attention, ...others } = file.rope_parameters ?? {};
  for (const [key, value] of Object.entries(others)) {
    refuse(`rope_parameters.${key}`, value, 'null beside full_attention and sliding_attention');
  }
  const common = { ...file, max_position_embeddings: file.max_position_embeddings ?? MAX_POSITIONS };
  // As transformers: the older dictionary is laid over the newer one.
  const place = file.rope_scaling ? 'rope_scaling' : 'rope_parameters.full_attention';
  const full = { ...full_attention, ...file.rope_scaling };
  const rope = readRopeSettings(full, place, { ...common, rope_theta: file.rope_theta ?? 1_000_000 }, refuse);
  const slidingPlace = 'rope_parameters.sliding_attention';
  const local = { ...common, rope_theta: file.rope_local_base_freq ?? 10_000 };
  const sliding = readRopeSettings(sliding_attention ?? {}, slidingPlace, local, refuse);
  if (sliding.ropeScaling) refuse(`${slidingPlace}.rope_type`, sliding.ropeScaling.type, '"default"');
  return { rope, slidingRopeTheta: sliding.ropeTheta };
}

/** Every sixth layer sees everything unless the file says otherwise. */
function readWindows(file: GemmaFile, refuse: Refuse): ModelConfig['windows'] {
  const { sliding_window = 4_096, num_hidden_layers: L } = file;
  const pattern = file.sliding_window_pattern ?? 6;
  const usual = Array.from({ length: L }, (_, layer) => (layer + 1) % pattern > 0);
  return windowsOf(file.layer_types ?? layerTypesOf(usual), L, sliding_window, 'sliding_window is null', refuse);
}

export const gemma3 = defineFamily({
  name: 'gemma3_text',
  architecture: 'Gemma3ForCausalLM',
  defaults: { maxPositionEmbeddings: MAX_POSITIONS, numKeyValueHeads: 4, headDim: 256, tieWordEmbeddings: true },
  keys,
  neutral: {
    hidden_act: ['gelu_pytorch_tanh'],
    hidden_activation: ['gelu_pytorch_tanh'],
    mlp_bias: [false],
    use_bidirectional_attention: [false],
  },
  read: (file, refuse) => ({
    biasedProjections: file.attention_bias
      ? ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj']
      : [],
    queryKeyNorm: true,
    windows: readWindows(file, refuse),
    ...readRopes(file, refuse),
    normOffset: 1,
    sandwichNorms: true,
    scaledEmbedding: true,
    activation: 'gelu_pytorch_tanh',
    queryPreAttnScalar: file.query_pre_attn_scalar ?? 256,
  }),
  write: (config) => {
    const { windows, slidingRopeTheta } = config;
    const sliding = windows.map((window) => window !== null);
    const period = sliding.includes(false) ? sliding.indexOf(false) + 1 : sliding.length + 1;
    const { rope_theta, rope_scaling } = writeRope(config);
    return {
      attention_bias: config.biasedProjections.length > 0,
      hidden_activation: config.activation,
      query_pre_attn_scalar: config.queryPreAttnScalar,
      sliding_window: windows.find((own) => own !== null) ?? null,
      // For readers that came before the list of layer types; null where it cannot say them.
      sliding_window_pattern: sliding.every((own, layer) => own === (layer + 1) % period > 0) ? period : null,
      layer_types: layerTypesOf(sliding),
      rope_local_base_freq: slidingRopeTheta,
      rope_parameters: {
        full_attention: { rope_type: 'default', ...rope_scaling, rope_theta },
        sliding_attention: { rope_type: 'default', rope_theta: slidingRopeTheta },
      },
    };
  },
});
