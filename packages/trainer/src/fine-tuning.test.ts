/** The order of examples: every epoch all of them, the same from wherever it is asked; and what cannot be trained on. */

import { expect, it } from 'vitest';
import type { Model } from '@seal/model';
import { batchOrder, fineTuneAdapter, stepsPerEpoch, type FineTuningSettings } from './fine-tuning.ts';

it.each([[7, 2], [6, 3], [1, 4], [5, 5], [9, 1]])('goes through %i documents in batches of %i', (count, batchSize) => {
  const perEpoch = stepsPerEpoch(count, batchSize);
  const order = batchOrder(count, batchSize, 3);
  for (let epoch = 0; epoch < 3; epoch++) {
    const batches = Array.from({ length: perEpoch }, (_, i) => order(epoch * perEpoch + i));
    expect(batches.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(batches.slice(0, -1).every(({ length }) => length === batchSize)).toBe(true);
  }
});

it('is the same from any step on, another in another epoch and for another seed', () => {
  const whole = batchOrder(20, 3, 1);
  const steps = Array.from({ length: 21 }, (_, step) => whole(step));
  const later = batchOrder(20, 3, 1);
  for (const step of [20, 3, 13]) expect(later(step)).toEqual(steps[step]);
  expect(steps.slice(0, 7)).not.toEqual(steps.slice(7, 14));
  expect(batchOrder(20, 3, 2)(0)).not.toEqual(steps[0]);
});

it('refuses no examples and a batch that does not fit, naming the setting as the configuration does', async () => {
  const settings: FineTuningSettings = {
    learningRate: 1, schedule: 'constant', warmUpSteps: 0, steps: 2, order: (step) => [step], tokens: 16, recompute: false,
  };
  // What is refused is refused before anything is asked of the model.
  const train = (lengths: readonly number[], own: Partial<FineTuningSettings> = {}) => {
    const documents = lengths.map((length) => ({ tokens: Array.from({ length }, () => 3) }));
    const start = { step: 0, values: new Float32Array() };
    return fineTuneAdapter({} as Model, { rank: 1, alpha: 1, targets: ['self_attn.q_proj'] }, documents, { ...settings, ...own }, start, { onSteps: () => {} });
  };
  await expect(train([])).rejects.toThrow(new RangeError('Cannot fine-tune on no examples'));
  await expect(train([8, 17])).rejects.toThrow(new RangeError('Cannot fine-tune on a batch of 24 tokens: `tokensPerStep` is 16'));
  await expect(train([8, 17], { setting: 'outer.sft' })).rejects.toThrow('Cannot fine-tune on a batch of 24 tokens: `outer.sft.tokensPerStep` is 16');
});
