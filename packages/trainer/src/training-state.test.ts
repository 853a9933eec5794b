import { expect, it } from 'vitest';
import { writeSafetensors } from '@seal/model';
import { decodeTrainingState, encodeTrainingState, type TrainingState } from './training-state.ts';

const state: TrainingState = {
  step: 7,
  optimiser: { m: Float32Array.of(1, -2.5, 3e-38), v: Float32Array.of(0, 1e-20, 4), steps: 7 },
  tensors: new Map([
    ['model.norm.weight', Float32Array.of(0.1, 0.2)],
    ['trained.twice', Float32Array.of(-0)],
  ]),
};
const bytes = new Uint8Array(encodeTrainingState(state));

it('gives back the bits that it was given', () => {
  expect(decodeTrainingState(bytes, 'x')).toEqual(state);
});

it('reads the names that a pretraining once gave to weights', () => {
  const older = { ...state, tensors: new Map([['model.norm.weight', Float32Array.of(1)]]) };
  const text = Buffer.from(encodeTrainingState(older)).toString('latin1').replace('trained.', 'weights.');
  expect(decodeTrainingState(new Uint8Array(Buffer.from(text, 'latin1')), 'x')).toEqual(older);
});

it('refuses files that are cut off, of another kind or without moments', () => {
  expect(() => decodeTrainingState(bytes.slice(0, -4), 'x')).toThrow(/^Cannot read x: /);
  expect(() => decodeTrainingState(new TextEncoder().encode('not a file of tensors'), 'x')).toThrow(/^Cannot read x: /);
  const alone = new Uint8Array(writeSafetensors([['step', { shape: [1], data: Float32Array.of(3) }]]));
  expect(() => decodeTrainingState(alone, 'x')).toThrow('Cannot read x: tensor m is missing');
});
