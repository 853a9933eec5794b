/**
 * Where every weight lies: one float32 arena in Hugging Face names, matrices first, norm weights and biases last, so that
 * weight decay is a prefix. Weights, their gradients and their Adam moments share this layout. On a device the arena is cut
 * where it is larger than a binding may be, a matrix that is larger by itself between rows.
 */

import { PROJECTIONS, type ModelConfig, type Projection } from './model-config.ts';

/** One tensor's place in an arena; `offset` and `elementCount` in elements. */
export interface TensorPlace {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly elementCount: number;
}

/** The arena's tensors by name. */
export interface ParameterLayout {
  readonly places: ReadonlyMap<string, TensorPlace>;
  readonly elementCount: number;
  /** Elements before this index are matrices, from it on norm weights and biases. */
  readonly decayElements: number;
}

/** (out, in) of a projection. */
export function projectionShape(config: ModelConfig, projection: Projection): readonly [out: number, inner: number] {
  const { hiddenSize: C, intermediateSize: F, numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = config;
  switch (projection) {
    case 'self_attn.q_proj':
      return [H * D, C];
    case 'self_attn.k_proj':
    case 'self_attn.v_proj':
      return [K * D, C];
    case 'self_attn.o_proj':
      return [C, H * D];
    case 'mlp.gate_proj':
    case 'mlp.up_proj':
      return [F, C];
    case 'mlp.down_proj':
      return [C, F];
  }
}

/** The name of a tensor of layer `layer`. */
export function layerTensor(layer: number, part: string, kind: 'weight' | 'bias' = 'weight'): string {
  return `model.layers.${layer}.${part}.${kind}`;
}

/** A block's norms by what they stand before, and in families that have them behind. */
export interface BlockNorms {
  readonly attentionInput: string;
  readonly attentionOutput: string | null;
  readonly mlpInput: string;
  readonly mlpOutput: string | null;
}

/** Names of a block's norms; the same name is another norm where attention has one on its way out. */
export function blockNorms({ sandwichNorms }: ModelConfig): BlockNorms {
  return {
    attentionInput: 'input_layernorm',
    attentionOutput: sandwichNorms ? 'post_attention_layernorm' : null,
    mlpInput: sandwichNorms ? 'pre_feedforward_layernorm' : 'post_attention_layernorm',
    mlpOutput: sandwichNorms ? 'post_feedforward_layernorm' : null,
  };
}

/** Name of the matrix that turns hidden states into logits. */
export function headTensor(config: ModelConfig): string {
  return config.tieWordEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight';
}

/** Bindings start at multiples of 256 bytes. */
export const ALIGNMENT = 64;

/** The arena of a configuration. */
export function parameterLayout(config: ModelConfig): ParameterLayout {
  const { hiddenSize: C, vocabSize: V, numHiddenLayers: L, headDim: D } = config;
  const layers = Array.from({ length: L }, (_, layer) => layer);
  const matrices: [string, readonly number[]][] = [
    ['model.embed_tokens.weight', [V, C]],
    ...layers.flatMap((layer) =>
      PROJECTIONS.map((p) => [layerTensor(layer, p), projectionShape(config, p)] as [string, readonly number[]]),
    ),
  ];
  if (!config.tieWordEmbeddings) matrices.push(['lm_head.weight', [V, C]]);
  const norms: readonly (readonly [string, number])[] = [
    ...Object.values(blockNorms(config)).flatMap((part: string | null) => (part === null ? [] : [[part, C] as const])),
    ...(config.queryKeyNorm ? ([['self_attn.q_norm', D], ['self_attn.k_norm', D]] as const) : []),
  ];
  const vectors: [string, readonly number[]][] = [
    ...layers.flatMap((layer) => [
      ...norms.map(([part, width]) => [layerTensor(layer, part), [width]] as [string, number[]]),
      ...config.biasedProjections.map((p) => [layerTensor(layer, p, 'bias'), [projectionShape(config, p)[0]]] as [string, number[]]),
    ]),
    ['model.norm.weight', [C]],
  ];
  const places = new Map<string, TensorPlace>();
  let offset = 0;
  const place = ([name, shape]: readonly [string, readonly number[]]) => {
    const elementCount = shape.reduce((product, axis) => product * axis, 1);
    places.set(name, { name, shape, offset, elementCount });
    offset += Math.ceil(elementCount / ALIGNMENT) * ALIGNMENT;
  };
  matrices.forEach(place);
  const decayElements = offset;
  vectors.forEach(place);
  return { places, elementCount: offset, decayElements };
}

/** A run of whole rows of a tensor; `offset` and `elementCount` in elements of its buffer. */
export interface TensorPart {
  readonly firstRow: number;
  readonly rows: number;
  readonly buffer: number;
  readonly offset: number;
  readonly elementCount: number;
}

/** An arena cut into buffers: stretches [start, start + elementCount) of the layout, and where each tensor's rows are. */
export interface ArenaSplit {
  readonly buffers: readonly { readonly start: number; readonly elementCount: number }[];
  readonly parts: ReadonlyMap<string, readonly TensorPart[]>;
}

/** Parts start at multiples of this many rows, so that a part's columns of an activation start where a binding may. */
const ROW_MULTIPLE = 64;

/**
 * Cuts a layout into buffers of at most `byteLimit` bytes. A tensor that fits in one is not split. Throws RangeError
 * where 64 rows of a matrix do not fit.
 */
export function splitLayout(layout: ParameterLayout, byteLimit: number): ArenaSplit {
  const limit = Math.floor(byteLimit / 4 / ALIGNMENT) * ALIGNMENT;
  const starts = [0];
  const parts = new Map<string, TensorPart[]>();
  for (const { name, shape, offset, elementCount } of layout.places.values()) {
    const rows = shape.length === 2 ? shape[0] : 1;
    const columns = elementCount / rows;
    const most = Math.floor(limit / columns / ROW_MULTIPLE) * ROW_MULTIPLE;
    if (elementCount > limit && (rows === 1 || most === 0)) {
      throw new RangeError(
        `Cannot hold tensor ${name} (${shape.join(', ')}): ${Math.min(rows, ROW_MULTIPLE)} of its rows are more than the ` +
          `${byteLimit} bytes that the device binds at most`,
      );
    }
    const step = elementCount > limit ? most : rows;
    const own: TensorPart[] = [];
    for (let firstRow = 0; firstRow < rows; firstRow += step) {
      const count = Math.min(step, rows - firstRow);
      const at = offset + firstRow * columns;
      if (at + count * columns - (starts.at(-1) ?? 0) > limit) starts.push(at);
      const start = starts.at(-1) ?? 0;
      own.push({ firstRow, rows: count, buffer: starts.length - 1, offset: at - start, elementCount: count * columns });
    }
    parts.set(name, own);
  }
  const buffers = starts.map((start, i) => ({ start, elementCount: (starts[i + 1] ?? layout.elementCount) - start }));
  return { buffers, parts };
}
