/**
 * The Llama decoder (Touvron et al. 2023, arXiv 2302.13971), forward and backward, as a list of kernels. Other families
 * add to it what their configuration says: biases, a norm of queries and keys, windows.
 *
 * Activations are (T, width) with all packed sequences one after another, each a temporary of the recording: it lives
 * as long as something reads it, in a training step until the backward pass. The residual stream's gradient is one
 * buffer that every block adds to, as the residual connection does.
 */

import {
  add,
  attention,
  attentionBackwardKeyValue,
  attentionBackwardQuery,
  attentionDelta,
  part,
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
import type { ModelConfig, Projection } from './model-config.ts';
import { tokensIn, type Step, type TokenRange } from './step.ts';
import type { Linears, Projected, ProjectionGradient } from './linears.ts';
import type { ParameterArena } from './arena.ts';
import type { Model } from './model.ts';
import { layerTensor } from './parameters.ts';
import { embedTokens } from './products.ts';

/** What every part of a pass over at most `tokens` tokens is recorded with. */
export interface Pass {
  readonly record: Recording<Step>;
  readonly model: Model;
  readonly tokens: number;
  readonly linears: Linears;
  readonly tables: TokenTables;
  readonly attend: Attend;
}

/** Tables that a forward pass reads. */
export interface TokenTables {
  readonly tokens: Slice;
  readonly positions: Slice;
  /** All tokens. */
  readonly whole: TokenRange;
  /** All tokens in order, a range at a time: what of a feed-forward exists at once. */
  readonly ranges: readonly TokenRange[];
}

/** Queries and keys (already rotated) and values of a block, and where attention puts its result and statistics. */
export interface Heads {
  readonly query: Slice;
  readonly key: Slice;
  readonly value: Slice;
  readonly mixed: Slice;
  readonly logSumExp: Slice;
}

/** Records how queries meet keys: over the batch itself, or over a cache. */
export type Attend = (record: Recording<Step>, layer: number, heads: Heads) => void;

/** Normalised rows with what their derivative needs. */
interface Normalised {
  readonly x: Slice;
  readonly y: Slice;
  readonly inverseRms: Slice;
}

/** What the backward pass of a block reads, its feed-forward aside. */
interface Block extends Heads {
  /** What each of its linear layers saved. */
  readonly saved: Readonly<Record<'query' | 'key' | 'value' | 'output', Projected['saved']>>;
  readonly attentionInput: Normalised;
  /** Heads of queries and keys before they are turned; null in families that do not normalise them. */
  readonly queryNorm: Normalised | null;
  readonly keyNorm: Normalised | null;
  /** Residual stream between attention and feed-forward. */
  readonly middle: Slice;
  readonly mlpInput: Normalised;
}

/** What the backward pass of a feed-forward over a range of tokens reads, (tokens, F). */
interface FeedForward {
  readonly gate: Projected;
  readonly up: Projected;
  readonly product: Slice;
}

/** A feed-forward with its last product, which is never computed anew. */
interface WholeFeedForward extends FeedForward {
  readonly downSaved: Projected['saved'];
}

/** A recorded forward pass. */
export interface Forward {
  /** The layer of the first block. */
  readonly first: number;
  /** Residual stream before each block, (T, C). */
  readonly inputs: readonly Slice[];
  readonly blocks: readonly Block[];
  /** Of each block, a range at a time. */
  readonly feedForwards: readonly (readonly WholeFeedForward[])[];
  /** Residual stream after the last block, (T, C). */
  readonly output: Slice;
}

const byTokens = ({ tokens }: Step) => ({ T: tokens });

/** Attention within the packed sequences themselves, bounds u32 (T, 2). */
export function attendWithin({ config }: Model, { tokens: T }: { readonly tokens: number }, bounds: Slice): Attend {
  return (record, layer, { query: q, key: k, value: v, mixed: y, logSumExp }) =>
    record.run(attention, { T, ...attentionSizes(config, layer) }, { q, k, v, bounds, y, logSumExp }, byTokens);
}

/** What a layer's attention is like, whatever it reads; a window of 0 sees everything. */
export function attentionSizes({ numAttentionHeads: H, numKeyValueHeads: K, headDim: D, windows }: ModelConfig, layer: number) {
  return { H, K, D, window: windows[layer] ?? 0, scale: D ** -0.5 };
}

/** The rows of an activation (T, width) that lie in a range. */
function rowsIn({ start, tokens }: TokenRange, x: Slice, width: number): Slice {
  return part(x, start * width * 4, tokens * width * 4);
}

/** y = a + b over a range of tokens, all (tokens, C). */
function sum({ record, model }: Pass, range: TokenRange, a: Slice, b: Slice, y: Slice): void {
  const { hiddenSize: C } = model.config;
  record.run(add, { n: range.tokens * C }, { a, b, y }, (step) => ({ n: tokensIn(range, step) * C }));
}

/** Everything of a block before its feed-forward, from the residual stream before it. */
function recordBlock(pass: Pass, layer: number, input: Slice): Block {
  const { record, model, tokens: T, linears, tables, attend } = pass;
  const { config, cosSin } = model;
  const { hiddenSize: C, numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = config;
  const linear = (projection: Projection, x: Slice) => linears.forward(record, layer, projection, tables.whole, x);
  const normalise = (part: string, x: Slice, width = C, heads = 1): Normalised => {
    const weight = model.weight(layerTensor(layer, part));
    const y = record.temporary(part, T * heads * width);
    const inverseRms = record.temporary('inverse rms', T * heads);
    const sizes = { T: T * heads, C: width, eps: config.rmsNormEps };
    record.run(rmsNorm, sizes, { x, weight, y, inverseRms }, ({ tokens }) => ({ T: tokens * heads }));
    return { x, y, inverseRms };
  };
  const rotate = (heads: number, x: Slice) => {
    const y = record.temporary('rotated', T * heads * D);
    const { positions } = tables;
    record.run(rope, { T, H: heads, D, P: config.maxPositionEmbeddings }, { positions, cosSin, x, y }, byTokens);
    return y;
  };
  /** Projected queries or keys, normalised head by head in families that do so, turned by their positions. */
  const place = (part: string, heads: number, projected: Slice) => {
    const norm = config.queryKeyNorm ? normalise(part, projected, D, heads) : null;
    return { norm, y: rotate(heads, norm?.y ?? projected) };
  };

  const attentionInput = normalise('input_layernorm', input);
  const projectedQuery = linear('self_attn.q_proj', attentionInput.y);
  const query = place('self_attn.q_norm', H, projectedQuery.y);
  const projectedKey = linear('self_attn.k_proj', attentionInput.y);
  const key = place('self_attn.k_norm', K, projectedKey.y);
  const value = linear('self_attn.v_proj', attentionInput.y);
  const heads: Heads = {
    query: query.y,
    key: key.y,
    value: value.y,
    mixed: record.temporary('mixed', T * H * D),
    logSumExp: record.temporary('log-sum-exp', T * H),
  };
  attend(record, layer, heads);
  const middle = record.temporary('residual stream', T * C);
  const output = linear('self_attn.o_proj', heads.mixed);
  sum(pass, tables.whole, input, output.y, middle);
  const mlpInput = normalise('post_attention_layernorm', middle);
  const saved = { query: projectedQuery.saved, key: projectedKey.saved, value: value.saved, output: output.saved };
  return { ...heads, saved, attentionInput, queryNorm: query.norm, keyNorm: key.norm, middle, mlpInput };
}

/** The feed-forward of a block over a range of tokens but for its last product, from its whole input (T, C). */
function recordFeedForward({ record, model, linears }: Pass, layer: number, range: TokenRange, input: Slice): FeedForward {
  const { hiddenSize: C, intermediateSize: F } = model.config;
  const x = rowsIn(range, input, C);
  const gate = linears.forward(record, layer, 'mlp.gate_proj', range, x);
  const up = linears.forward(record, layer, 'mlp.up_proj', range, x);
  const product = record.temporary('product', range.tokens * F);
  record.run(swiglu, { T: range.tokens, F }, { gate: gate.y, up: up.y, y: product }, (step) => ({ T: tokensIn(range, step) }));
  return { gate, up, product };
}

/** Its derivative: from the gradient of the residual stream to that of its input, both whole, (T, C). */
function recordFeedForwardBackward(
  { record, model, linears }: Pass,
  layer: number,
  range: TokenRange,
  { gate, up, product, downSaved }: WholeFeedForward,
  input: Slice,
  dStream: Slice,
  dInput: Slice,
): void {
  const { hiddenSize: C, intermediateSize: F } = model.config;
  const [x, dy, dx] = [input, dStream, dInput].map((whole) => rowsIn(range, whole, C));
  const [dProduct, dGate, dUp] = ['d product', 'd gate', 'd up'].map((label) => record.temporary(label, range.tokens * F));
  linears.backward(record, layer, 'mlp.down_proj', range, { x: product, saved: downSaved, dy, dx: dProduct, accumulate: false });
  const operands = { gate: gate.y, up: up.y, dy: dProduct, dgate: dGate, dup: dUp };
  record.run(swigluBackward, { T: range.tokens, F }, operands, (step) => ({ T: tokensIn(range, step) }));
  linears.backward(record, layer, 'mlp.gate_proj', range, { x, saved: gate.saved, dy: dGate, dx, accumulate: false });
  linears.backward(record, layer, 'mlp.up_proj', range, { x, saved: up.saved, dy: dUp, dx, accumulate: true });
}

/** Which layers a pass goes through: from `first`, whose residual stream is then `input`, to the one before `end`. */
export interface Span {
  readonly start?: { readonly first: number; readonly input: Slice };
  readonly end?: number;
}

/** Records the residual stream from the embedding to the last block's output, before the final norm; or a span of that. */
export function recordForward(pass: Pass, { start, end }: Span = {}): Forward {
  const { record, model, tokens: T, linears, tables } = pass;
  const { hiddenSize: C, numHiddenLayers: L } = model.config;
  let stream: Slice = start?.input ?? record.temporary('embedded', T * C);
  const rows = { M: T, dynamic: (step: Step) => ({ M: step.tokens }) };
  if (!start) embedTokens(record, rows, tables.tokens, model.matrix('model.embed_tokens.weight'), stream);
  const first = start?.first ?? 0;
  const inputs: Slice[] = [];
  const blocks: Block[] = [];
  const feedForwards: WholeFeedForward[][] = [];
  for (let layer = first; layer < (end ?? L); layer++) {
    const block = recordBlock(pass, layer, stream);
    inputs.push(stream);
    blocks.push(block);
    const output = record.temporary('residual stream', T * C);
    const feedForward = tables.ranges.map((range) => {
      const own = recordFeedForward(pass, layer, range, block.mlpInput.y);
      const down = linears.forward(record, layer, 'mlp.down_proj', range, own.product);
      sum(pass, range, rowsIn(range, block.middle, C), down.y, rowsIn(range, output, C));
      return { ...own, downSaved: down.saved };
    });
    feedForwards.push(feedForward);
    stream = output;
  }
  return { first, inputs, blocks, feedForwards, output: stream };
}

/**
 * Records the backward pass of `recordForward`: `dStream` holds the gradient of the last block's output and ends as the
 * gradient of the embedding. With `recompute` each block is recorded once more from its input, so that of the forward
 * pass nothing else has to be kept. Norm weights' gradients are added to `normGradients` where that is given. It ends at
 * the layer `lowest`, whose input's gradient is left out unless norms are trained: nothing below it is.
 */
export function recordBackward(
  pass: Pass,
  forward: Forward,
  bounds: Slice,
  dStream: Slice,
  options: { readonly recompute: boolean; readonly normGradients: ParameterArena | null; readonly lowest: number },
): void {
  const { record, model, tokens: T, linears, tables } = pass;
  const { config, cosSin } = model;
  const { hiddenSize: C, numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = config;
  const { positions } = tables;
  const { normGradients } = options;

  forward.inputs.toReversed().forEach((input, fromLast) => {
    const place = forward.inputs.length - 1 - fromLast;
    const layer = forward.first + place;
    if (layer < options.lowest) return;
    const make = (label: string, width: number) => record.temporary(label, T * width);
    const backward = (projection: Projection, operands: ProjectionGradient) =>
      linears.backward(record, layer, projection, tables.whole, operands);
    const normaliseBackward = (part: string, { x, inverseRms }: Normalised, dy: Slice, dx = dStream, width = C, heads = 1) => {
      const name = layerTensor(layer, part);
      const weight = model.weight(name);
      const rows = ({ tokens }: Step) => ({ T: tokens * heads });
      record.run(rmsNormBackward, { T: T * heads, C: width }, { x, weight, inverseRms, dy, dx }, rows);
      if (!normGradients) return;
      record.run(rmsNormBackwardWeight, { T: T * heads, C: width }, { x, inverseRms, dy, dweight: normGradients.slice(name) });
    };
    const normaliseHeadsBackward = (part: string, heads: number, normalised: Normalised | null, dy: Slice) => {
      if (!normalised) return dy;
      const dx = make('d heads', heads * D);
      record.clear(dx);
      normaliseBackward(part, normalised, dy, dx, D, heads);
      return dx;
    };
    const rotateBackward = (heads: number, dy: Slice) => {
      const dx = make('d unrotated', heads * D);
      record.run(ropeBackward, { T, H: heads, D, P: config.maxPositionEmbeddings }, { positions, cosSin, dy, dx }, byTokens);
      return dx;
    };
    const block = options.recompute ? recordBlock(pass, layer, input) : forward.blocks[place];
    const { saved, attentionInput, queryNorm, keyNorm, query: q, key: k, value: v, mixed: y, logSumExp, mlpInput } = block;

    const dMlpInput = make('d mlp input', C);
    tables.ranges.forEach((range, i) => {
      const first = forward.feedForwards[place][i];
      const own = options.recompute ? { ...first, ...recordFeedForward(pass, layer, range, mlpInput.y) } : first;
      recordFeedForwardBackward(pass, layer, range, own, mlpInput.y, dStream, dMlpInput);
    });
    normaliseBackward('post_attention_layernorm', mlpInput, dMlpInput);

    const dMixed = make('d mixed', H * D);
    backward('self_attn.o_proj', { x: y, saved: saved.output, dy: dStream, dx: dMixed, accumulate: false });
    const stats = make('softmax statistics', H * 2);
    record.run(attentionDelta, { T, H, D }, { y, dy: dMixed, logSumExp, stats }, byTokens);
    const attended = { q, k, v, dy: dMixed, stats, bounds };
    const dQuery = make('d query', H * D);
    const dKey = make('d key', K * D);
    const dValue = make('d value', K * D);
    const sizes = { T, ...attentionSizes(config, layer) };
    record.run(attentionBackwardQuery, sizes, { ...attended, dq: dQuery }, byTokens);
    record.run(attentionBackwardKeyValue, sizes, { ...attended, dk: dKey, dv: dValue }, byTokens);

    const below = layer > options.lowest || normGradients !== null;
    const dAttentionInput = below ? make('d attention input', C) : null;
    const shared = { x: attentionInput.y, dx: dAttentionInput };
    const dProjectedQuery = normaliseHeadsBackward('self_attn.q_norm', H, queryNorm, rotateBackward(H, dQuery));
    backward('self_attn.q_proj', { ...shared, saved: saved.query, dy: dProjectedQuery, accumulate: false });
    const dProjectedKey = normaliseHeadsBackward('self_attn.k_norm', K, keyNorm, rotateBackward(K, dKey));
    backward('self_attn.k_proj', { ...shared, saved: saved.key, dy: dProjectedKey, accumulate: true });
    backward('self_attn.v_proj', { ...shared, saved: saved.value, dy: dValue, accumulate: true });
    if (dAttentionInput) normaliseBackward('input_layernorm', attentionInput, dAttentionInput);
  });
}
