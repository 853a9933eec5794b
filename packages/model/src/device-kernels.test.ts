/** Pipelines are compiled once a device, however many models it has. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { smallConfig, smallWeights, watchDevice } from './fixture.ts';
import { Model } from './model.ts';
import { scoreTokens } from './sampling/inference.ts';

let gpu: Gpu;
beforeAll(async () => void (gpu = await openGpu()));
afterAll(() => gpu.close());

it('shares compiled pipelines between models of one device, also where one is gone', async () => {
  const { created } = watchDevice(gpu.device);
  const compiled: number[] = [];
  const scores: unknown[] = [];
  for (const halfOperands of [false, false, true]) {
    const before = created.createComputePipeline;
    const model = new Model(gpu, smallConfig, { halfOperands });
    model.write(smallWeights(smallConfig));
    scores.push(await scoreTokens(model, null, [[1, 5, 7, 2]]));
    model.destroy();
    compiled.push(created.createComputePipeline - before);
  }
  expect(compiled[0]).toBeGreaterThan(5);
  expect(compiled[1]).toBe(0);
  // Another choice of variants has pipelines of its own.
  expect(compiled[2]).toBe(compiled[0]);
  expect(scores[1]).toEqual(scores[0]);
});
