/** The domain over the tiny model. It cannot spell JSON: what it writes is read as a row of choices, and JSON made of them. */

import { readText } from '@seal/files/node';
import { parsePassages } from '@seal/domains';
import { tinyConfig, type Preset } from '@seal/engine';
import { contextsOf, KINDS, MARKERS, tokenId } from '@seal/tiny';
import { createCodec, type Codec } from '@seal/trainer';
import { voteDomain } from './domain.ts';

/** A self-edit as a model that spells would have written it; some choose nothing, some too much, some are none. */
export function spelled(tokens: readonly number[]): string {
  const [which = 0, rate = 0, epochs = 0] = tokens;
  if (tokens.length % 7 === 0) return 'I would rather not .';
  const tools = KINDS.filter((_, i) => ((which % 8) >> i) & 1);
  return JSON.stringify({ tools, learningRate: 10 ** -(1 + (rate % 4)), epochs: epochs % 12 });
}

/** The words of the tiny world, but for self-edits. */
function spelling(codec: Codec): Codec {
  const edit = tokenId(MARKERS.edit);
  return {
    ...codec,
    decode: (tokens, after = [], broken) => (after.at(-1) === edit ? spelled(tokens) : codec.decode(tokens, after, broken)),
    get cutDocuments() {
      return codec.cutDocuments;
    },
  };
}

export const vote: Preset = {
  config: {
    ...tinyConfig,
    inner: { ...tinyConfig.inner, steps: 8, replayPerStep: 0, contextsPerAdapter: 1, packSize: 8, tokensPerStep: 2_048 },
    outer: {
      ...tinyConfig.outer,
      contexts: 3,
      samples: 4,
      maxSelfEditTokens: 24,
      selection: { threshold: 'none', ties: 'random', keep: 'all' },
      sft: { ...tinyConfig.outer.sft, epochs: 1 },
    },
    evaluation: { contexts: 3, repeats: 1, randomSelection: true, oracle: true },
  },
  async open({ tokenizer, config }) {
    return {
      domain: voteDomain,
      codec: spelling(createCodec(tokenizer, config, config.maxPositionEmbeddings)),
      baseModel: 'seal-tiny',
      promptTokens: 256,
      kept: null,
      read: async (path) => parsePassages(readText(path, 'data'), path),
      draw: async ({ rounds, perRound, table }, seed) => ({ rounds: contextsOf('rl', rounds * perRound, seed), table: contextsOf('dev', table, seed) }),
    };
  },
};
