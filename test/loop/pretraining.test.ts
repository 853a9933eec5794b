/** Pretraining learns, and a pretraining that was stopped ends in the same bytes as one that was not. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { DEFAULT_PRETRAINING, pretrainingStep } from '@seal/tiny';
import { pretrain, weightsDigest, type PretrainingState } from '@seal/trainer';
import { openWorld } from './world.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

const settings = { ...DEFAULT_PRETRAINING, steps: 40, tokensPerStep: 512, warmUpSteps: 5, learningRate: 5e-3 };
const documents = (step: number) => pretrainingStep(step, { seed: 2, totalSteps: settings.steps, maxTokens: 512 });

/** Losses by step and the last saved state; stops after `stopAt` steps. */
async function train(from?: PretrainingState, stopAt = Infinity) {
  const { model, executor } = openWorld(gpu);
  await executor.close();
  const losses: number[] = [];
  const controller = new AbortController();
  let state: PretrainingState | undefined;
  const running = pretrain(model, documents, settings, {
    ...(from && { from }),
    saveEvery: 1_000,
    save: async (saved) => {
      state = saved;
    },
    onSteps(first, own) {
      own.forEach((loss, i) => (losses[first + i] = loss));
      if (first + own.length >= stopAt) controller.abort(new Error('stopped by the test'));
    },
    signal: controller.signal,
  });
  if (stopAt < settings.steps) await expect(running).rejects.toThrow('stopped by the test');
  else await running;
  model.destroy();
  return { losses, state: state as unknown as PretrainingState };
}

it('learns, and goes on after a stop with the same bits', async () => {
  const whole = await train();
  expect(whole.losses).toHaveLength(settings.steps);
  expect(whole.state.step).toBe(settings.steps);
  const mean = (losses: number[]) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  expect(mean(whole.losses.slice(-5))).toBeLessThan(0.8 * mean(whole.losses.slice(0, 5)));

  const first = await train(undefined, 20);
  expect(first.state.step).toBe(20);
  const second = await train(first.state);
  expect(second.losses.slice(20)).toEqual(whole.losses.slice(20));
  expect(weightsDigest(second.state.weights)).toBe(weightsDigest(whole.state.weights));
});
