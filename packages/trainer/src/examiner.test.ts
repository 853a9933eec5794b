import { expect, it } from 'vitest';
import { chosenTraining } from './examiner.ts';
import { presets } from './presets.ts';

const inner = { ...presets.squad.inner, documentsPerStep: 2, learningRate: 1e-3 };
const chosen = (settings?: object) => chosenTraining(80, inner, 9, settings);

it('trains as configured where a self-edit chooses nothing', () => {
  expect(chosen()).toEqual({ steps: 80, learningRate: 1e-3 });
  expect(chosen({})).toEqual({ steps: 80, learningRate: 1e-3 });
});

it('walks over all documents as often as a self-edit asks, at its rate', () => {
  expect(chosen({ epochs: 3, learningRate: 2e-4 })).toEqual({ steps: 14, learningRate: 2e-4 });
  expect(chosen({ epochs: 0 })).toEqual({ steps: 0, learningRate: 1e-3 });
});

it('bounds both, whatever the domain let through', () => {
  expect(chosen({ epochs: 1e9, learningRate: 5 })).toEqual({ steps: 320, learningRate: 1e-2 });
  expect(chosen({ epochs: NaN, learningRate: NaN })).toEqual({ steps: 80, learningRate: 1e-3 });
  expect(chosen({ epochs: -1, learningRate: -1 })).toEqual({ steps: 80, learningRate: 1e-3 });
  expect(chosenTraining(0, inner, 9, { epochs: 3 }).steps).toBe(0);
});
