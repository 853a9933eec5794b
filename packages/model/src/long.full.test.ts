/** A sequence of 8,192 tokens on WebGPU's default limits, against the ops' float64 references put together. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { add, attention, crossEntropy, embedding, matmulNT, rmsNorm, rope, ropeFrequencies, ropeTable, swiglu, type Numbers } from '@seal/kernels';
import { initialWeights } from './files/checkpoint.ts';
import { drawnAdapter, smallConfig, uniform } from './fixture.ts';
import { LoraPack, type LoraLayout } from './adapters/lora.ts';
import { Model } from './model.ts';
import { layerTensor } from './parameters.ts';
import { PROJECTIONS, type Projection } from './model-config.ts';
import { LoraTrainer } from './training.ts';

const T = 8_192;
const config = {
  ...smallConfig,
  vocabSize: 96,
  hiddenSize: 32,
  intermediateSize: 48,
  numHiddenLayers: 1,
  numAttentionHeads: 2,
  numKeyValueHeads: 1,
  headDim: 16,
  maxPositionEmbeddings: T,
};
const lora = { rank: 4, alpha: 8, targets: PROJECTIONS };

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu({ defaultLimits: true });
});
afterAll(() => gpu.close());

/** Mean next-token loss in float64. `linear` gives the effective weight of a projection. */
function referenceLoss(tokens: Uint32Array, weights: ReadonlyMap<string, Float32Array>, linear: (projection: Projection) => Float64Array): number {
  const { vocabSize: V, hiddenSize: C, intermediateSize: F, numAttentionHeads: H, numKeyValueHeads: K, headDim: D, rmsNormEps: eps } = config;
  const empty = new Float64Array(0);
  const zeros = (length: number) => new Float64Array(length);
  const weight = (name: string) => Float64Array.from(weights.get(name)!);
  const sum = (a: Numbers, b: Numbers) => add.reference({ n: T * C }, { a, b }, { y: empty }).y;
  const normalise = (x: Numbers, name: string) => rmsNorm.reference({ T, C, eps, offset: 0 }, { x, weight: weight(name) }, { y: empty, inverseRms: empty }).y;
  const product = (x: Numbers, w: Numbers, N: number, inner: number) =>
    matmulNT.reference({ M: T, N, K: inner, accumulate: 0, hasBias: 0, lda: inner, ldc: N }, { a: x, b: w, bias: empty }, { c: zeros(T * N) }).c;
  const positions = Uint32Array.from({ length: T }, (_, t) => t);
  const cosSin = Float64Array.from(ropeTable(T, ropeFrequencies(D, config.ropeTheta)));
  const rotate = (x: Numbers, heads: number) => rope.reference({ T, H: heads, D, P: T }, { positions, cosSin, x }, { y: empty }).y;

  const table = weight('model.embed_tokens.weight');
  const x = embedding.reference({ T, V, C, first: 0 }, { tokens, weight: table }, { y: zeros(T * C) }).y;
  const a = normalise(x, layerTensor(0, 'input_layernorm'));
  const q = rotate(product(a, linear('self_attn.q_proj'), H * D, C), H);
  const k = rotate(product(a, linear('self_attn.k_proj'), K * D, C), K);
  const v = product(a, linear('self_attn.v_proj'), K * D, C);
  const bounds = Uint32Array.from({ length: 2 * T }, (_, i) => (i % 2 === 0 ? 0 : T));
  const { y } = attention.reference({ T, H, K, D, window: 0, scale: D ** -0.5 }, { q, k, v, bounds }, { y: empty, logSumExp: empty });
  const middle = sum(x, product(y, linear('self_attn.o_proj'), C, H * D));
  const m = normalise(middle, layerTensor(0, 'post_attention_layernorm'));
  const gate = product(m, linear('mlp.gate_proj'), F, C);
  const up = product(m, linear('mlp.up_proj'), F, C);
  const mixed = swiglu.reference({ T, F }, { gate, up }, { y: empty }).y;
  const hidden = normalise(sum(middle, product(mixed, linear('mlp.down_proj'), C, F)), 'model.norm.weight');
  const logits = product(hidden, table, V, C);
  const targets = Uint32Array.from({ length: T }, (_, t) => tokens[t + 1] ?? 0);
  const scale = Float64Array.from({ length: T }, (_, t) => (t + 1 < T ? 1 / (T - 1) : 0));
  const { loss } = crossEntropy.reference({ T, V }, { targets, weight: scale }, { loss: empty, logits });
  return loss.reduce((total, value) => total + value, 0);
}

/** W + alpha / rank * B A of one projection. */
function merged(weights: ReadonlyMap<string, Float32Array>, layout: LoraLayout, values: Float64Array, projection: Projection): Float64Array {
  const { inner, out, offsetA, offsetB } = layout.places.find((place) => place.projection === projection)!;
  const base = weights.get(layerTensor(0, projection))!;
  return Float64Array.from(base, (w, i) => {
    const [n, k] = [Math.floor(i / inner), i % inner];
    let product = 0;
    for (let r = 0; r < lora.rank; r++) product += values[offsetB + r * out + n]! * values[offsetA + r * inner + k]!;
    return w + (lora.alpha / lora.rank) * product;
  });
}

it('has the loss of 8,192 tokens, and a gradient that is its derivative', { timeout: 600_000 }, async () => {
  const draw = uniform(6);
  const weights = initialWeights(config, () => 4 * (draw() + draw() - 1));
  const model = new Model(gpu, config);
  model.write(weights);
  const pack = new LoraPack(gpu.device, config, lora, 1);
  const values = drawnAdapter(pack.layout, draw, 0.3);
  const tokens = Uint32Array.from({ length: T }, () => Math.floor(draw() * config.vocabSize));
  const begun = performance.now();
  const trainer = new LoraTrainer(model, pack, { tokens: T, steps: 1, recompute: true });
  trainer.begin([values]);
  trainer.step([[{ tokens }]], [null]);
  const [[loss]] = await trainer.losses();
  const [gradient] = await pack.readGradients();
  console.log(`a step of ${T} tokens: ${((performance.now() - begun) / 1e3).toFixed(1)} s`);
  trainer.destroy();
  pack.destroy();
  model.destroy();
  expect(gradient.every(Number.isFinite)).toBe(true);

  const lossAt = (at: Float64Array) => referenceLoss(tokens, weights, (projection) => merged(weights, pack.layout, at, projection));
  const start = Float64Array.from(values);
  expect(Math.abs(loss! / lossAt(start) - 1)).toBeLessThan(1e-5);
  // Along the gradient itself the loss rises by the gradient's length.
  const length = Math.hypot(...gradient);
  const step = 1e-3;
  const moved = (by: number) => lossAt(start.map((value, i) => value + (by * gradient[i]!) / length));
  const slope = (moved(step) - moved(-step)) / (2 * step);
  expect(Math.abs(slope / length - 1)).toBeLessThan(1e-3);
});
