/** A device that is lost right after a step was submitted: training fails by name and repeats its bits on another device. */

import { describe, expect, it } from 'vitest';
import { DeviceLostError, openGpu, type Gpu } from '@seal/device';
import { DEFAULT_PRETRAINING, pretrainingStep } from '@seal/tiny';
import { InnerLoop, loraConfig, pretrain, weightsDigest, type Adaptation, type PretrainingState } from '@seal/trainer';
import { config, openWorld } from './world.ts';

/** Destroys the device right after its `count`-th submit from now on; tells whether that came. */
function loseAfter(gpu: Gpu, count: number): () => boolean {
  const { queue } = gpu.device;
  const submit = queue.submit.bind(queue);
  let submits = 0;
  Object.defineProperty(queue, 'submit', {
    value: (commands: Iterable<GPUCommandBuffer>) => {
      submit(commands);
      submits += 1;
      if (submits === count) gpu.device.destroy();
    },
  });
  return () => submits >= count;
}

describe('a device lost after a submit', () => {
  const settings = { ...DEFAULT_PRETRAINING, steps: 30, tokensPerStep: 256, warmUpSteps: 5, learningRate: 5e-3 };
  const documents = (step: number) => pretrainingStep(step, { seed: 2, totalSteps: settings.steps, maxTokens: 256 });

  /** Pretrains on a device of its own; what came of it, and the last state saved. */
  async function train(from: PretrainingState | null, submits: number) {
    const gpu = await openGpu();
    const { model, executor } = openWorld(gpu);
    await executor.close();
    const lost = loseAfter(gpu, submits);
    const losses: number[] = [];
    const saved: PretrainingState[] = [];
    const outcome = await pretrain(model, documents, settings, {
      ...(from && { from }),
      saveEvery: 10,
      save: async (state) => {
        saved.push(state);
      },
      onSteps: (first, own) => own.forEach((loss, i) => (losses[first + i] = loss)),
    }).then(
      () => 'complete',
      (error: unknown) => error,
    );
    model.destroy();
    gpu.close();
    return { outcome, losses, state: saved.at(-1) ?? null, lost: lost() };
  }

  it('leaves a pretraining that goes on from its last state with the same bits', async () => {
    const whole = await train(null, Infinity);
    expect(whole).toMatchObject({ outcome: 'complete', lost: false, state: { step: 30 } });
    // The submits of a step are one; a save and a look at the losses add a few.
    const broken = await train(null, 18);
    expect(broken.lost).toBe(true);
    expect(broken.outcome).toBeInstanceOf(DeviceLostError);
    expect(broken.state?.step).toBe(10);
    expect(broken.losses).toEqual(whole.losses.slice(0, 10));
    const second = await train(broken.state, Infinity);
    expect(second.outcome).toBe('complete');
    expect(second.losses.slice(10)).toEqual(whole.losses.slice(10));
    expect(weightsDigest(second.state!.weights)).toBe(weightsDigest(whole.state!.weights));
    expect(second.state!.optimiser).toEqual(whole.state!.optimiser);
  });

  it('leaves adapters that train again to the same bits', async () => {
    const adapt = async (submits: number) => {
      const gpu = await openGpu();
      const { model, codec, input, executor } = openWorld(gpu);
      await executor.close();
      const adaptation = (e: number): Adaptation => ({
        documents: [codec.document({ prompt: '', text: input.rounds.flat()[e]!.text })],
        replay: [],
        steps: 9,
        rate: { learningRate: 0.01, schedule: 'constant', warmUpSteps: 0 },
        stream: [4, 'lost', e],
      });
      const inner = new InnerLoop(model, loraConfig(config.inner.lora), { packSize: 2, tokensPerStep: 1_024 }, config.inner);
      const lost = loseAfter(gpu, submits);
      const outcome = await inner.adapt([adaptation(0), adaptation(1)]).then(
        (adapted) => adapted.map(({ values, lastLoss }) => ({ values: Array.from(values), lastLoss })),
        (error: unknown) => error,
      );
      inner.destroy();
      model.destroy();
      gpu.close();
      return { outcome, lost: lost() };
    };
    const whole = await adapt(Infinity);
    expect(whole.outcome).toHaveLength(2);
    for (const submits of [1, 6]) {
      const broken = await adapt(submits);
      expect(broken.lost).toBe(true);
      expect(broken.outcome).toBeInstanceOf(DeviceLostError);
    }
    expect((await adapt(Infinity)).outcome).toEqual(whole.outcome);
  });
});
