/** Packing changes nothing: adapters trained side by side are the adapters trained one at a time. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { stream } from '@seal/domains';
import { InnerLoop, loraConfig, type Adaptation } from '@seal/trainer';
import { initialAdapter, loraLayout } from '@seal/model';
import { config, openWorld } from './world.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

const COUNT = 8;

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
      learningRate: 0.002 * (1 + e),
      random: stream(9, 'packed', e),
    };
  };
  const limits = { tokensPerStep: 2_048, steps: 16 };
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

it('stops an adapter whose loss is not finite and lets the others go on', async () => {
  const { model, codec } = openWorld(gpu);
  const lora = loraConfig(config.inner.lora);
  const loop = new InnerLoop(model, lora, { packSize: 2, tokensPerStep: 512, steps: 12 }, config.inner);
  const job = (learningRate: number): Adaptation => ({
    documents: [codec.document({ prompt: '', text: 'gecko counts as reptile' })],
    replay: [],
    steps: 12,
    learningRate,
    random: stream(3, 'broken'),
  });
  const [broken, sound] = await loop.adapt([job(1e30), job(0.01)]);
  expect(broken).toMatchObject({ status: 'non-finite', cause: expect.stringContaining('not finite') });
  expect(sound).toMatchObject({ status: 'ok', cause: null });
  const [alone] = await loop.adapt([job(0.01)]);
  expect(Buffer.from(sound!.values.buffer).equals(Buffer.from(alone!.values.buffer))).toBe(true);
  loop.destroy();
  model.destroy();
});
