/** The metadata of a model as Hugging Face's `config.json` says it. What is there and would be left out is refused by name. */

import { quoted } from '@seal/files';
import type { GgufTensor } from './header.ts';
import type { Metadata } from './metadata.ts';

/** What of a file a configuration is read from. */
export interface ModelHeader {
  readonly path: string;
  readonly metadata: Metadata;
  readonly tensors: ReadonlyMap<string, Pick<GgufTensor, 'shape'>>;
  /** The values of `rope_freqs.weight`, which divide the rotary frequencies; null where there is none. */
  readonly ropeFactors: readonly number[] | null;
}

/** The architectures that are read, with the `model_type` and the class that they have in transformers. */
const ARCHITECTURES: Readonly<Record<string, readonly [type: string, model: string]>> = {
  llama: ['llama', 'LlamaForCausalLM'],
  qwen2: ['qwen2', 'Qwen2ForCausalLM'],
  qwen3: ['qwen3', 'Qwen3ForCausalLM'],
  gemma3: ['gemma3_text', 'Gemma3ForCausalLM'],
};

/** Keys of an architecture that are obeyed, or that say nothing of the arithmetic. */
const KNOWN = [
  'context_length', 'embedding_length', 'block_count', 'feed_forward_length', 'vocab_size', 'tensor_data_layout',
  'attention.head_count', 'attention.head_count_kv', 'attention.key_length', 'attention.value_length',
  'attention.layer_norm_rms_epsilon', 'attention.sliding_window', 'attention.sliding_window_pattern', 'attention.causal',
  'rope.dimension_count', 'rope.freq_base', 'rope.freq_base_swa', 'rope.scale_linear',
  'rope.scaling.type', 'rope.scaling.factor', 'rope.scaling.original_context_length', 'rope.scaling.finetuned',
];

/** The end tokens of a file: of texts, of turns, of messages. Each once. */
export function endTokens(metadata: Metadata): number[] {
  const ids = ['eos', 'eot', 'eom'].map((name) => metadata.count(`tokenizer.ggml.${name}_token_id`));
  return [...new Set(ids.filter((id) => id !== undefined))];
}

/** The `config.json` of a model. Throws RangeError for one of another architecture or with arithmetic that has no key there, SyntaxError for one that is damaged. */
export function huggingFaceConfig({ path, metadata, tensors, ropeFactors }: ModelHeader): Record<string, unknown> {
  const refuse = (key: string, value: unknown, supported: string): never => {
    throw new RangeError(`Cannot use ${path}: ${key} is ${quoted(value)}, supported is ${supported}`);
  };
  const needed = <T>(key: string, value: T | undefined): T => {
    if (value === undefined) throw new SyntaxError(`Cannot read ${path}: it has no key ${quoted(key)}`);
    return value;
  };
  const kind = metadata.text('general.type') ?? 'model';
  if (kind !== 'model') refuse('general.type', kind, '"model"; give the model itself');
  const arch = needed('general.architecture', metadata.text('general.architecture'));
  if (!Object.hasOwn(ARCHITECTURES, arch)) refuse('general.architecture', arch, Object.keys(ARCHITECTURES).map(quoted).join(', '));
  const [modelType, model] = ARCHITECTURES[arch];
  const count = (key: string) => metadata.count(`${arch}.${key}`);
  const number = (key: string) => metadata.number(`${arch}.${key}`);
  for (const [key, { type, value }] of metadata.values) {
    if (!key.startsWith(`${arch}.`) || KNOWN.includes(key.slice(arch.length + 1))) continue;
    if (type !== 'array' && (value === false || value === '' || Number(value) === 0)) continue;
    refuse(key, type === 'array' ? `a list of ${value.length}` : String(value), 'a model without it');
  }
  const embedding = tensors.get('token_embd.weight');
  if (!embedding) throw new RangeError(`Cannot use ${path}: tensor token_embd.weight is missing; is it a part of a model only?`);
  const heads = needed(`${arch}.attention.head_count`, count('attention.head_count'));
  const hiddenSize = needed(`${arch}.embedding_length`, count('embedding_length'));
  const headDim = count('attention.key_length') ?? (arch === 'gemma3' ? 256 : hiddenSize / heads);
  const valueLength = count('attention.value_length') ?? headDim;
  if (valueLength !== headDim) refuse(`${arch}.attention.value_length`, valueLength, `attention.key_length (${headDim})`);
  const turned = count('rope.dimension_count') ?? headDim;
  if (turned !== headDim) refuse(`${arch}.rope.dimension_count`, turned, `the size of a head (${headDim})`);
  if (metadata.flag(`${arch}.attention.causal`) === false) refuse(`${arch}.attention.causal`, false, 'true');
  const contextLength = needed(`${arch}.context_length`, count('context_length'));
  const has = (name: string) => tensors.has(name);
  const layers = needed(`${arch}.block_count`, count('block_count'));
  const ends = endTokens(metadata);
  return {
    architectures: [model],
    model_type: modelType,
    vocab_size: embedding.shape[0],
    hidden_size: hiddenSize,
    intermediate_size: needed(`${arch}.feed_forward_length`, count('feed_forward_length')),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: count('attention.head_count_kv') ?? heads,
    head_dim: headDim,
    max_position_embeddings: contextLength,
    rms_norm_eps: needed(`${arch}.attention.layer_norm_rms_epsilon`, number('attention.layer_norm_rms_epsilon')),
    rope_theta: number('rope.freq_base') ?? 10_000,
    rope_scaling: ropeScaling(),
    tie_word_embeddings: !has('output.weight'),
    bos_token_id: metadata.count('tokenizer.ggml.bos_token_id') ?? null,
    eos_token_id: ends.length === 1 ? ends[0] : ends,
    ...features(),
    torch_dtype: 'float32',
  };

  function ropeScaling(): Record<string, unknown> | null {
    const key = `${arch}.rope.scaling.type`;
    const factor = number('rope.scaling.factor') ?? number('rope.scale_linear') ?? 1;
    const type = metadata.text(key) ?? (factor === 1 ? 'none' : 'linear');
    if (ropeFactors) {
      if (type !== 'none') refuse(key, type, '"none" where there is a tensor rope_freqs.weight');
      if (ropeFactors.length !== headDim / 2) refuse('the length of rope_freqs.weight', ropeFactors.length, `half the size of a head (${headDim})`);
      // The one of transformers' scalings that is a list of divisors; short and long texts have the same.
      return {
        rope_type: 'longrope',
        factor: 1,
        attention_factor: 1,
        short_factor: ropeFactors,
        long_factor: ropeFactors,
        original_max_position_embeddings: contextLength,
      };
    }
    if (type === 'none') return null;
    if (type === 'linear') return factor === 1 ? null : { rope_type: 'linear', factor };
    return refuse(key, type, '"none" or "linear"');
  }

  function features(): Record<string, unknown> {
    const window = count('attention.sliding_window') ?? 0;
    if (arch === 'gemma3') return gemmaFeatures(window);
    if (window !== 0 && window < contextLength) refuse(`${arch}.attention.sliding_window`, window, `0, or at least the context (${contextLength})`);
    const biased = has('blk.0.attn_output.bias');
    if (arch === 'llama') return { hidden_act: 'silu', attention_bias: biased, mlp_bias: has('blk.0.ffn_down.bias') };
    if (arch === 'qwen3') return { hidden_act: 'silu', attention_bias: biased, use_sliding_window: false };
    return { hidden_act: 'silu', use_sliding_window: false };
  }

  /** Every sixth layer sees all, the others a window; the scale of queries is by the size of a head, which is 256, but in 27B. */
  function gemmaFeatures(window: number): Record<string, unknown> {
    const pattern = count('attention.sliding_window_pattern') ?? 6;
    return {
      hidden_activation: 'gelu_pytorch_tanh',
      query_pre_attn_scalar: layers === 62 ? hiddenSize / heads : headDim,
      rope_local_base_freq: number('rope.freq_base_swa') ?? 10_000,
      sliding_window: window,
      layer_types: Array.from({ length: layers }, (_, layer) => ((layer + 1) % pattern === 0 ? 'full_attention' : 'sliding_attention')),
      attention_bias: false,
      attn_logit_softcapping: null,
      final_logit_softcapping: null,
    };
  }
}
