/** The configuration of a model as the keys of a file, the other way round than `config.ts`. What has no key is refused by name. */

import { quoted } from '@seal/files';
import type { GgufValue } from './metadata.ts';

/** What of a model's configuration a file says. */
export interface DecoderConfig {
  readonly family: string;
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
  readonly ropeScaling: { readonly type: string; readonly factor?: number } | null;
  readonly biasedProjections: readonly string[];
  readonly windows: readonly (number | null)[];
}

/** Families that are written, which have the name of their architecture. */
const WRITTEN = ['llama', 'qwen2', 'qwen3'];

/** Projections that a reader of each architecture adds a bias to. */
const BIASED: Readonly<Record<string, readonly string[]>> = {
  qwen2: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
  qwen3: [],
};

const u32 = (value: number): GgufValue => ({ type: 'u32', value });
const f32 = (value: number): GgufValue => ({ type: 'f32', value });
const text = (value: string): GgufValue => ({ type: 'string', value });

/**
 * `general.architecture` and the keys of the architecture. Scalings of rotary frequencies other than `linear` are no key but the
 * tensor `rope_freqs.weight`. Throws RangeError naming `place` for what the architecture does not compute.
 */
export function configMetadata(config: DecoderConfig, place: string): Map<string, GgufValue> {
  const { family: arch, headDim, ropeScaling, windows, biasedProjections, maxPositionEmbeddings } = config;
  const refuse = (what: string): never => {
    throw new RangeError(`Cannot write ${place} as GGUF: ${what}`);
  };
  if (!WRITTEN.includes(arch)) refuse(`model_type ${quoted(arch)} is not written, ${WRITTEN.map(quoted).join(', ')} are`);
  const window = windows.find((own) => own !== null && own < maxPositionEmbeddings);
  if (window !== undefined) refuse(`a layer has a window of ${window} tokens, which the architecture ${arch} has no key for`);
  const wanted = BIASED[arch];
  if (wanted && wanted.join() !== biasedProjections.join()) refuse(`the architecture ${arch} has no biases of ${biasedProjections.filter((own) => !wanted.includes(own)).join(', ')}`);
  if (ropeScaling && ropeScaling.type !== 'linear' && arch !== 'llama') refuse(`rope_scaling of type ${quoted(ropeScaling.type)} is written for llama alone`);
  const own: readonly (readonly [string, GgufValue])[] = [
    ['context_length', u32(maxPositionEmbeddings)],
    ['embedding_length', u32(config.hiddenSize)],
    ['block_count', u32(config.numHiddenLayers)],
    ['feed_forward_length', u32(config.intermediateSize)],
    ['vocab_size', u32(config.vocabSize)],
    ['attention.head_count', u32(config.numAttentionHeads)],
    ['attention.head_count_kv', u32(config.numKeyValueHeads)],
    ['attention.key_length', u32(headDim)],
    ['attention.value_length', u32(headDim)],
    ['attention.layer_norm_rms_epsilon', f32(config.rmsNormEps)],
    ['rope.dimension_count', u32(headDim)],
    ['rope.freq_base', f32(config.ropeTheta)],
    ...(ropeScaling?.type === 'linear' ? ([['rope.scaling.type', text('linear')], ['rope.scaling.factor', f32(ropeScaling.factor ?? 1)]] as const) : []),
  ];
  return new Map([['general.architecture', text(arch)], ...own.map(([key, value]) => [`${arch}.${key}`, value] as const)]);
}
