/** Sizes and constants of a decoder, in Hugging Face's names and camel case. */

/** The seven linear layers of a block, in the order of the forward pass. */
export const PROJECTIONS = [
  'self_attn.q_proj',
  'self_attn.k_proj',
  'self_attn.v_proj',
  'self_attn.o_proj',
  'mlp.gate_proj',
  'mlp.up_proj',
  'mlp.down_proj',
] as const;

export type Projection = (typeof PROJECTIONS)[number];

/** How rotary frequencies are stretched for texts longer than those of the pretraining. */
export type RopeScaling =
  /** Every frequency is divided by a number of its own, whatever the length of the text: D/2 of them. */
  | { readonly type: 'longrope'; readonly factors: readonly number[] }
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalMaxPositionEmbeddings: number;
    };

/** Sizes and constants of a decoder. */
export interface ModelConfig {
  /** Its `model_type`. */
  readonly family: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly maxPositionEmbeddings: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | null;
  readonly tieWordEmbeddings: boolean;
  /** Linear layers that add a bias. */
  readonly biasedProjections: readonly Projection[];
  /** Whether every head of queries and keys is normalised before it is turned. */
  readonly queryKeyNorm: boolean;
  /** How many keys, its own included, a query of each layer sees; null for all. */
  readonly windows: readonly (number | null)[];
  readonly bosTokenId: number | null;
  readonly eosTokenIds: readonly number[];
}
