/** The tiny model from nothing, with checkpoints, a loss curve, and a measure of what it learnt. */

import { afterStop, stream } from '@seal/files';
import { digest } from '@seal/files/node';
import { checkpointFiles, Generator, initialWeights, Model, parseConfig } from '@seal/model';
import { openTraining, type Training } from '@seal/runs';
import {
  DEFAULT_PRETRAINING,
  pretrainingStep,
  probeSets,
  isRight,
  tinyModelConfig,
  tokenizerConfigFile,
  tokenizerFile,
  type Probe,
  type ProbeSets,
} from '@seal/tiny';
import { createTokenizer } from '@seal/tokenizer';
import {
  createCodec,
  decodeTrainingState,
  encodeTrainingState,
  learningRateAt,
  pretrain as train,
  type Codec,
  type PretrainingSettings,
  type TrainingState,
} from '@seal/trainer';
import { type } from 'arktype';
import type { Deps } from './deps.ts';
import { note, type Hooks } from './events.ts';
import { checkRequest, SEED, type RequestOf } from './request.ts';
import { openDevice } from './session.ts';
import { keptTuning } from './tuning.ts';

const SAVE_EVERY = 100;

const schema = type({
  /** Directory for the checkpoint; an unfinished one is continued. */
  out: 'string',
  'steps?': '1 <= number.integer <= 1000000',
  'seed?': SEED,
});

export type PretrainRequest = RequestOf<typeof schema>;

/** Accuracy by set and kind of question. */
type ProbeAccuracy = Record<keyof ProbeSets, Record<string, number>>;

/** What `manifest.json` says of a checkpoint. */
interface Manifest {
  readonly seed: number;
  readonly steps: number;
  readonly tokens: number;
  readonly commit: string | null;
  readonly adapter: string;
  readonly settings: object;
  readonly finalLoss: number | null;
  readonly weightsSha256: string;
  readonly evaluation: ProbeAccuracy;
}

export interface PretrainDocument extends Manifest {
  readonly dir: string;
}

export async function pretrain(request: PretrainRequest, deps: Deps, hooks: Hooks = {}): Promise<PretrainDocument> {
  const { out, steps = DEFAULT_PRETRAINING.steps, seed = 0 } = checkRequest(schema, request);
  const settings = { ...DEFAULT_PRETRAINING, steps };
  const codec = { encode: encodeTrainingState, decode: decodeTrainingState };
  const training = await openTraining<TrainingState>(out, { kind: 'pretraining', settings: { seed, settings }, codec });
  try {
    return { dir: out, ...(await trainIn(training, seed, settings, deps, hooks)) };
  } catch (error) {
    throw afterStop(error, 'every step is kept. Go on with the same request');
  } finally {
    await training.close();
  }
}

async function trainIn(training: Training<TrainingState>, seed: number, settings: PretrainingSettings, deps: Deps, hooks: Hooks): Promise<Manifest> {
  const { resumed: from } = training;
  const { signal, onEvent } = hooks;
  // The code that runs is that of the start, whatever is committed meanwhile.
  const { commit = null } = deps.version;
  const config = parseConfig(tinyModelConfig, 'the tiny configuration');
  const gpu = await openDevice(deps);
  let model: Model | null = null;
  try {
    model = new Model(gpu, config, keptTuning(gpu.description, deps, hooks) ?? {});
    if (from) {
      note(hooks, `Going on from step ${from.step} of ${settings.steps}`);
    } else {
      const random = stream(seed, 'initial weights');
      model.write(initialWeights(config, () => random.normal()));
    }
    const begun = performance.now();
    const started = from?.step ?? 0;
    await train(model, (step) => pretrainingStep(step, { seed, totalSteps: settings.steps }), settings, {
      ...(from && { from: { step: from.step, optimiser: from.optimiser, weights: from.tensors } }),
      saveEvery: SAVE_EVERY,
      ...(signal && { signal }),
      save: ({ step, optimiser, weights }) => training.save({ step, optimiser, tensors: weights }),
      async onSteps(first, losses) {
        await training.record(losses.map((loss, i) => ({ step: first + i, loss })));
        const done = first + losses.length;
        const pace = (performance.now() - begun) / 1_000 / (done - started);
        const steps = losses.map((loss, i) => ({ step: first + i, loss, learningRate: learningRateAt(first + i, settings) }));
        onEvent?.({ type: 'steps', steps, total: settings.steps, secondsLeft: pace * (settings.steps - done) });
      },
    });
    const files = checkpointFiles(config, await model.read());
    const tokenizer = createTokenizer(tokenizerFile(), 'tokenizer.json');
    const manifest: Manifest = {
      seed,
      steps: settings.steps,
      tokens: settings.steps * settings.tokensPerStep,
      commit,
      adapter: gpu.description.description,
      settings,
      finalLoss: (await training.losses()).at(-1) ?? null,
      weightsSha256: digest(files.weights),
      evaluation: await probeAccuracy(model, createCodec(tokenizer, config, config.maxPositionEmbeddings), probeSets(0)),
    };
    await training.finish({
      'config.json': files.config,
      'tokenizer.json': `${JSON.stringify(tokenizerFile(), null, 1)}\n`,
      'tokenizer_config.json': `${JSON.stringify(tokenizerConfigFile(), null, 1)}\n`,
      'model.safetensors': files.weights,
      'manifest.json': `${JSON.stringify(manifest, null, 2)}\n`,
    });
    return manifest;
  } finally {
    model?.destroy();
    gpu.close();
  }
}

/** Greedy answers to every probe, graded exactly: how well a model reads, remembers, and how little it knows of people it has not met. */
async function probeAccuracy(model: Model, codec: Codec, sets: ProbeSets): Promise<ProbeAccuracy> {
  const generator = new Generator(model, null, { slots: 256, length: 128, prefillTokens: 4_096 });
  try {
    const accuracy = async (probes: readonly Probe[]) => {
      const requests = probes.map(({ prompt }) => ({ prompt: codec.prompt(prompt), draws: [() => 0] }));
      const options = { temperature: 0, topP: 1, maxNewTokens: 6, stopTokens: codec.stopTokens };
      const answers = await generator.generate(requests, options);
      const judged = probes.map(({ kind, gold }, i) => ({
        kind,
        correct: isRight(codec.decode(answers[i]?.[0]?.tokens ?? []), gold),
      }));
      const byKind = Map.groupBy(judged, ({ kind }) => kind);
      return Object.fromEntries([...byKind].map(([kind, own]) => [kind, own.filter(({ correct }) => correct).length / own.length]));
    };
    return {
      inContext: await accuracy(sets.inContext),
      knownClosedBook: await accuracy(sets.knownClosedBook),
      heldOutClosedBook: await accuracy(sets.heldOutClosedBook),
    };
  } finally {
    generator.destroy();
  }
}
