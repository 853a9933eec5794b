/** Whole configurations by name, and what a mode changes in them. */

import type { Mode } from '@seal/runs';
import { parseSealConfig, type SealConfig } from './config.ts';

/**
 * The tiny model on a machine without a GPU: two rounds and the whole table in minutes. Best of M per context without a
 * threshold, four contexts an adapter, a fixed budget of steps for every adaptation.
 */
const tiny: SealConfig = {
  inner: {
    lora: { rank: 16, alpha: 32, targets: 'all' },
    learningRate: 3e-3,
    steps: 96,
    documentsPerStep: 4,
    replayPerStep: 2,
    contextsPerAdapter: 4,
    packSize: 32,
    tokensPerStep: 4_096,
    trainOnPadding: false,
    maxAnswerTokens: 4,
  },
  outer: {
    rounds: 2,
    contexts: 16,
    samples: 8,
    temperature: 1,
    topP: 1,
    maxSelfEditTokens: 192,
    repeats: 1,
    selection: { threshold: 'none', ties: 'random' },
    sft: {
      lora: { rank: 16, alpha: 32, targets: 'all' },
      learningRate: 2e-3,
      epochs: 6,
      batchSize: 4,
      tokensPerStep: 2_048,
    },
  },
  evaluation: { contexts: 24, repeats: 1, randomSelection: true, oracle: true },
  keepAdapters: true,
};

/**
 * Passages of one's own and a model that reads them: the numbers of the paper's single-passage runs (rank 32 and alpha
 * 64 at 1e-3, best of five over three repeats, 50 passages a round, 200 held out) where they are feasible. It departs in
 * two: every adaptation takes 80 steps, the paper's average, at a constant rate, so that a longer self-edit is not more
 * training; and a self-edit may have 1,024 tokens, not 8,192, of which the recorded ones use a third.
 */
const squad: SealConfig = {
  inner: {
    lora: { rank: 32, alpha: 64, targets: 'all' },
    learningRate: 1e-3,
    steps: 80,
    documentsPerStep: 1,
    replayPerStep: 0,
    contextsPerAdapter: 1,
    packSize: 8,
    tokensPerStep: 2_048,
    trainOnPadding: false,
    maxAnswerTokens: 64,
  },
  outer: {
    rounds: 2,
    contexts: 50,
    samples: 5,
    temperature: 1,
    topP: 0.95,
    maxSelfEditTokens: 1_024,
    repeats: 3,
    selection: { threshold: 'beats-baselines', ties: 'random' },
    sft: {
      lora: { rank: 64, alpha: 128, targets: 'all' },
      learningRate: 3e-4,
      epochs: 2,
      batchSize: 10,
      tokensPerStep: 16_384,
    },
  },
  evaluation: { contexts: 200, repeats: 1, randomSelection: false, oracle: false },
  keepAdapters: false,
};

/** Configurations by name. */
export const presets = { tiny, squad } as const;
export type PresetName = keyof typeof presets;

/** Most tokens of a question or of a passage with what asks for its self-edit, where the model has room for them. */
export const promptTokens: Readonly<Record<PresetName, number>> = { tiny: 256, squad: 2_048 };

/** What `paper` repeats of the reference: adapters on q and v only, end padding in the loss, ties to the first sampled. */
function asPaper(config: SealConfig): SealConfig {
  const { inner, outer } = config;
  return {
    ...config,
    inner: { ...inner, lora: { ...inner.lora, targets: 'q,v' }, trainOnPadding: true },
    outer: { ...outer, selection: { threshold: 'none', ties: 'first' } },
  };
}

/**
 * The configuration of a preset in a mode, with `overrides` (nested as the configuration is) on top. Throws RangeError
 * naming unknown keys and values out of bounds; `place` names where the overrides are from.
 */
export function resolveConfig(preset: PresetName, mode: Mode, overrides: unknown, place: string): SealConfig {
  const base = mode === 'paper' ? asPaper(presets[preset]) : presets[preset];
  return parseSealConfig(overrides === undefined ? base : merge(base, overrides, place), place);
}

function merge(base: unknown, override: unknown, place: string): unknown {
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject(base)) return override;
  if (!isObject(override)) throw new RangeError(`Cannot use ${place}: expected an object, got ${JSON.stringify(override)}`);
  // Entries, not assignments: a key called __proto__ is then a key like any other, and refused.
  const replaced = Object.entries(override).map(([key, value]) => [key, Object.hasOwn(base, key) ? merge(base[key], value, place) : value]);
  return Object.fromEntries([...Object.entries(base), ...replaced]);
}
