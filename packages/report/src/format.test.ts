import { expect, it } from 'vitest';
import { counted, duration, mean, percent, points, words } from './format.ts';

it('writes fractions as percentages and differences with their sign', () => {
  expect([percent(0.26649), percent(0), percent(1)]).toEqual(['26.6', '0.0', '100.0']);
  expect([points(0.1749), points(-0.02), points(-0.02, '-'), points(-0.0001)]).toEqual([
    '+17.5',
    '−2.0',
    '-2.0',
    '0.0',
  ]);
});

it('writes durations in two units at most and never 60 seconds or minutes', () => {
  expect([0, 9.94, 59.4, 59.6, 185, 3599.7, 7800, 7199].map(duration)).toEqual([
    '0.0 s',
    '9.9 s',
    '59 s',
    '1 min 00 s',
    '3 min 05 s',
    '1 h 00 min',
    '2 h 10 min',
    '2 h 00 min',
  ]);
});

it('counts, takes keys apart and averages', () => {
  expect([counted(1, 'passage'), counted(0, 'passage'), counted(12000, 'step')]).toEqual([
    '1 passage',
    '0 passages',
    '12,000 steps',
  ]);
  expect([words('contextsPerAdapter'), words('reward-spread')]).toEqual(['contexts per adapter', 'reward spread']);
  expect([mean([1, 2, 6]), mean([])]).toEqual([3, null]);
});
