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

/** What a feed-forward gates with, in Hugging Face's names. */
export type Activation = 'silu' | 'gelu_pytorch_tanh';

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
  /** Base of the rotary frequencies of layers that have a window, which are not scaled; null where they turn as the others. */
  readonly slidingRopeTheta: number | null;
  readonly tieWordEmbeddings: boolean;
  /** Linear layers that add a bias. */
  readonly biasedProjections: readonly Projection[];
  /** Whether every head of queries and keys is normalised before it is turned. */
  readonly queryKeyNorm: boolean;
  /** What is added to the weights of all norms: 1 where they are stored less 1. */
  readonly normOffset: 0 | 1;
  /** Whether attention and feed-forward are normalised on their way out too, before they are added to the residual stream. */
  readonly sandwichNorms: boolean;
  /** Whether embedded tokens are multiplied by the square root of the hidden size, as float32 has it. */
  readonly scaledEmbedding: boolean;
  readonly activation: Activation;
  /** Scores of attention are divided by the square root of this; null for the size of a head. */
  readonly queryPreAttnScalar: number | null;
  /** How many keys, its own included, a query of each layer sees; null for all. */
  readonly windows: readonly (number | null)[];
  readonly bosTokenId: number | null;
  readonly eosTokenIds: readonly number[];
}
