/**
 * The Llama decoder (Touvron et al. 2023, arXiv 2302.13971), forward and backward, as a list of kernels.
 *
 * Activations are (T, width) with all packed sequences one after another. The residual stream's gradient is one buffer
 * that every block adds to, as the residual connection does.
 */

import {
  add,
  attention,
  attentionBackwardKeyValue,
  attentionBackwardQuery,
  attentionDelta,
  embedding,
  rmsNorm,
  rmsNormBackward,
  rmsNormBackwardWeight,
  rope,
  ropeBackward,
  swiglu,
  swigluBackward,
  type Recording,
  type Slice,
} from '@seal/kernels';
import { createStorage } from './buffers.ts';
import type { LlamaConfig } from './config.ts';
import type { Linears, Step } from './linears.ts';
import type { Model, ParameterArena } from './model.ts';
import { layerTensor } from './parameters.ts';

/** What a block leaves for its backward pass. */
export interface BlockActivations {
  readonly input: GPUBuffer;
  readonly attentionInput: GPUBuffer;
  readonly inverseRms1: GPUBuffer;
  readonly query: GPUBuffer;
  readonly key: GPUBuffer;
  readonly value: GPUBuffer;
  readonly mixed: GPUBuffer;
  readonly logSumExp: GPUBuffer;
  readonly middle: GPUBuffer;
  readonly mlpInput: GPUBuffer;
  readonly inverseRms2: GPUBuffer;
  readonly gate: GPUBuffer;
  readonly up: GPUBuffer;
  readonly product: GPUBuffer;
}

/** Buffers of a forward pass over at most `tokens` tokens. Owns them until `destroy`. */
export class Activations {
  readonly tokens: number;
  readonly blocks: readonly BlockActivations[];
  /** Residual stream after the last block, (T, C). */
  readonly output: GPUBuffer;
  /** Rotary input and block output, (T, max(H D, C)). */
  readonly scratch: GPUBuffer;
  #all: GPUBuffer[] = [];

  /** With `keep` every block has buffers of its own, for a backward pass; without it all blocks share one set. */
  constructor(device: GPUDevice, config: LlamaConfig, tokens: number, keep: boolean) {
    const { hiddenSize: C, intermediateSize: F, numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = config;
    const make = (label: string, width: number) => {
      const buffer = createStorage(device, label, tokens * width);
      this.#all.push(buffer);
      return buffer;
    };
    const block = (): Omit<BlockActivations, 'input'> => ({
      attentionInput: make('attention input', C),
      inverseRms1: make('inverse rms 1', 1),
      query: make('query', H * D),
      key: make('key', K * D),
      value: make('value', K * D),
      mixed: make('mixed', H * D),
      logSumExp: make('log-sum-exp', H),
      middle: make('middle', C),
      mlpInput: make('mlp input', C),
      inverseRms2: make('inverse rms 2', 1),
      gate: make('gate', F),
      up: make('up', F),
      product: make('product', F),
    });
    const shared = keep ? null : block();
    // Without `keep` the stream alternates between two buffers: a block reads one and writes the other.
    const streams = keep ? null : [make('stream', C), make('stream', C)];
    const stream = (layer: number) => streams?.[layer % 2] ?? make('stream', C);
    this.tokens = tokens;
    this.blocks = Array.from({ length: config.numHiddenLayers }, (_, layer) => ({
      ...(shared ?? block()),
      input: stream(layer),
    }));
    this.output = stream(config.numHiddenLayers);
    this.scratch = make('scratch', Math.max(H * D, C));
  }

  destroy(): void {
    for (const buffer of this.#all) buffer.destroy();
  }
}

/** Records how queries meet keys: over the batch itself, or over a cache. `query` and `key` are already rotated. */
export type Attend = (record: Recording<Step>, layer: number, block: BlockActivations) => void;

/** Tables that a forward pass reads. */
export interface TokenTables {
  readonly tokens: Slice;
  readonly positions: Slice;
}

const byTokens = ({ tokens }: Step) => ({ T: tokens });

/** Attention within the packed sequences themselves, bounds u32 (T, 2). */
export function attendWithin({ config }: Model, activations: Activations, bounds: Slice): Attend {
  const { numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = config;
  return (record, _layer, { query: q, key: k, value: v, mixed: y, logSumExp }) =>
    record.run(attention, { T: activations.tokens, H, K, D, scale: D ** -0.5 }, { q, k, v, bounds, y, logSumExp }, byTokens);
}

/** Records the residual stream from the embedding to the last block's output, before the final norm. */
export function recordForward(
  record: Recording<Step>,
  model: Model,
  activations: Activations,
  linears: Linears,
  tables: TokenTables,
  attend: Attend,
): void {
  const { config, cosSin } = model;
  const { vocabSize: V, hiddenSize: C, intermediateSize: F, numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = config;
  const { tokens: T, blocks, scratch } = activations;
  const eps = config.rmsNormEps;
  const P = config.maxPositionEmbeddings;
  const { positions } = tables;
  const addition = (a: Slice, b: Slice, y: Slice) =>
    record.run(add, { n: T * C }, { a, b, y }, ({ tokens }) => ({ n: tokens * C }));
  const normalise = (layer: number, part: string, x: Slice, y: Slice, inverseRms: Slice) =>
    record.run(rmsNorm, { T, C, eps }, { x, weight: model.weight(layerTensor(layer, part)), y, inverseRms }, byTokens);

  const weight = model.weight('model.embed_tokens.weight');
  const first = blocks[0]?.input ?? activations.output;
  record.run(embedding, { T, V, C }, { tokens: tables.tokens, weight, y: first }, byTokens);
  blocks.forEach((block, layer) => {
    const after = blocks[layer + 1]?.input ?? activations.output;

    normalise(layer, 'input_layernorm', block.input, block.attentionInput, block.inverseRms1);
    linears.forward(record, layer, 'self_attn.q_proj', block.attentionInput, scratch);
    record.run(rope, { T, H, D, P }, { positions, cosSin, x: scratch, y: block.query }, byTokens);
    linears.forward(record, layer, 'self_attn.k_proj', block.attentionInput, scratch);
    record.run(rope, { T, H: K, D, P }, { positions, cosSin, x: scratch, y: block.key }, byTokens);
    linears.forward(record, layer, 'self_attn.v_proj', block.attentionInput, block.value);
    attend(record, layer, block);
    linears.forward(record, layer, 'self_attn.o_proj', block.mixed, scratch);
    addition(block.input, scratch, block.middle);

    normalise(layer, 'post_attention_layernorm', block.middle, block.mlpInput, block.inverseRms2);
    linears.forward(record, layer, 'mlp.gate_proj', block.mlpInput, block.gate);
    linears.forward(record, layer, 'mlp.up_proj', block.mlpInput, block.up);
    record.run(swiglu, { T, F }, { gate: block.gate, up: block.up, y: block.product }, byTokens);
    linears.forward(record, layer, 'mlp.down_proj', block.product, scratch);
    addition(block.middle, scratch, after);
  });
}

/** Gradient buffers of a backward pass. Owns them until `destroy`. */
export class Gradients {
  /** Gradient of the residual stream, (T, C); zero it and add the final norm's before the backward pass. */
  readonly stream: GPUBuffer;
  readonly hidden: GPUBuffer;
  readonly product: GPUBuffer;
  readonly gate: GPUBuffer;
  readonly up: GPUBuffer;
  readonly mixed: GPUBuffer;
  readonly stats: GPUBuffer;
  readonly query: GPUBuffer;
  readonly key: GPUBuffer;
  readonly value: GPUBuffer;
  readonly unrotatedQuery: GPUBuffer;
  readonly unrotatedKey: GPUBuffer;
  #all: GPUBuffer[] = [];

  constructor(device: GPUDevice, config: LlamaConfig, tokens: number) {
    const { hiddenSize: C, intermediateSize: F, numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = config;
    const make = (label: string, width: number) => {
      const buffer = createStorage(device, label, tokens * width);
      this.#all.push(buffer);
      return buffer;
    };
    this.stream = make('d stream', C);
    this.hidden = make('d hidden', C);
    this.product = make('d product', F);
    this.gate = make('d gate', F);
    this.up = make('d up', F);
    this.mixed = make('d mixed', H * D);
    this.stats = make('softmax statistics', H * 2);
    this.query = make('d query', H * D);
    this.key = make('d key', K * D);
    this.value = make('d value', K * D);
    this.unrotatedQuery = make('d unrotated query', H * D);
    this.unrotatedKey = make('d unrotated key', K * D);
  }

  destroy(): void {
    for (const buffer of this.#all) buffer.destroy();
  }
}

/**
 * Records the backward pass of `recordForward`: `gradients.stream` holds the gradient of the last block's output and
 * ends as the gradient of the embedding. Norm weights' gradients are added to `normGradients` where that is given; the
 * first block's input gradient is left out where nothing below it is trained.
 */
export function recordBackward(
  record: Recording<Step>,
  model: Model,
  activations: Activations,
  gradients: Gradients,
  linears: Linears,
  tables: { readonly positions: Slice; readonly bounds: Slice },
  normGradients: ParameterArena | null,
): void {
  const { config, cosSin } = model;
  const { hiddenSize: C, intermediateSize: F, numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = config;
  const { tokens: T, blocks } = activations;
  const { positions, bounds } = tables;
  const P = config.maxPositionEmbeddings;
  const g = gradients;
  const heads = { T, H, K, D, scale: D ** -0.5 };
  const normaliseBackward = (layer: number, part: string, x: Slice, inverseRms: Slice) => {
    const name = layerTensor(layer, part);
    const weight = model.weight(name);
    record.run(rmsNormBackward, { T, C }, { x, weight, inverseRms, dy: g.hidden, dx: g.stream }, byTokens);
    if (!normGradients) return;
    record.run(rmsNormBackwardWeight, { T, C }, { x, inverseRms, dy: g.hidden, dweight: normGradients.slice(name) });
  };

  blocks.toReversed().forEach((block, fromLast) => {
    const layer = blocks.length - 1 - fromLast;
    const { query: q, key: k, value: v, mixed: y, logSumExp } = block;

    linears.backward(record, layer, 'mlp.down_proj', { x: block.product, dy: g.stream, dx: g.product, accumulate: false });
    record.run(
      swigluBackward,
      { T, F },
      { gate: block.gate, up: block.up, dy: g.product, dgate: g.gate, dup: g.up },
      byTokens,
    );
    linears.backward(record, layer, 'mlp.gate_proj', { x: block.mlpInput, dy: g.gate, dx: g.hidden, accumulate: false });
    linears.backward(record, layer, 'mlp.up_proj', { x: block.mlpInput, dy: g.up, dx: g.hidden, accumulate: true });
    normaliseBackward(layer, 'post_attention_layernorm', block.middle, block.inverseRms2);

    linears.backward(record, layer, 'self_attn.o_proj', { x: y, dy: g.stream, dx: g.mixed, accumulate: false });
    record.run(attentionDelta, { T, H, D }, { y, dy: g.mixed, logSumExp, stats: g.stats }, byTokens);
    const saved = { q, k, v, dy: g.mixed, stats: g.stats, bounds };
    record.run(attentionBackwardQuery, heads, { ...saved, dq: g.query }, byTokens);
    record.run(attentionBackwardKeyValue, heads, { ...saved, dk: g.key, dv: g.value }, byTokens);
    record.run(ropeBackward, { T, H, D, P }, { positions, cosSin, dy: g.query, dx: g.unrotatedQuery }, byTokens);
    record.run(ropeBackward, { T, H: K, D, P }, { positions, cosSin, dy: g.key, dx: g.unrotatedKey }, byTokens);

    const x = block.attentionInput;
    const below = layer > 0 || normGradients !== null;
    const dx = below ? g.hidden : null;
    linears.backward(record, layer, 'self_attn.q_proj', { x, dy: g.unrotatedQuery, dx, accumulate: false });
    linears.backward(record, layer, 'self_attn.k_proj', { x, dy: g.unrotatedKey, dx, accumulate: true });
    linears.backward(record, layer, 'self_attn.v_proj', { x, dy: g.value, dx, accumulate: true });
    if (below) normaliseBackward(layer, 'input_layernorm', block.input, block.inverseRms1);
  });
}
