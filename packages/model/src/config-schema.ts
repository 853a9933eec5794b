/** What of a `config.json` all families read, and its types. The keys of one family are in its own file. */

import { type } from 'arktype';

/** Bounds far beyond any model: what exceeds them is a damaged file, not a large model. */
export const size = '1 <= number.integer <= 16777216';
const count = '1 <= number.integer <= 4096';
const tokenId = '0 <= number.integer < 16777216';
const positive = '0 < number <= 1000000000000';

const ropeSettings = type({
  'rope_type?': 'string',
  'type?': 'string',
  'rope_theta?': positive,
  'partial_rotary_factor?': 'number | null',
  'factor?': positive,
  'low_freq_factor?': positive,
  'high_freq_factor?': positive,
  'original_max_position_embeddings?': size,
  'attention_factor?': type('number').or('null'),
  'short_factor?': type(`(${positive})[] <= 4096`).or('null'),
  'long_factor?': type(`(${positive})[] <= 4096`).or('null'),
}).or('null');

export const configSchema = type({
  model_type: 'string',
  'architectures?': type('string[]').or('null'),
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: count,
  num_attention_heads: count,
  'num_key_value_heads?': type(count).or('null'),
  'head_dim?': type(size).or('null'),
  'max_position_embeddings?': size,
  'rms_norm_eps?': '0 < number <= 1',
  // Rotary settings lie in `rope_parameters` since transformers 5.
  'rope_theta?': positive,
  'rope_scaling?': ropeSettings,
  'rope_parameters?': ropeSettings,
  'original_max_position_embeddings?': type(size).or('null'),
  'tie_word_embeddings?': 'boolean',
  'quantization_config?': 'object | null',
  'quantization?': 'object | null',
  'bos_token_id?': type(tokenId).or('null'),
  'eos_token_id?': type(tokenId).or(`(${tokenId})[]`).or('null'),
});

/** A `config.json` whose known keys have the right types. */
export type ConfigFile = typeof configSchema.infer;
