/** The configuration of a run: everything that determines its result besides the model, the data and the seed. */

import { problemsOf } from '@seal/files';
import { type, type ArkError } from 'arktype';

const natural = '1 <= number.integer <= 10000';
const tokensPerStep = type('64 <= number.integer <= 65536').and('number % 8');
const learningRate = '0 < number <= 1';
const lora = type({ rank: '1 <= number.integer <= 256', alpha: '0 < number <= 4096', targets: "'all' | 'q,v'" });

/** Schema of a resolved configuration; undeclared keys are rejected. */
export const sealConfigSchema = type({
  /** Training an adapter on self-edits. */
  inner: type({
    lora: lora.onUndeclaredKey('reject'),
    learningRate,
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
    maxAnswerTokens: '1 <= number.integer <= 1024',
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
    selection: type({
      /** `beats-baselines` keeps an edit only if it beats no adaptation and the passage alone by more than noise. */
      threshold: "'none' | 'beats-baselines'",
      ties: "'first' | 'random'",
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
  evaluation: type({ contexts: natural, repeats: natural, randomSelection: 'boolean', oracle: 'boolean' }).onUndeclaredKey(
    'reject',
  ),
  /** Keep every adapter's file, not only its digest. */
  keepAdapters: 'boolean',
}).onUndeclaredKey('reject');

export type SealConfig = typeof sealConfigSchema.infer;

/** Throws RangeError naming every key that is unknown, missing or out of bounds. `place` names the source. */
export function parseSealConfig(value: unknown, place: string): SealConfig {
  const config = sealConfigSchema(value);
  if (config instanceof type.errors) throw new RangeError(`Cannot use ${place}: ${problemsOf(config, unknownKey)}`);
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
