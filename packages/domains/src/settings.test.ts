import { describe, expect, it } from 'vitest';
import { boundSettings } from './settings.ts';

const bounds = { learningRate: [1e-5, 1e-2], epochs: [1, 10] } as const;

describe('boundSettings', () => {
  it('takes what is within the bounds as it is', () => {
    expect(boundSettings({ learningRate: 1e-3, epochs: 3 }, bounds)).toEqual({ settings: { learningRate: 1e-3, epochs: 3 }, rejected: [] });
    expect(boundSettings({}, bounds)).toEqual({ settings: {}, rejected: [] });
    expect(boundSettings({ learningRate: 1e-2, epochs: 1 }, bounds).rejected).toEqual([]);
  });

  it('clamps what is beyond them and says so', () => {
    expect(boundSettings({ learningRate: 5, epochs: 0 }, bounds)).toEqual({
      settings: { learningRate: 1e-2, epochs: 1 },
      rejected: [{ reason: 'learningRate above 0.01', count: 1 }, { reason: 'epochs below 1', count: 1 }],
    });
    expect(boundSettings({ learningRate: -Number.MAX_VALUE, epochs: Number.MAX_VALUE }, bounds).settings).toEqual({ learningRate: 1e-5, epochs: 10 });
  });

  it.each([NaN, Infinity, -Infinity, '3', null, true, [3], {}, 2n])('leaves %s out and says so', (value) => {
    const { settings, rejected } = boundSettings({ epochs: value, learningRate: value }, bounds);
    expect(settings).toEqual({});
    expect(rejected.map(({ reason }) => reason)).toEqual(['learningRate is no number', 'epochs is no whole number']);
  });

  it('leaves out a fraction of an epoch, and what may not be chosen', () => {
    expect(boundSettings({ epochs: 1.5 }, bounds).rejected).toEqual([{ reason: 'epochs is no whole number', count: 1 }]);
    expect(boundSettings({ learningRate: 1e-3 }, { epochs: [1, 2] })).toEqual({ settings: {}, rejected: [{ reason: 'learningRate may not be chosen', count: 1 }] });
  });
});
