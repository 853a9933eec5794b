/** What a model family says about itself: the keys of a `config.json` that it alone reads, and what follows from them. */

import type { ConfigFile, ModelConfig } from '../config.ts';

/** What one family's decoder has beyond the sizes that all have. */
export type FamilyFeatures = Pick<ModelConfig, 'biasedProjections' | 'queryKeyNorm' | 'windows'>;

/** Throws RangeError: the value of a key of the file is none that is computed. */
export type Refuse = (key: string, value: unknown, supported: string) => never;

/** One `model_type`. */
export interface Family {
  readonly name: ModelConfig['family'];
  /** The class of transformers that computes it. */
  readonly architecture: string;
  /** What transformers takes where a key is absent; without `headDim` it follows from the hidden size. */
  readonly defaults: {
    readonly maxPositionEmbeddings: number;
    readonly numKeyValueHeads?: number;
    readonly headDim?: number;
  };
  /** Keys that this family does not compute, with the values, besides null, that change nothing. */
  readonly neutral: Readonly<Record<string, readonly unknown[]>>;
  read(file: ConfigFile, refuse: Refuse): FamilyFeatures;
  /** The keys that `read` reads. */
  write(config: ModelConfig): Record<string, unknown>;
}
