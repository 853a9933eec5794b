/** What counts as the same, and what does not. */

import { expect, it } from 'vitest';
import { compareAnswers, type Answers } from './export-check.ts';

type Place = readonly (readonly [token: number, logProbability: number])[];
const answers = (...places: readonly Place[]): Answers => ({
  prompts: ['a prompt'],
  completions: [{ tokens: places.map(([first]) => first?.[0] ?? -1), finish: 'length', topLogProbabilities: places }],
});
const original = answers([[5, -0.1], [6, -2.5]], [[7, -0.7], [8, -0.72]], [[9, -0.2], [1, -3]]);

it('the same tokens are the same, up to what rounding does to their log-probabilities', () => {
  const near = answers([[5, -0.12], [6, -2.4]], [[7, -0.7], [8, -0.72]], [[9, -0.2], [1, -3]]);
  expect(compareAnswers(original, near, 0.2)).toMatchObject({ prompts: 1, tokens: 3, partings: [], largestDifference: expect.closeTo(0.1, 9) as number });
  expect(() => compareAnswers(original, near, 0.05)).toThrow('log-probabilities differ from the model\'s by 0.100 nats (bound 0.05)');
});

it('another token is told of where both were as likely, and is a fault where they were not', () => {
  const tie = answers([[5, -0.1], [6, -2.5]], [[8, -0.7], [7, -0.71]], [[3, -0.2], [1, -3]]);
  expect(compareAnswers(original, tie, 0.1)).toMatchObject({ tokens: 1, partings: [{ prompt: 'a prompt', after: 1, margin: expect.closeTo(0.02, 9) as number }] });
  const other = answers([[6, -2.4], [5, -2.5]], [[8, -0.7]], [[3, -0.2]]);
  expect(() => compareAnswers(original, other, 0.5)).toThrow(/goes on otherwise after 0 tokens, where the model preferred its own token by 2\.400 nats/);
  const stranger = answers([[99, -0.1], [5, -0.2]], [[8, -0.7]], [[3, -0.2]]);
  expect(() => compareAnswers(original, stranger, 0.5)).toThrow('by Infinity nats');
});
