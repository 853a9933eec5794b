/** Prompts that share the reading of their beginning are answered as prompts that share nothing; adapters never share. */

import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { drawnAdapter, relativeL2, smallConfig, smallWeights, uniform } from '../fixture.ts';
import { Generator, type GenerationRequest } from './generation.ts';
import { LoraPack } from '../adapters/lora.ts';
import { Model } from '../model.ts';
import type { PrefixCandidate, SharedPrefix } from './prefixes.ts';

/** What decides on sharing, exchanged by tests, and the logits that tokens were chosen from. */
const seam = vi.hoisted(() => ({
  plan: null as ((requests: readonly PrefixCandidate[]) => (SharedPrefix | null)[]) | null,
  logits: [] as Float32Array[],
}));
vi.mock(import('./prefixes.ts'), async (original) => {
  const actual = await original();
  return { ...actual, sharedPrefixes: (requests) => (seam.plan ?? actual.sharedPrefixes)(requests) };
});
vi.mock(import('./sampler.ts'), async (original) => {
  const actual = await original();
  return {
    ...actual,
    sampleToken(logits, options, uniform_) {
      seam.logits.push(logits.slice());
      return actual.sampleToken(logits, options, uniform_);
    },
  };
});

const V = smallConfig.vocabSize;
const lora = { rank: 4, alpha: 8, targets: ['self_attn.k_proj', 'self_attn.v_proj', 'mlp.up_proj'] } as const;
const sizes = { slots: 7, length: 60, prefillTokens: 96 };
// A little temperature: greedy tokens are chosen on the device, and the logits are wanted here.
const options = { temperature: 1e-3, topP: 1, maxNewTokens: 6, stopTokens: [2] };

let gpu: Gpu;
let model: Model;
let pack: LoraPack;
let generator: Generator;
beforeAll(async () => {
  gpu = await openGpu();
  model = new Model(gpu, smallConfig);
  model.write(smallWeights(smallConfig));
  pack = new LoraPack(gpu.device, smallConfig, lora, 3);
  for (let e = 0; e < 3; e++) pack.write(e, drawnAdapter(pack.layout, uniform(20 + e), 2));
  generator = new Generator(model, pack, sizes);
});
afterAll(() => {
  generator.destroy();
  pack.destroy();
  model.destroy();
  gpu.close();
});
beforeEach(() => {
  seam.plan = null;
});

const words = (seed: number, length: number) => {
  const draw = uniform(seed);
  return Array.from({ length }, () => 3 + Math.floor(draw() * (V - 3)));
};
const preamble = words(1, 30);
/** A question behind the preamble; `samples` completions of it. */
const question = (adapter: number, seed: number, length: number, samples = 1): GenerationRequest => ({
  prompt: [...preamble, ...words(100 + seed, length)],
  adapter,
  family: 'questions',
  draws: Array.from({ length: samples }, () => () => 0.5),
});

/** Completions, prompt tokens read, and all logits in a fixed order. */
async function run(requests: readonly GenerationRequest[], plan: typeof seam.plan = null) {
  seam.plan = plan;
  seam.logits = [];
  const before = generator.promptTokens;
  const completions = await generator.generate(requests, options);
  return { completions, read: generator.promptTokens - before, logits: seam.logits };
}
const nothing = (requests: readonly PrefixCandidate[]) => requests.map(() => null);

it('answers as without sharing, with fewer prompt tokens read', async () => {
  // One to five words behind the preamble, over two adapters, in few enough slots that groups are torn apart.
  const requests = [0, 1, 0, 1, 0, 1, 0, 0, 1, 0].map((adapter, i) => question(adapter, i, 1 + (i % 5)));
  const apart = await run(requests, nothing);
  const shared = await run(requests);
  expect(shared.completions).toEqual(apart.completions);
  expect(new Set(apart.completions.map(([{ tokens }]) => tokens.join())).size).toBeGreaterThan(4);
  const all = requests.reduce((sum, { prompt }) => sum + prompt.length, 0);
  const behind = all - requests.length * preamble.length;
  expect(apart.read).toBe(all);
  // Seven slots: adapter 0 has six questions, one of adapter 1 goes with them, three are left for the second turn.
  expect(shared.read).toBe(behind + 3 * preamble.length);
});

it('gives the same logits within rounding', async () => {
  const requests = Array.from({ length: 6 }, (_, i) => question(1, i, 4 + i));
  const apart = await run(requests, nothing);
  const shared = await run(requests);
  expect(shared.completions).toEqual(apart.completions);
  expect(shared.logits.length).toBeGreaterThan(requests.length);
  shared.logits.forEach((row, i) => expect(relativeL2(row, apart.logits[i]), `row ${i}`).toBeLessThanOrEqual(1e-5));
});

it('catches sharing between adapters', async () => {
  // The pure function that divides prompts is told that everybody has the adapter of the first.
  const { sharedPrefixes } = await vi.importActual<typeof import('./prefixes.ts')>('./prefixes.ts');
  const wrong = (requests: readonly PrefixCandidate[]) => sharedPrefixes(requests.map((one) => ({ ...one, adapter: 0 })));
  const requests = [question(0, 0, 3), question(2, 1, 3)];
  const apart = await run(requests, nothing);
  const right = await run(requests);
  const mixed = await run(requests, wrong);
  expect(right.read).toBe(apart.read);
  expect(mixed.read).toBe(apart.read - preamble.length);
  // Row i holds the first logits of request i.
  expect(relativeL2(right.logits[1], apart.logits[1])).toBeLessThanOrEqual(1e-5);
  expect(relativeL2(mixed.logits[1], apart.logits[1])).toBeGreaterThan(1e-2);
  // The adapter whose reading it was is not harmed.
  expect(relativeL2(mixed.logits[0], apart.logits[0])).toBeLessThanOrEqual(1e-5);
});

it('depends on the requests of the same adapter and family alone', async () => {
  const own = Array.from({ length: 4 }, (_, i) => question(1, i, 2 + i));
  const alone = await run(own);
  const more = await run([...Array.from({ length: 5 }, (_, i) => question(0, 50 + i, 3)), ...own, question(2, 70, 5)]);
  expect(more.completions.slice(5, 9)).toEqual(alone.completions);
  const bits = (rows: Float32Array[]) => rows.map((row) => Buffer.from(row.buffer).toString('hex'));
  const known = new Set(bits(more.logits));
  expect(bits(alone.logits).every((row) => known.has(row))).toBe(true);
});

it('reads the prompt of many samples once, and a shared beginning once for all samples', async () => {
  const { family: _family, ...single } = question(0, 0, 5, 7);
  expect((await run([single])).read).toBe(35);
  const samples = [question(0, 0, 5, 3), question(0, 1, 4, 4)];
  const shared = await run(samples);
  expect(shared.read).toBe(30 + 5 + 4);
  expect(shared.completions).toEqual((await run(samples, nothing)).completions);
});
