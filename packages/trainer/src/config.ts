/** The configuration of a run: everything that determines its result besides the model, the data and the seed. */

import { problemsOf } from '@seal/files';
import { PROJECTIONS, type LoraConfig } from '@seal/model';
import type { Mode } from '@seal/runs';
import { type, type ArkError } from 'arktype';
import { SCHEDULES } from './schedules.ts';

const natural = '1 <= number.integer <= 10000';
const tokensPerStep = type('64 <= number.integer <= 65536').and('number % 8');
const learningRate = '0 < number <= 1';
const projection = type.enumerated(...PROJECTIONS.map((name) => name.split('.').at(-1) ?? name));
const lora = type({
  rank: '1 <= number.integer <= 256',
  alpha: '0 < number <= 4096',
  /** `all`, `q,v`, or a list of linear layers such as `q_proj`. */
  targets: type("'all' | 'q,v'").or(projection.array().atLeastLength(1)),
  /**
   * Layers of the model that are adapted, counted from 0; all of them where absent. What lies below the lowest is computed
   * once a document and kept, and the backward pass ends there: the upper third alone trains in about half the time, of which the head takes most.
   */
  'layers?': type('0 <= number.integer < 10000').array().atLeastLength(1),
});

/** Schema of a resolved configuration; undeclared keys are rejected. */
export const sealConfigSchema = type({
  /** Training an adapter on self-edits. */
  inner: type({
    lora: lora.onUndeclaredKey('reject'),
    learningRate,
    /** Course of the rate behind the warm-up; constant where absent. */
    'schedule?': type.enumerated(...SCHEDULES),
    /** Steps in which the rate rises from 0; none where absent. */
    'warmUpSteps?': '0 <= number.integer <= 100000',
    steps: '1 <= number.integer <= 100000',
    documentsPerStep: '1 <= number.integer <= 1024',
    replayPerStep: '0 <= number.integer <= 1024',
    /** Contexts that share one adapter. */
    contextsPerAdapter: '1 <= number.integer <= 64',
    /** Adapters trained side by side. */
    packSize: '1 <= number.integer <= 512',
    /** Tokens of one packed step, over all adapters. */
    tokensPerStep,
    /** Compute activations again in the backward pass instead of keeping them: the same bits in less memory. */
    'recompute?': 'boolean',
    /** `paper` pads every sequence with end tokens up to the longest and trains on them. */
    trainOnPadding: 'boolean',
    maxAnswerTokens: '1 <= number.integer <= 16384',
  }).onUndeclaredKey('reject'),
  /** ReST-EM. */
  outer: type({
    rounds: '0 <= number.integer <= 100',
    contexts: natural,
    samples: natural,
    temperature: '0 < number <= 10',
    topP: '0 < number <= 1',
    maxSelfEditTokens: '1 <= number.integer <= 16384',
    repeats: natural,
    /**
     * What self-edits are chosen by: the share of questions that is answered right, or how much more likely, in nats a
     * token, training makes the gold answers; the share where absent. The table shows written answers either way.
     */
    'reward?': "'accuracy' | 'likelihood'",
    /** Whether rounds that choose by likelihood write answers too, which takes longer and shows how far both agree; they do where absent. */
    'answers?': "'written' | 'skipped'",
    selection: type({
      /** `beats-baselines` keeps an edit only if it beats no adaptation and the passage alone by more than noise. */
      threshold: "'none' | 'beats-baselines'",
      ties: "'first' | 'random'",
      /** Whether a context keeps its best self-edit, or every one that is worth keeping; the best where absent. */
      'keep?': "'best' | 'all'",
    }).onUndeclaredKey('reject'),
    sft: type({
      lora: lora.onUndeclaredKey('reject'),
      learningRate,
      epochs: natural,
      batchSize: natural,
      tokensPerStep,
      'recompute?': 'boolean',
    }).onUndeclaredKey('reject'),
  }).onUndeclaredKey('reject'),
  /** The table on held-out contexts. */
  evaluation: type({
    contexts: natural,
    repeats: natural,
    randomSelection: 'boolean',
    oracle: 'boolean',
    /** A row of answers with the context in sight, where the domain can be read; none where absent. */
    'reading?': 'boolean',
  }).onUndeclaredKey('reject'),
  /** Keep every adapter's file, not only its digest. */
  keepAdapters: 'boolean',
}).onUndeclaredKey('reject');

export type SealConfig = typeof sealConfigSchema.infer;

/** Throws RangeError naming every key that is unknown, missing or out of bounds. `place` names the source. */
export function parseSealConfig(value: unknown, place: string): SealConfig {
  const config = sealConfigSchema(value);
  if (config instanceof type.errors) throw new RangeError(`Cannot use ${place}: ${problemsOf(config, unknownKey)}`);
  if (config.outer.answers !== undefined && config.outer.reward !== 'likelihood') {
    throw new RangeError(`Cannot use ${place}: outer.answers is obeyed where outer.reward is 'likelihood' alone; leave it out`);
  }
  return config;
}

/** What of a schema names its keys. */
interface Place {
  readonly props: readonly { readonly key: PropertyKey }[];
  get(...path: readonly string[]): Place;
}

/** Says of an unknown key which keys there are in its place. */
function unknownKey({ path, propString }: ArkError): string {
  // A plain array first: slicing arktype's own path makes another path, which is never empty.
  const parents = Array.from(path, String).slice(0, -1);
  const schema = sealConfigSchema as unknown as Place;
  const { props } = parents.length > 0 ? schema.get(...parents) : schema;
  return `${propString} is not a key; there are ${props.map(({ key }) => String(key)).join(', ')}`;
}

/** Configuration words to projections, in the order of the model. */
export function loraConfig({ rank, alpha, targets, layers }: SealConfig['inner']['lora']): LoraConfig {
  const wanted = targets === 'all' ? null : targets === 'q,v' ? ['q_proj', 'v_proj'] : targets;
  const chosen = PROJECTIONS.filter((name) => wanted === null || wanted.includes(name.split('.').at(-1) ?? name));
  return { rank, alpha, targets: chosen, ...(layers && { layers: [...new Set(layers)].sort((a, b) => a - b) }) };
}

/** What `paper` repeats of the reference: adapters on q and v only, end padding in the loss, ties to the first sampled. */
function asPaper(config: SealConfig): SealConfig {
  const { inner, outer } = config;
  return {
    ...config,
    inner: { ...inner, lora: { ...inner.lora, targets: 'q,v' }, trainOnPadding: true },
    outer: { ...outer, selection: { ...outer.selection, threshold: 'none', ties: 'first' } },
  };
}

/**
 * A preset's configuration in a mode, with `overrides` (nested as the configuration is) on top. Throws RangeError naming
 * unknown keys and values out of bounds; `place` names where the overrides are from.
 */
export function resolveConfig(preset: SealConfig, mode: Mode, overrides: unknown, place: string): SealConfig {
  const base = mode === 'paper' ? asPaper(preset) : preset;
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
