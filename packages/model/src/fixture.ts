/** A model small enough to read, for the tests. */

import { initialWeights } from './checkpoint.ts';
import { parseConfig, type LlamaConfig } from './config.ts';

/** Two layers, grouped heads of size 8, 24 tokens. */
export const smallConfig: LlamaConfig = parseConfig(
  {
    model_type: 'llama',
    vocab_size: 24,
    hidden_size: 16,
    intermediate_size: 20,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    max_position_embeddings: 64,
    tie_word_embeddings: true,
    bos_token_id: 1,
    eos_token_id: 2,
  },
  'the test',
);

/** Uniform numbers in [0, 1), the same for the same seed (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Random weights, large enough that the most likely tokens vary. */
export function smallWeights(config: LlamaConfig, seed = 1): Map<string, Float32Array> {
  const draw = uniform(seed);
  return initialWeights(config, () => 8 * (draw() + draw() + draw() - 1.5));
}
