/** What a model family says about itself: the keys of a `config.json` that it alone reads, and what follows from them. */

import { problemsOf } from '@seal/files';
import { type, type Type } from 'arktype';
import type { ConfigFile } from '../config-schema.ts';
import type { ModelConfig } from '../model-config.ts';

/** What a decoder does where its family does not say otherwise. */
export const USUAL = {
  slidingRopeTheta: null,
  normOffset: 0,
  sandwichNorms: false,
  scaledEmbedding: false,
  activation: 'silu',
  queryPreAttnScalar: null,
} satisfies Partial<ModelConfig>;

/** What one family's decoder has beyond the sizes that all have. */
export interface FamilyFeatures
  extends Pick<ModelConfig, 'biasedProjections' | 'queryKeyNorm' | 'windows'>,
    Partial<Pick<ModelConfig, keyof typeof USUAL>> {
  /** Rotary positions, where the keys of all families do not say them. */
  readonly rope?: Pick<ModelConfig, 'ropeTheta' | 'ropeScaling'>;
}

/** Throws RangeError: the value of a key of the file is none that is computed. */
export type Refuse = (key: string, value: unknown, supported: string) => never;

/** What a family says; `Own` are the keys of its own. */
interface FamilyParts<Own extends object> {
  /** Its `model_type`. */
  readonly name: string;
  /** The class of transformers that computes it. */
  readonly architecture: string;
  /** What transformers takes where a key is absent; without `headDim` it follows from the hidden size. */
  readonly defaults: {
    readonly maxPositionEmbeddings: number;
    readonly numKeyValueHeads?: number;
    readonly headDim?: number;
    readonly tieWordEmbeddings?: boolean;
  };
  /** Keys that it reads besides those of all families. One that is `NEUTRAL` elsewhere may have any value here. */
  readonly keys: Type<Own>;
  /** Keys that it does not compute, with the values, besides null, that change nothing: beside `NEUTRAL` or in its place. */
  readonly neutral: Readonly<Record<string, readonly unknown[]>>;
  readonly read: (file: ConfigFile & Own, refuse: Refuse) => FamilyFeatures;
  /** The keys of its own, as `read` reads them. */
  readonly write: (config: ModelConfig) => Record<string, unknown>;
}

/** One `model_type`. */
export interface Family extends Omit<FamilyParts<object>, 'keys' | 'read'> {
  /** Names of the keys that it reads besides those of all families. */
  readonly reads: readonly string[];
  /** Reads `file`, of which `json` is all. Throws SyntaxError where a key of its own has another type. */
  readonly read: (json: unknown, file: ConfigFile, place: string, refuse: Refuse) => FamilyFeatures;
}

/** A family by its own keys and what they mean. */
export function defineFamily<Own extends object>({ keys, read, ...family }: FamilyParts<Own>): Family {
  return {
    ...family,
    reads: (keys as unknown as Type<object>).props.map(({ key }) => String(key)),
    read(json, file, place, refuse) {
      const own = keys(json);
      if (own instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: ${problemsOf(own)}`);
      return read({ ...file, ...(own as Own) }, refuse);
    },
  };
}
