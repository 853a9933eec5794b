/** A small untrained model with the tiny world's vocabulary: everything of the loop but the learning. */

import { stream } from '@seal/files';
import type { Gpu } from '@seal/device';
import { initialWeights, Model, parseConfig } from '@seal/model';
import { createTokenizer } from '@seal/tokenizer';
import { deriveRunId, type RunHeader, type RunStore } from '@seal/runs';
import { contextsOf, tinyDomain, tinyModelConfig, tokenizerFile } from '@seal/tiny';
import { createCodec, executorSettings, lengthsOf, LocalExecutor, weightsDigest, type ReadAdapter, type RunInput, type SealConfig } from '@seal/trainer';

/** Two contexts an adapter, a handful of steps, two rounds. */
export const config: SealConfig = {
  inner: {
    lora: { rank: 16, alpha: 32, targets: 'all' },
    learningRate: 0.01,
    steps: 6,
    documentsPerStep: 4,
    replayPerStep: 2,
    contextsPerAdapter: 2,
    packSize: 4,
    tokensPerStep: 1_024,
    trainOnPadding: false,
    maxAnswerTokens: 4,
  },
  outer: {
    rounds: 2,
    contexts: 4,
    samples: 2,
    temperature: 1,
    topP: 1,
    maxSelfEditTokens: 24,
    repeats: 1,
    selection: { threshold: 'none', ties: 'random' },
    sft: { lora: { rank: 16, alpha: 32, targets: 'all' }, learningRate: 2e-3, epochs: 2, batchSize: 4, tokensPerStep: 2_048 },
  },
  evaluation: { contexts: 4, repeats: 2, randomSelection: true, oracle: true },
  keepAdapters: true,
};

/** Most tokens of a question or a passage. */
const PROMPT_TOKENS = 256;

/**
 * Model, codec, executor and run input; the model is untrained, so what it writes is noise, but always the same noise.
 * `readFrom` names the run that policies' adapters are read from.
 */
export function openWorld(gpu: Gpu, seed = 5, settings: SealConfig = config) {
  const small = { ...tinyModelConfig, num_hidden_layers: 2, hidden_size: 64, intermediate_size: 96, num_attention_heads: 2, num_key_value_heads: 1 };
  const modelConfig = parseConfig(small, 'the test');
  const random = stream(1, 'untrained');
  const weights = initialWeights(modelConfig, () => 3 * random.normal());
  const model = new Model(gpu, modelConfig);
  model.write(weights);
  const tokenizer = createTokenizer(tokenizerFile(), 'tokenizer.json');
  const codec = createCodec(tokenizer, modelConfig, 128);
  const lengths = lengthsOf(settings, modelConfig.maxPositionEmbeddings, PROMPT_TOKENS);
  let readAdapter: ReadAdapter = (sha) => Promise.reject(new RangeError(`Cannot find adapter ${sha}`));
  const executor = new LocalExecutor({
    model,
    baseWeights: () => Promise.resolve(weights),
    settings: executorSettings(settings, lengths, codec, 'untrained'),
    readAdapter: (sha) => readAdapter(sha),
  });
  const contexts = contextsOf('rl', settings.outer.rounds * settings.outer.contexts, seed);
  const input: RunInput = {
    config: settings,
    seed,
    domain: tinyDomain,
    codec,
    lengths,
    rounds: [contexts.slice(0, settings.outer.contexts), contexts.slice(settings.outer.contexts)],
    evaluation: contextsOf('dev', settings.evaluation.contexts, seed),
    modelDigest: weightsDigest(weights),
  };
  const readFrom = (store: RunStore) => {
    readAdapter = (sha) => store.readBlob('adapters', sha);
  };
  return { model, codec, executor, input, readFrom };
}

/** A run's header for the test; its time does not enter any key. */
export function header(seed: number, modelDigest: string): RunHeader {
  const own = {
    createdAt: '2026-01-01T00:00:00.000Z',
    preset: 'tiny',
    mode: 'corrected' as const,
    seed,
    config: {},
    environment: { runtime: 'test', adapter: 'test', packageVersion: '0' },
    modelDigest,
  };
  return { runId: deriveRunId(own), ...own };
}
