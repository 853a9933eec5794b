/** `seal pretrain`: the tiny model from nothing, with checkpoints, resume and a loss curve. */

import { appendFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { digest, readJson, readText, writeProblem, writeWhole } from '@seal/files/node';
import { afterStop, Problem, problemsAs, stream } from '@seal/files';
import { checkpointFiles, initialWeights, Model, parseConfig, parseSafetensors, toFloat32, writeSafetensors } from '@seal/model';
import { createTokenizer } from '@seal/tokenizer';
import { pretrainingStep, probeSets, tinyModelConfig, tokenizerConfigFile, tokenizerFile } from '@seal/tiny';
import { createCodec, DEFAULT_PRETRAINING, pretrain as train, type PretrainingState } from '@seal/trainer';
import type { CommandOf } from './options.ts';
import { probeAccuracy, type ProbeAccuracy } from './probes.ts';
import { openDevice } from './session.ts';
import { stopSignal } from './stop.ts';
import { duration, print, say } from './terminal.ts';
import { LOCK, lockDirectory } from './training-directory.ts';
import { sourceCommit } from './version.ts';
import { keptTuning } from './tuning.ts';

const SAVE_EVERY = 100;
const STATE = 'pretraining-state.safetensors';
const CURVE = 'losses.jsonl';

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

type Settings = typeof DEFAULT_PRETRAINING;

export async function pretrain(command: CommandOf<'pretrain'>): Promise<void> {
  const { dir, seed } = command;
  const settings = { ...DEFAULT_PRETRAINING, steps: command.steps ?? DEFAULT_PRETRAINING.steps };
  // What cannot be trained in is left as it is.
  await begunState(dir, seed, settings);
  const { signal, dispose } = stopSignal(command.maxTime);
  try {
    const release = lockDirectory(dir);
    try {
      // Another process may have ended there since.
      await trainIn(command, settings, await begunState(dir, seed, settings), signal);
    } finally {
      release();
    }
  } catch (error) {
    throw afterStop(error, 'every step is kept. Go on with the same command');
  } finally {
    dispose();
  }
}

async function trainIn({ dir, seed, json }: CommandOf<'pretrain'>, settings: Settings, from: PretrainingState | null, signal: AbortSignal): Promise<void> {
  const config = parseConfig(tinyModelConfig, 'the tiny configuration');
  // The code that runs is that of the start, whatever is committed meanwhile.
  const commit = sourceCommit() ?? null;
  const gpu = await openDevice();
  const model = new Model(gpu, config, keptTuning(gpu.description) ?? {});
  try {
    if (from) {
      say(`Going on from step ${from.step} of ${settings.steps}`);
      const known = readText(join(dir, CURVE), 'data').split('\n').slice(0, from.step);
      writeWhole(join(dir, CURVE), known.map((line) => `${line}\n`).join(''));
    } else {
      const random = stream(seed, 'initial weights');
      model.write(initialWeights(config, () => random.normal()));
      writeWhole(join(dir, 'pretraining.json'), `${JSON.stringify({ seed, settings }, null, 2)}\n`);
      writeWhole(join(dir, CURVE), '');
    }
    const begun = performance.now();
    const started = from?.step ?? 0;
    let last: number | null = null;
    await train(model, (step) => pretrainingStep(step, { seed, totalSteps: settings.steps }), settings, {
      ...(from && { from }),
      saveEvery: SAVE_EVERY,
      signal,
      save: async (state) => writeWhole(join(dir, STATE), stateFile(state)),
      onSteps(first, losses) {
        appendLosses(join(dir, CURVE), first, losses);
        last = losses.at(-1) ?? last;
        const done = first + losses.length;
        if (done % 50 !== 0 && done !== settings.steps) return;
        const pace = (performance.now() - begun) / 1_000 / (done - started);
        say(`step ${done}/${settings.steps}  loss ${last?.toFixed(4)}  about ${duration(pace * (settings.steps - done))} left`);
      },
    });
    const weights = await model.read();
    const files = checkpointFiles(config, weights);
    const tokenizer = createTokenizer(tokenizerFile(), 'tokenizer.json');
    const codec = createCodec(tokenizer, config, config.maxPositionEmbeddings);
    const manifest: Manifest = {
      seed,
      steps: settings.steps,
      tokens: settings.steps * settings.tokensPerStep,
      commit,
      adapter: gpu.description.description,
      settings,
      finalLoss: last,
      weightsSha256: digest(files.weights),
      evaluation: await probeAccuracy(model, codec, probeSets(0)),
    };
    writeWhole(join(dir, 'config.json'), files.config);
    writeWhole(join(dir, 'tokenizer.json'), `${JSON.stringify(tokenizerFile(), null, 1)}\n`);
    writeWhole(join(dir, 'tokenizer_config.json'), `${JSON.stringify(tokenizerConfigFile(), null, 1)}\n`);
    writeWhole(join(dir, 'model.safetensors'), files.weights);
    writeWhole(join(dir, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    print(json ? JSON.stringify({ dir, ...manifest }) : `Checkpoint in ${dir}\n${JSON.stringify(manifest.evaluation, null, 2)}`);
  } finally {
    model.destroy();
    gpu.close();
  }
}

/** The state to go on from, null at the beginning. Ends with exit code 2 or 3 where the directory holds something else. */
async function begunState(dir: string, seed: number, settings: Settings): Promise<PretrainingState | null> {
  if (existsSync(join(dir, STATE))) return problemsAs('data', () => readState(dir, seed, settings));
  refuseForeign(dir);
  return null;
}

/** What is in the directory may be somebody's model: only an empty one, or one begun here, is written to. */
function refuseForeign(dir: string): void {
  if (!existsSync(dir) || existsSync(join(dir, 'pretraining.json'))) return;
  const isDirectory = statSync(dir).isDirectory();
  if (isDirectory && readdirSync(dir).every((name) => name === LOCK)) return;
  throw new Problem('usage', `Cannot pretrain in ${dir}: it is ${isDirectory ? 'not empty' : 'a file'}; choose another directory`);
}

function appendLosses(path: string, first: number, losses: readonly number[]): void {
  try {
    appendFileSync(path, losses.map((loss, i) => `${JSON.stringify({ step: first + i, loss })}\n`).join(''));
  } catch (cause) {
    throw writeProblem('write', path, cause);
  }
}

function stateFile({ step, optimiser, weights }: PretrainingState): Uint8Array {
  const tensors = [...weights].map(([name, data]) => [`weights.${name}`, { shape: [data.length], data }] as const);
  const moments = (['m', 'v'] as const).map((name) => [name, { shape: [optimiser[name].length], data: optimiser[name] }] as const);
  return writeSafetensors([...tensors, ...moments, ['step', { shape: [1], data: Float32Array.of(step) }]]);
}

function readState(dir: string, seed: number, settings: object): PretrainingState {
  const began = readJson(join(dir, 'pretraining.json'), 'data');
  if (JSON.stringify(began) !== JSON.stringify({ seed, settings })) {
    throw new Problem('usage', `Cannot go on in ${dir}: it was begun with ${JSON.stringify(began)}; use the same seed and steps, or another --out`);
  }
  const path = join(dir, STATE);
  const stored = parseSafetensors(readFileSync(path), path);
  const values = (name: string): Float32Array => {
    const tensor = stored.get(name);
    if (!tensor) throw new Problem('data', `Cannot go on in ${dir}: ${path} has no tensor ${name}`);
    return toFloat32(tensor, name);
  };
  const step = values('step')[0] ?? 0;
  const names = [...stored.keys()].filter((name) => name.startsWith('weights.'));
  return {
    step,
    optimiser: { m: values('m'), v: values('v'), steps: step },
    weights: new Map(names.map((name) => [name.slice('weights.'.length), values(name)])),
  };
}

