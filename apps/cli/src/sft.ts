/** `seal sft`: supervised fine-tuning on a file of examples, of an adapter or of all weights, that can be stopped and continued. */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { digest, fileProblem, readJson, readWhole } from '@seal/files/node';
import { afterStop, Problem, problemsAs, stream } from '@seal/files';
import {
  adapterFiles,
  checkpointFiles,
  initialAdapter,
  loraLayout,
  PROJECTIONS,
  type AdaptedModule,
  type AdapterValues,
  type Checkpoint,
  type LoraConfig,
  type Model,
  type ModelConfig,
  type Projection,
} from '@seal/model';
import {
  encodeExamples,
  fineTuneAdapter,
  fineTuneWeights,
  parseExamples,
  scheduledRate,
  stepsPerEpoch,
  type EncodedExamples,
  type ExampleEncoder,
  type FineTuningSettings,
} from '@seal/trainer';
import { openAdapter } from './adapters.ts';
import { companionsOf } from './companions.ts';
import type { CommandOf } from './options.ts';
import { baseName, openCheckpoint, openSession, SHIPPED_MODEL, type Session } from './session.ts';
import { stopSignal } from './stop.ts';
import { speaksTinyWorld } from './subject.ts';
import { counted, print, say } from './terminal.ts';
import { openTraining, type TrainingDirectory } from './training-directory.ts';

const SAVE_EVERY = 100;
const DEFAULTS = { rank: 16, adapterRate: 2e-4, weightsRate: 2e-5, epochs: 3, length: 1_024 };

/** Where to start: an adapter's values with its shape. */
interface Start {
  readonly lora: LoraConfig;
  readonly values: AdapterValues;
  /** Modules of the layout that are adapted; the others are zero and stay so. All where absent. */
  readonly modules?: readonly AdaptedModule[];
  /** Names a given adapter with all that its files say; null for a fresh one. */
  readonly digest: string | null;
}

export async function sft(command: CommandOf<'sft'>): Promise<void> {
  const { adapterOut: out } = command;
  const checkpoint = await openCheckpoint(command.model);
  const weights = command.weights ?? checkpoint.format;
  if (command.full && weights !== 'f32') {
    throw new Problem('usage', `Cannot use --full with weights held as ${weights}: it trains them; use --weights f32, or leave --full out for an adapter`);
  }
  const bytes = readBytes(command.data);
  const start = command.full ? refuseAdapterOptions(command) : await adapterStart(command, checkpoint.config);
  const { documents, cut, dropped, maxTokens } = await readDocuments(command, bytes, checkpoint);
  const settings: FineTuningSettings = {
    steps: command.steps ?? (command.epochs ?? DEFAULTS.epochs) * stepsPerEpoch(documents.length, command.batch),
    batchSize: command.batch,
    learningRate: command.learningRate ?? (command.full ? DEFAULTS.weightsRate : DEFAULTS.adapterRate),
    schedule: command.schedule,
    warmUpSteps: command.warmUp,
    seed: command.seed,
    recompute: command.recompute,
  };
  const training = openTraining(out, {
    '--model': modelIdentity(checkpoint.directory),
    '--weights': weights,
    '--data': digest(bytes),
    '--adapter-init': start?.digest ?? null,
    '--full': command.full,
    '--rank': start?.lora.rank ?? null,
    '--alpha': start?.lora.alpha ?? null,
    '--targets': start?.lora.targets.join() ?? null,
    '--lr': settings.learningRate,
    '--schedule': settings.schedule,
    '--warmup': settings.warmUpSteps,
    '--steps or --epochs': settings.steps,
    '--batch': settings.batchSize,
    '--seq': maxTokens,
    '--seed': settings.seed,
  });
  const { signal, dispose } = stopSignal(command.maxTime);
  let session: Session | null = null;
  try {
    session = await openSession(command.model, checkpoint, command);
    if (training.resumed) say(`Going on from step ${training.resumed.step} of ${settings.steps}`);
    const what = start ? `an adapter of rank ${start.lora.rank}` : 'all weights';
    const tokens = documents.reduce((sum, document) => sum + document.tokens.length, 0);
    say(`Training ${what}: ${counted(documents.length, 'example')}, ${counted(tokens, 'token')}, ${counted(settings.steps, 'step')}`);
    const onSteps = (first: number, losses: readonly number[]) => {
      const rows = losses.map((loss, i) => ({ step: first + i, loss, learningRate: scheduledRate(first + i, settings) }));
      training.record(rows);
      for (const { step, loss, learningRate } of rows) {
        say(`step ${step + 1}/${settings.steps}  loss ${loss.toFixed(4)}  learning rate ${learningRate.toPrecision(3)}`);
      }
    };
    const run = { model: session.model, documents, settings, training, hooks: { saveEvery: SAVE_EVERY, signal, onSteps } };
    const trained = start ? await trainAdapter(run, start, baseName(command.model ?? SHIPPED_MODEL)) : await trainWeights(run, checkpoint);
    training.finish(trained.files);
    const { losses } = training;
    const [firstLoss, lastLoss] = [losses.at(0) ?? null, losses.at(-1) ?? null];
    const result = { out, kind: trained.kind, sha256: trained.sha256, examples: documents.length, cut, dropped, steps: settings.steps, firstLoss, lastLoss, losses };
    const summary = `${start ? 'Adapter' : 'Model'} in ${out}\nLoss ${firstLoss?.toFixed(4)} at the first step, ${lastLoss?.toFixed(4)} at the last`;
    print(command.json ? JSON.stringify(result) : summary);
  } catch (error) {
    throw afterStop(error, 'every step is kept. Go on with the same command');
  } finally {
    dispose();
    session?.close();
    training.close();
  }
}

/** What both kinds of training take. */
interface Run {
  readonly model: Model;
  readonly documents: EncodedExamples['documents'];
  readonly settings: FineTuningSettings;
  readonly training: TrainingDirectory;
  readonly hooks: {
    readonly saveEvery: number;
    readonly signal: AbortSignal;
    readonly onSteps: (first: number, losses: readonly number[]) => void;
  };
}

/** The files of what was trained, and the digest of its weights file. */
interface Trained {
  readonly kind: 'adapter' | 'model';
  readonly sha256: string;
  readonly files: Readonly<Record<string, string | Uint8Array>>;
}

async function trainAdapter({ model, documents, settings, training, hooks }: Run, { lora, values, modules }: Start, base: string): Promise<Trained> {
  const { resumed } = training;
  const from = resumed ? { step: resumed.step, values: resumed.tensors.get('adapter') ?? new Float32Array(0), optimiser: resumed.optimiser } : { step: 0, values };
  const trained = await fineTuneAdapter(model, lora, documents, settings, from, {
    ...hooks,
    save: async ({ step, values: now, optimiser }) => {
      if (optimiser) training.save({ step, optimiser, tensors: new Map([['adapter', now]]) });
    },
  });
  const files = adapterFiles(loraLayout(model.config, lora), lora, trained, base, modules);
  return { kind: 'adapter', sha256: digest(files['adapter_model.safetensors']), files };
}

async function trainWeights({ model, documents, settings, training, hooks }: Run, { config, directory }: Checkpoint): Promise<Trained> {
  const { resumed } = training;
  const from = resumed ? { step: resumed.step, weights: resumed.tensors, optimiser: resumed.optimiser } : null;
  await fineTuneWeights(model, documents, settings, from, {
    ...hooks,
    save: async ({ step, optimiser, weights }) => training.save({ step, optimiser, tensors: weights }),
  });
  const { weights } = checkpointFiles(config, await model.read());
  const texts = companionsOf(directory).map((name) => [name, readBytes(join(directory, name))]);
  return {
    kind: 'model',
    sha256: digest(weights),
    files: { ...Object.fromEntries(texts), 'config.json': savedConfig(directory), 'model.safetensors': weights },
  };
}

/** The examples of the file as tokens, with what was cut told. */
async function readDocuments(command: CommandOf<'sft'>, bytes: Uint8Array, checkpoint: Checkpoint): Promise<EncodedExamples & { readonly maxTokens: number }> {
  const maxTokens = lengthOf(command, checkpoint.config);
  const encoded = await problemsAs('data', () => {
    const examples = parseExamples(bytes, command.data);
    return encodeExamples(examples, encoderOf(checkpoint), maxTokens, command.data);
  });
  const { documents, cut, dropped } = encoded;
  if (cut > 0) say(`${counted(cut, 'example')} of ${documents.length + dropped} cut at ${maxTokens} tokens (--seq)`);
  if (dropped > 0) say(`${counted(dropped, 'example')} left out: nothing to learn within ${maxTokens} tokens`);
  return { ...encoded, maxTokens };
}

function readBytes(path: string): Uint8Array<ArrayBuffer> {
  try {
    return readWhole(path);
  } catch (cause) {
    throw new Problem('data', `Cannot read ${path}: ${fileProblem(cause)}`, { cause });
  }
}

function lengthOf({ seq }: CommandOf<'sft'>, { maxPositionEmbeddings: most }: ModelConfig): number {
  if (seq !== undefined && seq > most) throw new Problem('usage', `Cannot use --seq ${seq}: the model has ${most} positions`);
  return seq ?? Math.min(DEFAULTS.length, most);
}

function encoderOf(checkpoint: Checkpoint): ExampleEncoder {
  const { tokenizer, config, chat } = checkpoint;
  const [end] = config.eosTokenIds;
  if (end === undefined) throw new RangeError('Cannot train this model: its config.json names no eos_token_id');
  return { tokenizer, begin: beginOf(checkpoint), end, chat };
}

/** Tokens that the tokenizer puts before every text. That of the tiny world leaves it to the configuration to name one. */
function beginOf(checkpoint: Checkpoint): number[] {
  const { tokenizer, config } = checkpoint;
  if (speaksTinyWorld(checkpoint)) return config.bosTokenId === null ? [] : [config.bosTokenId];
  const bare = tokenizer.encode('a');
  const framed = tokenizer.encodeWithSpecials('a');
  return framed.slice(0, framed.findIndex((_, i) => bare.every((id, j) => framed[i + j] === id)));
}

function refuseAdapterOptions({ adapterInit, rank, alpha, targets }: CommandOf<'sft'>): null {
  const given = Object.entries({ '--adapter-init': adapterInit, '--rank': rank, '--alpha': alpha, '--targets': targets }).find(([, value]) => value !== undefined);
  if (given) throw new Problem('usage', `Cannot use ${given[0]} with --full: all weights are trained, there is no adapter`);
  return null;
}

/** The adapter to begin with: a given one as it is, or a fresh one. */
async function adapterStart(command: CommandOf<'sft'>, config: ModelConfig): Promise<Start> {
  const { adapterInit: directory, rank, alpha, targets, seed } = command;
  if (directory === undefined) {
    const lora = { rank: rank ?? DEFAULTS.rank, alpha: alpha ?? 2 * (rank ?? DEFAULTS.rank), targets: parseTargets(targets ?? 'all') };
    const random = stream(seed, 'fine-tuning adapter');
    const layout = await problemsAs('usage', () => loraLayout(config, lora));
    return { lora, values: initialAdapter(layout, lora.rank, () => random.next()), digest: null };
  }
  const adapter = await openAdapter(directory, { name: command.model ?? SHIPPED_MODEL, config });
  const { lora } = adapter;
  const other = Object.entries({
    '--rank': rank !== undefined && rank !== lora.rank,
    '--alpha': alpha !== undefined && alpha !== lora.alpha,
    '--targets': targets !== undefined && parseTargets(targets).join() !== lora.targets.join(),
  }).find(([, differs]) => differs);
  if (other) throw new Problem('usage', `Cannot use ${other[0]} with --adapter-init: the adapter in ${directory} has another; leave it out`);
  return { ...adapter, digest: digest([adapter.digest, lora]) };
}

function parseTargets(text: string): Projection[] {
  if (text === 'all') return [...PROJECTIONS];
  const named = text.split(',').map((name) => {
    const found = PROJECTIONS.find((projection) => projection === name || projection.split('.').at(-1) === name);
    if (!found) {
      const known = PROJECTIONS.map((projection) => projection.split('.').at(-1)).join(', ');
      throw new Problem('usage', `Cannot use --targets ${text}: ${JSON.stringify(name)} is not one of ${known}; or write all`);
    }
    return found;
  });
  return PROJECTIONS.filter((projection) => named.includes(projection));
}

/**
 * What tells a model from another without reading all of its weights: its configuration and tokenizer, names and sizes of
 * its weights files.
 */
function modelIdentity(directory: string): string {
  const files = readdirSync(directory).filter((name) => name.endsWith('.safetensors')).sort();
  const small = ['config.json', 'tokenizer.json'].map((name) => digest(readBytes(join(directory, name))));
  return digest([...small, ...files.map((name) => [name, statSync(join(directory, name)).size])]);
}

/** The model's own configuration with the dtype that its weights have now, under the names that it uses for it. */
function savedConfig(directory: string): string {
  const { quantization_config: _, ...json } = readJson(join(directory, 'config.json'), 'data') as Record<string, unknown>;
  const dtype = 'dtype' in json ? { dtype: 'float32' } : {};
  const older = 'torch_dtype' in json || !('dtype' in json) ? { torch_dtype: 'float32' } : {};
  return `${JSON.stringify({ ...json, ...dtype, ...older }, null, 2)}\n`;
}
