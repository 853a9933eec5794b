import { describe, expect, it } from 'vitest';
import type { RewardRecord } from '@seal/runs';
import { gainOf, likelihoodMeasure, rankCorrelation } from './likelihood.ts';

const reward = (own: Partial<RewardRecord>): RewardRecord => ({
  key: 'k', round: 1, phase: 'rl', condition: null, contextId: 'a', selfEditId: 'e', group: ['a'], adapterDigest: null, correct: 0, questions: 4,
  reward: 0, repeat: 0, steps: 1, trainedTokens: 1, firstLoss: 1, lastLoss: 1, status: 'ok', cause: null, ...own,
});

describe('the rank correlation', () => {
  // scipy.stats.spearmanr (SciPy 1.17.1) of the same numbers.
  it.each<[string, number[], number[], number]>([
    ['of an order', [1, 2, 3, 4], [10, 20, 25, 90], 1],
    ['of its reverse', [1, 2, 3, 4], [4, 3, 2, 1], -1],
    ['with ties', [0.1, 0.4, 0.2, 0.9, 0.4], [0, 0.5, 0.5, 1, 0], 0.6488856845230502],
    ['without order', [3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8, 1, 8], 0.19885368120992467],
  ])('%s is that of SciPy', (_, a, b, expected) => expect(rankCorrelation(a, b)).toBeCloseTo(expected, 12));

  it('is nothing where one side does not vary', () => expect(rankCorrelation([1, 2], [5, 5])).toBeNull());
});

describe('what a run says of the likelihood', () => {
  it('is nothing where none was scored', () => expect(likelihoodMeasure([reward({})])).toBeNull());

  it('is reliable as far as repeats agree, and agrees within contexts alone', () => {
    const edits = [['x', -3, -3.1, 0.25], ['y', -2, -2.1, 0.5], ['z', -1, -1.1, 1]] as const;
    // The second context is easier in both and reversed: across contexts the order would be the first one's.
    const rewards = ['a', 'b'].flatMap((contextId, c) =>
      edits.flatMap(([selfEditId, once, again, share]) =>
        [once, again].map((likelihood, repeat) =>
          reward({ contextId, selfEditId, repeat, likelihood: c === 0 ? likelihood : 10 - likelihood, reward: share }),
        ),
      ),
    );
    const measure = likelihoodMeasure(rewards);
    // By hand: within-edit variance 0.005, of the mean of two 0.0025; between edits 1.
    expect(measure?.reliability).toBeCloseTo(1 - 0.0025, 12);
    expect(measure).toMatchObject({ accuracyReliability: 1, repeats: 2, agreementContexts: 2 });
    expect(measure?.agreement).toBeCloseTo(0, 12);
  });

  it('has no agreement where no answers were written', () => {
    const measure = likelihoodMeasure([reward({ likelihood: -1, questions: 0 }), reward({ likelihood: -2, questions: 0, selfEditId: 'f' })]);
    expect(measure).toEqual({ reliability: null, accuracyReliability: null, repeats: 1, agreement: null, agreementContexts: 0 });
  });
});

it('a gain is one over the weights as they are', () => {
  expect(gainOf(reward({ likelihood: -1.5 }), -2)).toBe(0.5);
  expect(gainOf(reward({}), -2)).toBeNull();
  expect(gainOf(reward({ likelihood: -1.5 }), null)).toBeNull();
});
