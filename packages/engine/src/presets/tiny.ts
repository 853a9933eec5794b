/** The preset `tiny`: the synthetic world of people and the model that is shipped with it. */

import { parsePassages } from '@seal/domains';
import { Problem, problemsAs } from '@seal/files';
import { readText } from '@seal/files/node';
import { contextsOf, readableContexts, speaksTinyWorld, tinyDomain } from '@seal/tiny';
import { createCodec, type SealConfig } from '@seal/trainer';
import { baseName, SHIPPED_MODEL } from '../session.ts';
import type { Preset } from './preset.ts';

/**
 * The tiny model on a machine without a GPU: two rounds and the whole table in minutes. Best of M per context without a
 * threshold, four contexts an adapter, a fixed budget of steps for every adaptation.
 */
export const tinyConfig: SealConfig = {
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

const PROMPT_TOKENS = 256;

export const tiny: Preset = {
  config: tinyConfig,
  async open(checkpoint, { model, template, chat, passages, tablePassages }) {
    const own = 'passages of your own need `preset` squad, a `model` and `passages`';
    if (!speaksTinyWorld(checkpoint.tokenizer)) throw new Problem('usage', `Cannot use the preset tiny: ${model} does not have the words of the tiny world; ${own}`);
    if (passages !== undefined || tablePassages !== undefined) throw new Problem('usage', `Cannot use the preset tiny: it makes passages of its own and takes no \`passages\`; ${own}`);
    if (template !== undefined || chat) {
      const name = chat ? '`chat`' : '`template`';
      throw new Problem('usage', `Cannot use ${name} with the tiny model: its world has one form of prompts; leave it out`);
    }
    const { tokenizer, config } = checkpoint;
    return {
      domain: tinyDomain,
      codec: createCodec(tokenizer, config, config.maxPositionEmbeddings),
      baseModel: baseName(SHIPPED_MODEL),
      promptTokens: PROMPT_TOKENS,
      kept: null,
      async read(path) {
        const text = readText(path, 'data');
        return problemsAs('data', () => readableContexts(parsePassages(text, path), path), path);
      },
      take: (own, place) => problemsAs('data', () => readableContexts(own, place), place),
      /** Fresh people of the rl split for every round, nobody twice, and of the test split for the table. */
      async draw({ rounds, perRound, table }, seed) {
        return { rounds: contextsOf('rl', rounds * perRound, seed), table: contextsOf('test', table, seed) };
      },
    };
  },
};
