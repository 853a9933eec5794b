/** Packing changes nothing: adapters trained side by side are the adapters trained one at a time. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { stream } from '@seal/files';
import { openGpu, type Gpu } from '@seal/device';
import { InnerLoop, loraConfig, type Adaptation, type Adapted, type Codec } from '@seal/trainer';
import { initialAdapter, loraLayout, type AdapterValues } from '@seal/model';
import { config, openWorld } from './world.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

const COUNT = 8;
const constant = { schedule: 'constant', warmUpSteps: 0 } as const;

it('trains 8 packed adapters as 8 solo runs', async () => {
  const { model, codec, input } = openWorld(gpu);
  const lora = loraConfig(config.inner.lora);
  const layout = loraLayout(model.config, lora);
  // Different lengths, steps and learning rates in one pack.
  const adaptation = (e: number): Adaptation => {
    const context = input.rounds.flat()[e % 8]!;
    const lines = context.text.split(' . ').slice(0, 1 + (e % 4)).map((text) => ({ prompt: '', text }));
    return {
      documents: lines.map((line) => codec.document(line)),
      replay: e % 2 === 0 ? [] : [codec.document({ prompt: '', text: 'gecko counts as reptile' })],
      steps: 3 + e,
      rate: { ...constant, learningRate: 0.002 * (1 + e) },
      stream: [9, 'packed', e],
    };
  };
  const limits = { tokensPerStep: 2_048 };
  const packed = new InnerLoop(model, lora, { ...limits, packSize: COUNT }, config.inner);
  const together = await packed.adapt(Array.from({ length: COUNT }, (_, e) => adaptation(e)));
  expect(together).toHaveLength(COUNT);
  packed.destroy();
  const solo = new InnerLoop(model, lora, { ...limits, packSize: 1 }, config.inner);
  for (let e = 0; e < COUNT; e++) {
    const [alone] = await solo.adapt([adaptation(e)]);
    const random = stream(9, 'packed', e);
    const start = initialAdapter(layout, lora.rank, () => random.next());
    let difference = 0;
    let norm = 0;
    alone!.values.forEach((value, i) => {
      difference += (value - together[e]!.values[i]!) ** 2;
      norm += (value - start[i]!) ** 2;
    });
    expect(norm).toBeGreaterThan(0);
    expect(Math.sqrt(difference / norm), `adapter ${e}`).toBeLessThanOrEqual(1e-5);
    expect(together[e]!.lastLoss).toBeCloseTo(alone!.lastLoss!, 5);
    expect(together[e]!.steps).toBe(3 + e);
  }
  solo.destroy();
  model.destroy();
});

const sentences = [
  'gecko counts as reptile',
  'amber counts as colour and reptile counts as animal',
  'the oldest of them lives in the north and works in the south',
  'gecko',
];

/** Adaptation e of a mixed lot: other documents, steps, learning rates and ranks up to 16. */
function mixed(codec: Codec, e: number, more: Partial<Adaptation> = {}): Adaptation {
  return {
    documents: sentences.slice(0, 1 + (e % 4)).map((text) => codec.document({ prompt: '', text })),
    replay: e % 3 === 0 ? [codec.document({ prompt: '', text: sentences[2]! })] : [],
    steps: 2 + ((5 * e) % 11),
    rate: { ...constant, learningRate: 0.002 * (1 + e) },
    ...(e % 2 === 1 && { lora: { rank: 3 + e, alpha: 10 + e } }),
    stream: [9, 'mixed', e],
    ...more,
  };
}

const bytes = ({ values, ...rest }: Adapted) => ({ ...rest, values: Buffer.from(values.buffer).toString('hex') });

it('gives the same bits whatever shares the steps, in whichever slot and from whenever on', async () => {
  const { model, codec } = openWorld(gpu);
  const lora = loraConfig(config.inner.lora);
  const all = (order: readonly number[]) => order.map((e) => mixed(codec, e));
  const train = async (packSize: number, tokensPerStep: number, order: readonly number[]) => {
    const loop = new InnerLoop(model, lora, { packSize, tokensPerStep }, config.inner);
    const adapted = await loop.adapt(all(order));
    loop.destroy();
    return new Map(order.map((e, i) => [e, bytes(adapted[i]!)]));
  };
  const order = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const roomy = await train(10, 2_048, order);
  expect(new Set([...roomy.values()].map(({ values }) => values)).size).toBe(order.length);
  // Slots are refilled, and some steps have no room for everybody.
  expect(await train(3, 2_048, order)).toEqual(roomy);
  expect(await train(4, 160, order.toReversed())).toEqual(new Map([...roomy].toReversed()));
  for (const e of [0, 3, 7]) expect(await train(1, 2_048, [e])).toEqual(new Map([[e, roomy.get(e)]]));
  model.destroy();
});

it('trains an adapter of smaller rank in a pack as in one of its own rank', async () => {
  const { model, codec } = openWorld(gpu);
  const lora = loraConfig(config.inner.lora);
  const wide = new InnerLoop(model, lora, { packSize: 2, tokensPerStep: 1_024 }, config.inner);
  for (const own of [{ rank: 4, alpha: 24 }, { rank: 5, alpha: 1 }]) {
    const job = () => mixed(codec, 3, { steps: 10, lora: own, stream: [9, 'narrow'] });
    const [, packed] = await wide.adapt([mixed(codec, 2, { steps: 12 }), job()]);
    // What lies in the slot beyond the adapter's rank is exactly zero after ten steps.
    const row = (await wide.pack.read(2))[1]!;
    for (const { inner, out, offsetA, offsetB } of wide.pack.layout.places) {
      const beyond = (offset: number, width: number) => row.subarray(offset + own.rank * width, offset + lora.rank * width);
      expect(beyond(offsetA, inner).every((value) => value === 0)).toBe(true);
      expect(beyond(offsetB, out).every((value) => value === 0)).toBe(true);
      expect(row.subarray(offsetB, offsetB + own.rank * out).every((value) => value !== 0)).toBe(true);
    }
    const narrow = new InnerLoop(model, { ...lora, ...own }, { packSize: 1, tokensPerStep: 1_024 }, config.inner);
    const [alone] = await narrow.adapt([job()]);
    const random = stream(9, 'narrow');
    const start = initialAdapter(loraLayout(model.config, { ...lora, ...own }), own.rank, () => random.next());
    const distance = (a: AdapterValues, b: AdapterValues) => Math.hypot(...a.map((value, i) => value - b[i]!));
    expect(packed!.values).toHaveLength(alone!.values.length);
    expect(distance(alone!.values, start)).toBeGreaterThan(0);
    expect(distance(packed!.values, alone!.values) / distance(alone!.values, start)).toBeLessThanOrEqual(1e-5);
    expect(packed!.lora).toEqual(own);
    narrow.destroy();
  }
  wide.destroy();
  model.destroy();
});

it('stops an adapter whose loss is not finite and lets the others go on', async () => {
  const { model, codec } = openWorld(gpu);
  const lora = loraConfig(config.inner.lora);
  const loop = new InnerLoop(model, lora, { packSize: 2, tokensPerStep: 512 }, config.inner);
  const job = (learningRate: number, steps = 40): Adaptation => ({
    documents: [codec.document({ prompt: '', text: 'gecko counts as reptile' })],
    replay: [],
    steps,
    rate: { ...constant, learningRate },
    stream: [3, 'broken'],
  });
  const [alone] = await loop.adapt([job(0.01)]);
  const perStep = loop.use.content / 40;
  const [broken, sound, next] = await loop.adapt([job(1e30), job(0.01), job(0.01, 1)]);
  const brokenSteps = loop.use.content / perStep - 40 - 40 - 1;
  expect(broken).toMatchObject({ status: 'non-finite', cause: expect.stringMatching(/^the loss of step [1-3] is not finite$/), lastLoss: null });
  expect(sound).toMatchObject({ status: 'ok', cause: null });
  expect(next).toMatchObject({ status: 'ok' });
  expect(bytes(sound!)).toEqual(bytes(alone!));
  // The steps up to the broken one, and at most two groups of four, were submitted before it was noticed; then it was
  // trained again up to the broken step.
  const step = Number(/\d+/.exec(broken!.cause!)![0]);
  expect(brokenSteps).toBeGreaterThanOrEqual(step + 1 + step);
  expect(brokenSteps).toBeLessThanOrEqual(8 + step);
  const [before] = await loop.adapt([job(1e30, step)]);
  expect(Buffer.from(broken!.values.buffer).equals(Buffer.from(before!.values.buffer))).toBe(true);
  loop.destroy();
  model.destroy();
});

it('says how many tokens it computed for how many tokens of documents', async () => {
  const { model } = openWorld(gpu);
  const loop = new InnerLoop(model, loraConfig(config.inner.lora), { packSize: 3, tokensPerStep: 128 }, { documentsPerStep: 1, replayPerStep: 0 });
  const job = (e: number, length: number, steps: number): Adaptation => ({
    documents: [{ tokens: Array.from({ length }, (_, i) => 3 + i) }],
    replay: [],
    steps,
    rate: { ...constant, learningRate: 0.01 },
    stream: [3, 'use', e],
  });
  await loop.adapt([job(0, 5, 1), job(1, 33, 4), job(2, 32, 2)]);
  // Tiles of 32: one, two and one a step; a slot that nobody uses costs nothing.
  expect(loop.use).toEqual({ content: 5 + 4 * 33 + 2 * 32, computed: 32 + 4 * 64 + 2 * 32 });
  loop.destroy();
  model.destroy();
});

it('asks nothing of adaptations without steps, and refuses what fits nowhere', async () => {
  const { model, codec } = openWorld(gpu);
  const lora = loraConfig(config.inner.lora);
  const loop = new InnerLoop(model, lora, { packSize: 2, tokensPerStep: 64 }, config.inner);
  expect(await loop.adapt([])).toEqual([]);
  const [untrained] = await loop.adapt([mixed(codec, 0, { steps: 0 })]);
  expect(untrained).toMatchObject({ steps: 0, trainedTokens: 0, firstLoss: null, status: 'ok' });
  expect(loop.use).toEqual({ content: 0, computed: 0 });
  const long = { tokens: Array.from({ length: 70 }, () => 5) };
  await expect(loop.adapt([mixed(codec, 0, { documents: [long] })])).rejects.toThrow('tokensPerStep is 64');
  await expect(loop.adapt([mixed(codec, 0, { lora: { rank: 17, alpha: 1 } })])).rejects.toThrow('the pack was made for ranks up to 16');
  await expect(loop.adapt([mixed(codec, 0, { documents: [] })])).rejects.toThrow('Cannot adapt without documents');
  loop.destroy();
  model.destroy();
});
