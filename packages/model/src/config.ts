/**
 * Model configuration in Hugging Face names, camel case in memory and snake case on disk.
 *
 * What all families have is read here, the rest by the family's own file. Keys of a `config.json` that do not change the
 * arithmetic are ignored; keys that do must have a value this package computes, or the model is refused by name.
 */

import { problemsOf, quoted } from '@seal/files';
import { type } from 'arktype';
import { configSchema, type ConfigFile } from './config-schema.ts';
import type { FamilyFeatures, Refuse } from './families/family.ts';
import { FAMILIES } from './families/list.ts';
import type { ModelConfig } from './model-config.ts';
import { readRope, writeRope } from './rope.ts';

/**
 * Keys by which decoders of the same tensors differ in their arithmetic, with the values, besides null, that leave it as
 * it is computed here, in every family that does not read the key itself. What adds tensors needs no line: a tensor too many is refused by its own name.
 */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  hidden_act: ['silu'],
  hidden_activation: ['silu'],
  pretraining_tp: [1],
  // Where rotary positions are put, and on which pairs.
  partial_rotary_factor: [1],
  rotary_pct: [1],
  rope_interleaved: [false],
  rope_interleave: [false],
  no_rope_layers: [[]],
  no_rope_layer_interval: [0],
  position_embedding_type: ['rope', 'rotary'],
  alibi: [false],
  // Factors and bounds of activations and logits.
  logit_scale: [1],
  logits_scaling: [1],
  embedding_multiplier: [1],
  residual_multiplier: [1],
  attention_multiplier: [],
  query_pre_attn_scalar: [],
  scale_emb: [1],
  scale_depth: [],
  dim_model_base: [],
  clip_qkv: [],
  attn_logit_softcapping: [],
  final_logit_softcapping: [],
  attn_temperature_tuning: [false, 0],
  use_qk_norm: [false],
  // Who sees whom.
  use_sliding_window: [false],
  sliding_window: [],
  layer_types: [],
  attention_chunk_size: [],
  is_encoder_decoder: [false],
  add_cross_attention: [false],
  parallel_attn: [false],
  use_parallel_residual: [false],
  pruned_heads: [{}],
  // Training alone.
  attention_dropout: [0],
  hidden_dropout: [0],
  resid_pdrop: [0],
  embd_pdrop: [0],
};

/**
 * Reads a parsed `config.json`. `place` names the file in messages. Throws SyntaxError when it is not a configuration
 * and RangeError when it asks for arithmetic that is not supported.
 */
export function parseConfig(json: unknown, place: string): ModelConfig {
  const file = configSchema(json);
  if (file instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: ${problemsOf(file)}`);
  const refuse: Refuse = (key, value, supported) => {
    const name = /^[\w.]{1,80}$/.test(key) ? key : quoted(key);
    throw new RangeError(`Cannot use ${place}: ${name} is ${quoted(value)}, supported is ${supported}`);
  };
  const family = FAMILIES.find(({ name }) => name === file.model_type);
  if (!family) return refuse('model_type', file.model_type, FAMILIES.map(({ name }) => `"${name}"`).join(', '));
  const { architecture, defaults } = family;
  const architectures = file.architectures ?? [];
  if (architectures.length > 0 && !architectures.includes(architecture)) refuse('architectures', architectures, `["${architecture}"]`);
  refuseQuantised(file, place);
  const values: Readonly<Record<string, unknown>> = { ...file };
  for (const [key, neutral] of Object.entries({ ...NEUTRAL, ...family.neutral })) {
    if (family.reads.includes(key)) continue;
    const value = values[key] ?? null;
    if (value === null || neutral.some((one) => JSON.stringify(one) === JSON.stringify(value))) continue;
    refuse(key, value, neutral.length > 0 ? neutral.map(quoted).join(' or ') : 'null');
  }
  // null is not the same as absent: it stands for as many as there are query heads.
  const { num_key_value_heads = defaults.numKeyValueHeads } = file;
  const numKeyValueHeads = num_key_value_heads ?? file.num_attention_heads;
  const headDim = file.head_dim ?? defaults.headDim ?? file.hidden_size / file.num_attention_heads;
  if (file.num_attention_heads % numKeyValueHeads !== 0) {
    refuse('num_key_value_heads', numKeyValueHeads, `a divisor of num_attention_heads (${file.num_attention_heads})`);
  }
  if (headDim % 4 !== 0) refuse('head_dim', headDim, 'a multiple of 4');
  const eosTokenIds = [file.eos_token_id ?? []].flat();
  for (const [name, ids] of Object.entries({ bos_token_id: [file.bos_token_id ?? []].flat(), eos_token_id: eosTokenIds })) {
    const outside = ids.find((id) => id >= file.vocab_size);
    if (outside !== undefined) refuse(name, outside, `an id below vocab_size (${file.vocab_size})`);
  }
  const maxPositionEmbeddings = file.max_position_embeddings ?? defaults.maxPositionEmbeddings;
  const rope = readRope(file, maxPositionEmbeddings, refuse);
  if (rope.ropeScaling?.type === 'longrope' && rope.ropeScaling.factors.length !== headDim / 2) {
    refuse('rope_scaling.long_factor', rope.ropeScaling.factors, `a list of head_dim / 2 (${headDim / 2})`);
  }
  const features: FamilyFeatures = family.read(json, file, place, refuse);
  return {
    family: family.name,
    vocabSize: file.vocab_size,
    hiddenSize: file.hidden_size,
    intermediateSize: file.intermediate_size,
    numHiddenLayers: file.num_hidden_layers,
    numAttentionHeads: file.num_attention_heads,
    numKeyValueHeads,
    headDim,
    maxPositionEmbeddings,
    rmsNormEps: file.rms_norm_eps ?? 1e-6,
    ...rope,
    tieWordEmbeddings: file.tie_word_embeddings ?? false,
    ...features,
    bosTokenId: file.bos_token_id ?? null,
    eosTokenIds,
  };
}

/** Weights that somebody else quantised have another layout, and what was lost is lost: they are not read. */
function refuseQuantised({ quantization_config, quantization }: ConfigFile, place: string): void {
  const [key, settings] = quantization_config
    ? (['quantization_config', quantization_config] as const)
    : (['quantization', quantization] as const);
  if (!settings) return;
  const method = 'quant_method' in settings ? settings.quant_method : settings;
  throw new RangeError(
    `Cannot use ${place}: its weights are quantised (${key}: ${quoted(method)}); ` +
      'use the unquantised checkpoint and quantise on loading, `weights` int8 or `weights` int4',
  );
}

/** The configuration as Hugging Face writes it. */
export function configFile(config: ModelConfig): Record<string, unknown> {
  const family = FAMILIES.find(({ name }) => name === config.family);
  if (!family) throw new RangeError(`Cannot write a configuration of the family ${config.family}: it is not known`);
  return {
    architectures: [family.architecture],
    model_type: family.name,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.numHiddenLayers,
    num_attention_heads: config.numAttentionHeads,
    num_key_value_heads: config.numKeyValueHeads,
    head_dim: config.headDim,
    max_position_embeddings: config.maxPositionEmbeddings,
    rms_norm_eps: config.rmsNormEps,
    ...writeRope(config),
    hidden_act: 'silu',
    ...family.write(config),
    tie_word_embeddings: config.tieWordEmbeddings,
    bos_token_id: config.bosTokenId,
    eos_token_id: config.eosTokenIds.length === 1 ? config.eosTokenIds[0] : config.eosTokenIds,
    torch_dtype: 'float32',
  };
}
