/** Pipelines are compiled once a device, however many models it has. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { smallConfig, smallWeights, watchDevice } from './fixture.ts';
import { Model } from './model.ts';
import { scoreTokens } from './sampling/inference.ts';

let gpu: Gpu;
beforeAll(async () => void (gpu = await openGpu()));
afterAll(() => gpu.close());

it('are shared by models side by side and by those that come later', async () => {
  const { created } = watchDevice(gpu.device);
  const score = async (model: Model) => {
    model.write(smallWeights(smallConfig));
    return scoreTokens(model, null, [[1, 5, 7, 2]]);
  };
  const first = new Model(gpu, smallConfig);
  const scores = await score(first);
  const compiled = created.createComputePipeline;
  expect(compiled).toBeGreaterThan(5);
  const second = new Model(gpu, smallConfig);
  expect(await score(second)).toEqual(scores);
  first.destroy();
  second.destroy();
  const later = new Model(gpu, smallConfig);
  expect(await score(later)).toEqual(scores);
  later.destroy();
  expect(created.createComputePipeline).toBe(compiled);
});
