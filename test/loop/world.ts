/** A small untrained model with the tiny world's vocabulary: everything of the loop but the learning. */

import { stream } from '@seal/files';
import type { Gpu } from '@seal/device';
import { initialWeights, Model, parseConfig } from '@seal/model';
import { createTokenizer } from '@seal/tokenizer';
import { deriveRunId, type RunHeader } from '@seal/runs';
import { contextsOf, tinyDomain, tinyModelConfig, tokenizerFile } from '@seal/tiny';
import { createCodec, resolveConfig, weightsDigest, Workbench, type RunInput, type SealConfig } from '@seal/trainer';

/** Two contexts an adapter, a handful of steps, two rounds. */
export const config: SealConfig = resolveConfig(
  'tiny',
  'corrected',
  {
    inner: { steps: 6, contextsPerAdapter: 2, packSize: 4, tokensPerStep: 1_024, learningRate: 0.01 },
    outer: { contexts: 4, samples: 2, maxSelfEditTokens: 24, sft: { epochs: 2 } },
    evaluation: { contexts: 4, repeats: 2 },
  },
  'the test',
);

/** Model, codec and run input; the model is untrained, so what it writes is noise, but always the same noise. */
export function openWorld(gpu: Gpu, seed = 5, settings: SealConfig = config) {
  const small = { ...tinyModelConfig, num_hidden_layers: 2, hidden_size: 64, intermediate_size: 96, num_attention_heads: 2, num_key_value_heads: 1 };
  const modelConfig = parseConfig(small, 'the test');
  const random = stream(1, 'untrained');
  const weights = initialWeights(modelConfig, () => 3 * random.normal());
  const model = new Model(gpu, modelConfig);
  model.write(weights);
  const tokenizer = createTokenizer(tokenizerFile(), 'tokenizer.json');
  const codec = createCodec(tokenizer, modelConfig, 128);
  const initial = { weights, digest: weightsDigest(weights) };
  const contexts = contextsOf('rl', settings.outer.rounds * settings.outer.contexts, seed);
  const input: RunInput = {
    config: settings,
    seed,
    domain: tinyDomain,
    rounds: [contexts.slice(0, settings.outer.contexts), contexts.slice(settings.outer.contexts)],
    evaluation: contextsOf('dev', settings.evaluation.contexts, seed),
    initial,
    baseModel: 'untrained',
  };
  const bench = new Workbench(model, codec, settings);
  return { model, codec, bench, input };
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
