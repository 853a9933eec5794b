/**
 * Model configuration in Hugging Face names, camel case in memory and snake case on disk.
 *
 * Keys of a `config.json` that do not change the arithmetic are ignored; keys that do must have a value this package
 * computes, or the model is refused by name.
 */

import { type } from 'arktype';
import { problemsOf } from './problems.ts';

/** Sizes and constants of a Llama-style decoder. */
export interface ModelConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly maxPositionEmbeddings: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly tieWordEmbeddings: boolean;
  readonly bosTokenId: number | null;
  readonly eosTokenIds: readonly number[];
}

/** Bounds far beyond any model: what exceeds them is a damaged file, not a large model. */
const size = '1 <= number.integer <= 16777216';
const count = '1 <= number.integer <= 4096';
const tokenId = '0 <= number.integer < 16777216';
const fileSchema = type({
  model_type: 'string',
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: count,
  num_attention_heads: count,
  'num_key_value_heads?': type(count).or('null'),
  'head_dim?': type(size).or('null'),
  'max_position_embeddings?': size,
  'rms_norm_eps?': 'number > 0',
  'rope_theta?': 'number > 0',
  'rope_parameters?': type({ 'rope_theta?': 'number > 0', 'rope_type?': 'string' }).or('null'),
  'rope_scaling?': 'object | null',
  'tie_word_embeddings?': 'boolean',
  'hidden_act?': 'string',
  'attention_bias?': 'boolean',
  'mlp_bias?': 'boolean',
  'pretraining_tp?': 'number',
  'quantization_config?': 'object | null',
  'bos_token_id?': type(tokenId).or('null'),
  'eos_token_id?': type(tokenId).or(`(${tokenId})[]`).or('null'),
});

/**
 * Reads a parsed `config.json`. `place` names the file in messages. Throws SyntaxError when it is not a configuration
 * and RangeError when it asks for arithmetic that is not supported.
 */
export function parseConfig(json: unknown, place: string): ModelConfig {
  const file = fileSchema(json);
  if (file instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: ${problemsOf(file)}`);
  const refuse = (key: string, value: unknown, supported: string): void => {
    throw new RangeError(`Cannot use ${place}: ${key} is ${JSON.stringify(value)}, supported is ${supported}`);
  };
  if (file.model_type !== 'llama') refuse('model_type', file.model_type, '"llama"');
  if ((file.hidden_act ?? 'silu') !== 'silu') refuse('hidden_act', file.hidden_act, '"silu"');
  if (file.attention_bias) refuse('attention_bias', true, 'false');
  if (file.mlp_bias) refuse('mlp_bias', true, 'false');
  if (file.rope_scaling) refuse('rope_scaling', file.rope_scaling, 'null');
  const ropeType = file.rope_parameters?.rope_type ?? 'default';
  if (ropeType !== 'default') refuse('rope_parameters.rope_type', ropeType, '"default"');
  if ((file.pretraining_tp ?? 1) !== 1) refuse('pretraining_tp', file.pretraining_tp, '1');
  if (file.quantization_config) refuse('quantization_config', file.quantization_config, 'none');
  const numKeyValueHeads = file.num_key_value_heads ?? file.num_attention_heads;
  const headDim = file.head_dim ?? file.hidden_size / file.num_attention_heads;
  if (file.num_attention_heads % numKeyValueHeads !== 0) {
    refuse('num_key_value_heads', numKeyValueHeads, `a divisor of num_attention_heads (${file.num_attention_heads})`);
  }
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) refuse('head_dim', headDim, 'an even whole number');
  const eosTokenIds = [file.eos_token_id ?? []].flat();
  for (const [name, ids] of Object.entries({ bos_token_id: [file.bos_token_id ?? []].flat(), eos_token_id: eosTokenIds })) {
    const outside = ids.find((id) => id >= file.vocab_size);
    if (outside !== undefined) refuse(name, outside, `an id below vocab_size (${file.vocab_size})`);
  }
  return {
    vocabSize: file.vocab_size,
    hiddenSize: file.hidden_size,
    intermediateSize: file.intermediate_size,
    numHiddenLayers: file.num_hidden_layers,
    numAttentionHeads: file.num_attention_heads,
    numKeyValueHeads,
    headDim,
    maxPositionEmbeddings: file.max_position_embeddings ?? 2_048,
    rmsNormEps: file.rms_norm_eps ?? 1e-6,
    ropeTheta: file.rope_theta ?? file.rope_parameters?.rope_theta ?? 10_000,
    tieWordEmbeddings: file.tie_word_embeddings ?? false,
    bosTokenId: file.bos_token_id ?? null,
    eosTokenIds,
  };
}

/** The configuration as Hugging Face writes it. */
export function configFile(config: ModelConfig): Record<string, unknown> {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.numHiddenLayers,
    num_attention_heads: config.numAttentionHeads,
    num_key_value_heads: config.numKeyValueHeads,
    head_dim: config.headDim,
    max_position_embeddings: config.maxPositionEmbeddings,
    rms_norm_eps: config.rmsNormEps,
    rope_theta: config.ropeTheta,
    rope_scaling: null,
    hidden_act: 'silu',
    attention_bias: false,
    mlp_bias: false,
    tie_word_embeddings: config.tieWordEmbeddings,
    bos_token_id: config.bosTokenId,
    eos_token_id: config.eosTokenIds.length === 1 ? config.eosTokenIds[0] : config.eosTokenIds,
    torch_dtype: 'float32',
  };
}
