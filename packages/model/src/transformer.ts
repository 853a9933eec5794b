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
  geglu,
  gegluBackward,
  part,
  rmsNorm,
  rmsNormBackward,
  rmsNormBackwardWeight,
  rope,
  ropeBackward,
  scale,
  swiglu,
  swigluBackward,
  type Recording,
  type Slice,
} from '@seal/kernels';
import type { Activation, ModelConfig, Projection } from './model-config.ts';
import { tokensIn, type Step, type TokenRange } from './step.ts';
import type { Linears, Projected, ProjectionGradient } from './linears.ts';
import type { ParameterArena } from './arena.ts';
import type { Model } from './model.ts';
import { blockNorms, layerTensor } from './parameters.ts';
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

/** One norm of a layer over a range of tokens: `heads` rows of `width` numbers each. */
interface NormPlace {
  readonly layer: number;
  readonly part: string;
  readonly range: TokenRange;
  readonly width: number;
  readonly heads: number;
}

/** Normalised rows with what their derivative needs. */
interface Normalised {
  readonly place: NormPlace;
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
  /** What attention gives; null in families that do not normalise it. */
  readonly outputNorm: Normalised | null;
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
  /** What it gives; null in families that do not normalise it. */
  readonly outputNorm: Normalised | null;
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
export function attentionSizes({ numAttentionHeads: H, numKeyValueHeads: K, headDim: D, queryPreAttnScalar, windows }: ModelConfig, layer: number) {
  return { H, K, D, window: windows[layer] ?? 0, scale: (queryPreAttnScalar ?? D) ** -0.5 };
}

/** The gated units: y and gradients of gate (T, F) and up (T, F). */
const UNITS = {
  silu: { forward: swiglu, backward: swigluBackward },
  gelu_pytorch_tanh: { forward: geglu, backward: gegluBackward },
} satisfies Record<Activation, object>;

/** The rows of an activation (T, width) that lie in a range. */
function rowsIn({ start, tokens }: TokenRange, x: Slice, width: number): Slice {
  return part(x, start * width * 4, tokens * width * 4);
}

/** y = a + b over a range of tokens, all (tokens, C). */
function sum({ record, model }: Pass, range: TokenRange, a: Slice, b: Slice, y: Slice): void {
  const { hiddenSize: C } = model.config;
  record.run(add, { n: range.tokens * C }, { a, b, y }, (step) => ({ n: tokensIn(range, step) * C }));
}

function normalise({ record, model }: Pass, place: NormPlace, x: Slice): Normalised {
  const { layer, part: name, range, width, heads } = place;
  const { rmsNormEps: eps, normOffset: offset } = model.config;
  const T = range.tokens * heads;
  const weight = model.weight(layerTensor(layer, name));
  const y = record.temporary(name, T * width);
  const inverseRms = record.temporary('inverse rms', T);
  record.run(rmsNorm, { T, C: width, eps, offset }, { x, weight, y, inverseRms }, (step) => ({ T: tokensIn(range, step) * heads }));
  return { place, x, y, inverseRms };
}

/** Adds the gradient by a norm's input to `dx`, and that by its weight to `normGradients` where that is given. */
function normaliseBackward(
  { record, model }: Pass,
  { place: { layer, part: name, range, width, heads }, x, inverseRms }: Normalised,
  dy: Slice,
  dx: Slice,
  normGradients: ParameterArena | null,
): void {
  const sizes = { T: range.tokens * heads, C: width };
  const tensor = layerTensor(layer, name);
  const operands = { x, weight: model.weight(tensor), inverseRms, dy, dx };
  record.run(rmsNormBackward, { ...sizes, offset: model.config.normOffset }, operands, (step) => ({ T: tokensIn(range, step) * heads }));
  if (normGradients) record.run(rmsNormBackwardWeight, sizes, { x, inverseRms, dy, dweight: normGradients.slice(tensor) });
}

/** The gradient by the input of a norm that nothing else reads; dy itself where there is no such norm. */
function throughNorm(pass: Pass, normalised: Normalised | null, dy: Slice, normGradients: ParameterArena | null): Slice {
  if (!normalised) return dy;
  const { part: name, range, width, heads } = normalised.place;
  const dx = pass.record.temporary(`d ${name}`, range.tokens * heads * width);
  pass.record.clear(dx);
  normaliseBackward(pass, normalised, dy, dx, normGradients);
  return dx;
}

/** Everything of a block before its feed-forward, from the residual stream before it. */
function recordBlock(pass: Pass, layer: number, input: Slice): Block {
  const { record, model, tokens: T, linears, tables, attend } = pass;
  const { config } = model;
  const { hiddenSize: C, numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = config;
  const norms = blockNorms(config);
  const cosSin = model.cosSin(layer);
  const linear = (projection: Projection, x: Slice) => linears.forward(record, layer, projection, tables.whole, x);
  const ofWhole = (part: string, x: Slice, width = C, heads = 1) => normalise(pass, { layer, part, range: tables.whole, width, heads }, x);
  const rotate = (heads: number, x: Slice) => {
    const y = record.temporary('rotated', T * heads * D);
    const { positions } = tables;
    record.run(rope, { T, H: heads, D, P: config.maxPositionEmbeddings }, { positions, cosSin, x, y }, byTokens);
    return y;
  };
  /** Projected queries or keys, normalised head by head in families that do so, turned by their positions. */
  const place = (part: string, heads: number, projected: Slice) => {
    const norm = config.queryKeyNorm ? ofWhole(part, projected, D, heads) : null;
    return { norm, y: rotate(heads, norm?.y ?? projected) };
  };

  const attentionInput = ofWhole(norms.attentionInput, input);
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
  const outputNorm = norms.attentionOutput === null ? null : ofWhole(norms.attentionOutput, output.y);
  sum(pass, tables.whole, input, outputNorm?.y ?? output.y, middle);
  const mlpInput = ofWhole(norms.mlpInput, middle);
  const saved = { query: projectedQuery.saved, key: projectedKey.saved, value: value.saved, output: output.saved };
  return { ...heads, saved, attentionInput, queryNorm: query.norm, keyNorm: key.norm, outputNorm, middle, mlpInput };
}

/** The feed-forward of a block over a range of tokens but for its last product, from its whole input (T, C). */
function recordFeedForward({ record, model, linears }: Pass, layer: number, range: TokenRange, input: Slice): FeedForward {
  const { hiddenSize: C, intermediateSize: F, activation } = model.config;
  const x = rowsIn(range, input, C);
  const gate = linears.forward(record, layer, 'mlp.gate_proj', range, x);
  const up = linears.forward(record, layer, 'mlp.up_proj', range, x);
  const product = record.temporary('product', range.tokens * F);
  record.run(UNITS[activation].forward, { T: range.tokens, F }, { gate: gate.y, up: up.y, y: product }, (step) => ({ T: tokensIn(range, step) }));
  return { gate, up, product };
}

/** Its derivative: from the gradient dy of what it gives, (tokens, C), to that of its whole input, (T, C). */
function recordFeedForwardBackward(
  { record, model, linears }: Pass,
  layer: number,
  range: TokenRange,
  { gate, up, product, downSaved }: WholeFeedForward,
  input: Slice,
  dy: Slice,
  dInput: Slice,
): void {
  const { hiddenSize: C, intermediateSize: F, activation } = model.config;
  const [x, dx] = [input, dInput].map((whole) => rowsIn(range, whole, C));
  const [dProduct, dGate, dUp] = ['d product', 'd gate', 'd up'].map((label) => record.temporary(label, range.tokens * F));
  linears.backward(record, layer, 'mlp.down_proj', range, { x: product, saved: downSaved, dy, dx: dProduct, accumulate: false });
  const operands = { gate: gate.y, up: up.y, dy: dProduct, dgate: dGate, dup: dUp };
  record.run(UNITS[activation].backward, { T: range.tokens, F }, operands, (step) => ({ T: tokensIn(range, step) }));
  linears.backward(record, layer, 'mlp.gate_proj', range, { x, saved: gate.saved, dy: dGate, dx, accumulate: false });
  linears.backward(record, layer, 'mlp.up_proj', range, { x, saved: up.saved, dy: dUp, dx, accumulate: true });
}

/** x times what the family scales its embedding by, (T, C); x itself where it does not. Forward and backward are the same. */
export function scaleEmbedding(record: Recording<Step>, { hiddenSize: C, scaledEmbedding }: ModelConfig, T: number, x: Slice): Slice {
  if (!scaledEmbedding) return x;
  const y = record.temporary('scaled embedding', T * C);
  record.run(scale, { n: T * C, factor: Math.fround(Math.sqrt(C)) }, { x, y }, ({ tokens }) => ({ n: tokens * C }));
  return y;
}

/** The residual stream before the first block, (T, C). */
function recordEmbedding({ record, model, tokens: T, tables }: Pass): Slice {
  const embedded = record.temporary('embedded', T * model.config.hiddenSize);
  const rows = { M: T, dynamic: (step: Step) => ({ M: step.tokens }) };
  embedTokens(record, rows, tables.tokens, model.matrix('model.embed_tokens.weight'), embedded);
  return scaleEmbedding(record, model.config, T, embedded);
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
  const norms = blockNorms(model.config);
  let stream = start?.input ?? recordEmbedding(pass);
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
      const part = norms.mlpOutput;
      const outputNorm = part === null ? null : normalise(pass, { layer, part, range, width: C, heads: 1 }, down.y);
      sum(pass, range, rowsIn(range, block.middle, C), outputNorm?.y ?? down.y, rowsIn(range, output, C));
      return { ...own, downSaved: down.saved, outputNorm };
    });
    feedForwards.push(feedForward);
    stream = output;
  }
  return { first, inputs, blocks, feedForwards, output: stream };
}

/**
 * Records the backward pass of `recordForward`: `dStream` holds the gradient of the last block's output and ends as the
 * gradient of what the first block reads. With `recompute` each block is recorded once more from its input, so that of the
 * forward pass nothing else has to be kept. Norm weights' gradients are added to `normGradients` where that is given. It ends at
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
  const { config } = model;
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
    const cosSin = model.cosSin(layer);
    const through = (norm: Normalised | null, dy: Slice) => throughNorm(pass, norm, dy, normGradients);
    const rotateBackward = (heads: number, dy: Slice) => {
      const dx = make('d unrotated', heads * D);
      record.run(ropeBackward, { T, H: heads, D, P: config.maxPositionEmbeddings }, { positions, cosSin, dy, dx }, byTokens);
      return dx;
    };
    const block = options.recompute ? recordBlock(pass, layer, input) : forward.blocks[place];
    const { saved, attentionInput, queryNorm, keyNorm, outputNorm, query: q, key: k, value: v, mixed: y, logSumExp, mlpInput } = block;

    const dMlpInput = make('d mlp input', C);
    tables.ranges.forEach((range, i) => {
      const first = forward.feedForwards[place][i];
      const own = options.recompute ? { ...first, ...recordFeedForward(pass, layer, range, mlpInput.y) } : first;
      const dOutput = through(own.outputNorm, rowsIn(range, dStream, C));
      recordFeedForwardBackward(pass, layer, range, own, mlpInput.y, dOutput, dMlpInput);
    });
    normaliseBackward(pass, mlpInput, dMlpInput, dStream, normGradients);

    const dOutput = through(outputNorm, dStream);
    const dMixed = make('d mixed', H * D);
    backward('self_attn.o_proj', { x: y, saved: saved.output, dy: dOutput, dx: dMixed, accumulate: false });
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
    const dProjectedQuery = through(queryNorm, rotateBackward(H, dQuery));
    backward('self_attn.q_proj', { ...shared, saved: saved.query, dy: dProjectedQuery, accumulate: false });
    const dProjectedKey = through(keyNorm, rotateBackward(K, dKey));
    backward('self_attn.k_proj', { ...shared, saved: saved.key, dy: dProjectedKey, accumulate: true });
    backward('self_attn.v_proj', { ...shared, saved: saved.value, dy: dValue, accumulate: true });
    if (dAttentionInput) normaliseBackward(pass, attentionInput, dAttentionInput, dStream, normGradients);
  });
}
