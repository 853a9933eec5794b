/** The preset `squad-small`: the passages of `squad` in numbers that two cores can pay for with a model of some 135 million parameters. */

import type { SealConfig } from '@seal/trainer';
import type { Preset } from './preset.ts';
import { squad, squadConfig } from './squad.ts';

/**
 * Adapters of rank 16 on the upper third of 30 layers, 24 steps each, rewarded by how likely they make the gold answers, which
 * nothing is decoded for; the table writes answers, has a row that reads the passage and one that trains on the questions with
 * their answers. The rate is that of `squad`.
 */
export const squadSmallConfig: SealConfig = {
  ...squadConfig,
  inner: {
    ...squadConfig.inner,
    lora: { rank: 16, alpha: 32, targets: 'all', layers: [20, 21, 22, 23, 24, 25, 26, 27, 28, 29] },
    steps: 24,
    tokensPerStep: 1_024,
    maxAnswerTokens: 24,
  },
  outer: {
    ...squadConfig.outer,
    rounds: 1,
    contexts: 6,
    samples: 2,
    maxSelfEditTokens: 192,
    repeats: 1,
    reward: 'likelihood',
    answers: 'skipped',
    selection: { threshold: 'none', ties: 'random' },
    sft: { lora: { rank: 16, alpha: 32, targets: 'all' }, learningRate: 3e-4, epochs: 2, batchSize: 4, tokensPerStep: 2_048 },
  },
  evaluation: { contexts: 12, repeats: 1, randomSelection: false, oracle: true, reading: true },
};

export const squadSmall: Preset = { ...squad, config: squadSmallConfig };
