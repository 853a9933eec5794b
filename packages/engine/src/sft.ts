/** Supervised fine-tuning on a file of examples, of an adapter or of all weights, that can be stopped and gone on with. */

import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterStop, canonicalJson, Problem, problemsAs, stream } from '@seal/files';
import { digest, fileProblem, readWhole } from '@seal/files/node';
import { huggingFaceFiles, isGgufFile, openGguf } from '@seal/gguf/node';
import {
  adapterFiles,
  checkpointFiles,
  companionsOf,
  float32Config,
  holdingName,
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
import { counted } from '@seal/report/text';
import { openTraining, type Training } from '@seal/runs';
import { speaksTinyWorld } from '@seal/tiny';
import { beginOf, unreadKeys } from '@seal/tokenizer';
import {
  batchOrder,
  decodeTrainingState,
  encodeExamples,
  encodeTrainingState,
  fineTuneAdapter,
  fineTuneWeights,
  parseExamples,
  scheduledRate,
  stepsPerEpoch,
  unusedColumns,
  type EncodedExamples,
  type ExampleEncoder,
  type FineTuningSettings,
  type TrainingState,
} from '@seal/trainer';
import { type } from 'arktype';
import type { Deps } from './deps.ts';
import { note, type Hooks } from './events.ts';
import { checkRequest, LOADING, SEED, type RequestOf } from './request.ts';
import { baseName, endsOfModel, openAdapter, openCheckpoint, openSession, SHIPPED_MODEL, type Session } from './session.ts';

const SAVE_EVERY = 100;
const DEFAULTS = { rank: 16, adapterRate: 2e-4, weightsRate: 2e-5, epochs: 3, length: 1_024, batch: 4 };

const schema = type({
  ...LOADING,
  /** Examples, a JSON object a line or one list: {messages}, {conversations}, {prompt, completion}, {instruction, output} or {text}. */
  data: 'string',
  /** Directory for the adapter or model; an unfinished one is continued. */
  out: 'string',
  /** Directory of an adapter to train on instead of a fresh one. */
  'adapterInit?': 'string',
  'rank?': '1 <= number.integer <= 4096',
  /** The update is scaled by alpha / rank; twice the rank if absent. */
  'alpha?': 'number >= 0',
  /** Names of linear layers; all seven if absent. */
  'targets?': 'string[]',
  /** Train all weights and save a whole model. */
  'full?': 'boolean',
  'learningRate?': 'number >= 0',
  'schedule?': "'constant' | 'linear' | 'cosine'",
  'warmUp?': '0 <= number.integer <= 1000000',
  'epochs?': '1 <= number.integer <= 10000',
  /** Instead of epochs. */
  'steps?': '1 <= number.integer <= 1000000',
  'batch?': '1 <= number.integer <= 4096',
  /** Tokens that an example may have; what is longer is cut. */
  'seq?': '2 <= number.integer <= 1048576',
  'recompute?': 'boolean',
  'seed?': SEED,
});

export type SftRequest = RequestOf<typeof schema>;

export interface SftDocument {
  readonly out: string;
  readonly kind: 'adapter' | 'model';
  readonly sha256: string;
  readonly examples: number;
  readonly cut: number;
  readonly dropped: number;
  readonly steps: number;
  readonly firstLoss: number | null;
  readonly lastLoss: number | null;
  readonly losses: readonly number[];
}

/** Where to start: an adapter's values with its shape. */
interface Start {
  readonly lora: LoraConfig;
  readonly values: AdapterValues;
  /** Modules of the layout that are adapted; the others are zero and stay so. All where absent. */
  readonly modules?: readonly AdaptedModule[];
  /** Names a given adapter with all that its files say; null for a fresh one. */
  readonly digest: string | null;
}

export async function sft(request: SftRequest, deps: Deps, hooks: Hooks = {}): Promise<SftDocument> {
  const { model: name, out, data, full = false } = checkRequest(schema, request);
  const checkpoint = await openCheckpoint(name, deps);
  const weights = request.weights ?? checkpoint.format;
  if (full && weights !== 'f32') {
    throw new Problem('usage', `Cannot use \`full\` with weights held as ${holdingName(weights)}: it trains them; use \`weights\` f32, or leave \`full\` out for an adapter`);
  }
  const bytes = readBytes(data);
  const start = full ? refuseAdapterSettings(request) : await adapterStart(request, checkpoint.config, hooks);
  const { documents, cut, dropped, maxTokens } = await readDocuments(request, bytes, checkpoint, hooks);
  const settings = settingsOf(request, documents.length);
  const training = await openTraining<TrainingState>(out, {
    kind: 'sft',
    settings: {
      model: modelIdentity(checkpoint.directory),
      weights: holdingName(weights),
      data: digest(bytes),
      adapterInit: start?.digest ?? null,
      full,
      rank: start?.lora.rank ?? null,
      alpha: start?.lora.alpha ?? null,
      targets: start?.lora.targets.join() ?? null,
      learningRate: settings.learningRate,
      schedule: settings.schedule,
      warmUp: settings.warmUpSteps,
      steps: settings.steps,
      batch: settings.batchSize,
      seq: maxTokens,
      seed: settings.seed,
    },
    codec: { encode: encodeTrainingState, decode: decodeTrainingState },
  });
  let session: Session | null = null;
  try {
    session = await openSession(checkpoint, deps, request, hooks);
    if (training.resumed) note(hooks, `Going on from step ${training.resumed.step} of ${settings.steps}`);
    const what = start ? `an adapter of rank ${start.lora.rank}` : 'all weights';
    const tokens = documents.reduce((sum, document) => sum + document.tokens.length, 0);
    note(hooks, `Training ${what}: ${counted(documents.length, 'example')}, ${counted(tokens, 'token')}, ${counted(settings.steps, 'step')}`);
    const run = { model: session.model, documents, settings, training, hooks: stepHooks(training, settings, hooks) };
    const trained = start ? await trainAdapter(run, start, baseName(name ?? SHIPPED_MODEL)) : await trainWeights(run, checkpoint);
    await training.finish(trained.files);
    const losses = await training.losses();
    const [firstLoss, lastLoss] = [losses.at(0) ?? null, losses.at(-1) ?? null];
    return { out, kind: trained.kind, sha256: trained.sha256, examples: documents.length, cut, dropped, steps: settings.steps, firstLoss, lastLoss, losses };
  } catch (error) {
    throw afterStop(error, 'every step is kept. Go on with the same request');
  } finally {
    session?.close();
    await training.close();
  }
}

/** How a training is done, and what its directory keeps of that. */
interface Settings extends FineTuningSettings {
  readonly batchSize: number;
  readonly seed: number;
}

function settingsOf(request: SftRequest, examples: number): Settings {
  const { full = false, batch = DEFAULTS.batch, epochs = DEFAULTS.epochs, seed = 0 } = request;
  return {
    order: batchOrder(examples, batch, seed),
    steps: request.steps ?? epochs * stepsPerEpoch(examples, batch),
    batchSize: batch,
    learningRate: request.learningRate ?? (full ? DEFAULTS.weightsRate : DEFAULTS.adapterRate),
    schedule: request.schedule ?? 'linear',
    warmUpSteps: request.warmUp ?? 0,
    seed,
    recompute: request.recompute ?? false,
  };
}

/** What both kinds of training do between steps. */
interface StepHooks {
  readonly saveEvery: number;
  readonly signal?: AbortSignal | undefined;
  readonly onSteps: (first: number, losses: readonly number[]) => Promise<void>;
}

function stepHooks(training: Training<TrainingState>, settings: Settings, { signal, onEvent }: Hooks): StepHooks {
  const begun = performance.now();
  const from = training.resumed?.step ?? 0;
  return {
    saveEvery: SAVE_EVERY,
    signal,
    async onSteps(first, losses) {
      const steps = losses.map((loss, i) => ({ step: first + i, loss, learningRate: scheduledRate(first + i, settings) }));
      await training.record(steps);
      const done = first + losses.length;
      const pace = (performance.now() - begun) / 1_000 / (done - from);
      onEvent?.({ type: 'steps', steps, total: settings.steps, secondsLeft: pace * (settings.steps - done) });
    },
  };
}

/** What both kinds of training take. */
interface Run {
  readonly model: Model;
  readonly documents: EncodedExamples['documents'];
  readonly settings: Settings;
  readonly training: Training<TrainingState>;
  readonly hooks: StepHooks;
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
      if (optimiser) await training.save({ step, optimiser, tensors: new Map([['adapter', now]]) });
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
    save: ({ step, optimiser, weights }) => training.save({ step, optimiser, tensors: weights }),
  });
  const { weights } = checkpointFiles(config, await model.read());
  const texts = companionsOf(directory).map(({ name, read }) => [name, read()]);
  return {
    kind: 'model',
    sha256: digest(weights),
    files: { ...Object.fromEntries(texts), 'config.json': float32Config(directory), 'model.safetensors': weights },
  };
}

/** The examples of the file as tokens, with what was cut told. */
async function readDocuments(
  { data, seq }: SftRequest,
  bytes: Uint8Array,
  checkpoint: Checkpoint,
  hooks: Hooks,
): Promise<EncodedExamples & { readonly maxTokens: number }> {
  const maxTokens = lengthOf(seq, checkpoint.config);
  const examples = await problemsAs('data', () => parseExamples(bytes, data));
  const { chat } = checkpoint;
  const unused = unusedColumns(examples);
  if (unused) note(hooks, unused);
  const unread = chat && unreadKeys(examples.flatMap((example) => ('messages' in example ? [example.messages] : [])), chat);
  if (unread) note(hooks, unread);
  const encoded = await problemsAs('data', () => encodeExamples(examples, encoderOf(checkpoint), maxTokens, data));
  const { documents, cut, dropped } = encoded;
  if (cut > 0) note(hooks, `${counted(cut, 'example')} of ${documents.length + dropped} cut at ${maxTokens} tokens (\`seq\`)`);
  if (dropped > 0) note(hooks, `${counted(dropped, 'example')} left out: nothing to learn within ${maxTokens} tokens`);
  return { ...encoded, maxTokens };
}

function readBytes(path: string): Uint8Array<ArrayBuffer> {
  try {
    return readWhole(path);
  } catch (cause) {
    throw new Problem('data', `Cannot read ${path}: ${fileProblem(cause)}`, { place: path, cause });
  }
}

function lengthOf(seq: number | undefined, { maxPositionEmbeddings: most }: ModelConfig): number {
  if (seq !== undefined && seq > most) throw new Problem('usage', `Cannot use \`seq\` ${seq}: the model has ${most} positions`);
  return seq ?? Math.min(DEFAULTS.length, most);
}

function encoderOf(checkpoint: Checkpoint): ExampleEncoder {
  const { tokenizer, chat } = checkpoint;
  const ends = endsOfModel(checkpoint);
  if (ends.length === 0) throw new RangeError('Cannot train this model: its config.json names no eos_token_id');
  return { tokenizer, begin: begins(checkpoint), ends, chat };
}

/** What stands before every text. The tokenizer of the tiny world leaves it to the configuration to name that. */
function begins({ tokenizer, config }: Checkpoint): readonly number[] {
  if (speaksTinyWorld(tokenizer)) return config.bosTokenId === null ? [] : [config.bosTokenId];
  return beginOf(tokenizer);
}

function refuseAdapterSettings({ adapterInit, rank, alpha, targets }: SftRequest): null {
  const given = Object.entries({ adapterInit, rank, alpha, targets }).find(([, value]) => value !== undefined);
  if (given) throw new Problem('usage', `Cannot use \`${given[0]}\` with \`full\`: all weights are trained, there is no adapter`);
  return null;
}

/** The adapter to begin with: a given one as it is, or a fresh one. */
async function adapterStart(request: SftRequest, config: ModelConfig, hooks: Hooks): Promise<Start> {
  const { model: name, adapterInit: directory, rank, alpha, targets, seed = 0 } = request;
  if (directory === undefined) {
    const own = rank ?? DEFAULTS.rank;
    const lora = { rank: own, alpha: alpha ?? 2 * own, targets: targets === undefined ? PROJECTIONS : projectionsOf(targets) };
    const random = stream(seed, 'fine-tuning adapter');
    const layout = await problemsAs('usage', () => loraLayout(config, lora));
    return { lora, values: initialAdapter(layout, lora.rank, () => random.next()), digest: null };
  }
  const adapter = await openAdapter(directory, { name, config }, hooks);
  const { lora } = adapter;
  const other = Object.entries({
    rank: rank !== undefined && rank !== lora.rank,
    alpha: alpha !== undefined && alpha !== lora.alpha,
    targets: targets !== undefined && projectionsOf(targets).join() !== lora.targets.join(),
  }).find(([, differs]) => differs);
  if (other) throw new Problem('usage', `Cannot use \`${other[0]}\` with \`adapterInit\`: the adapter in ${directory} has another; leave it out`);
  return { ...adapter, digest: digest([adapter.digest, lora]) };
}

function projectionsOf(targets: readonly string[]): readonly Projection[] {
  if (targets.join() === 'all') return PROJECTIONS;
  const named = targets.map((name) => {
    const found = PROJECTIONS.find((projection) => projection === name || projection.split('.').at(-1) === name);
    if (!found) {
      const known = PROJECTIONS.map((projection) => projection.split('.').at(-1)).join(', ');
      throw new Problem('usage', `Cannot use \`targets\` ${targets.join()}: ${JSON.stringify(name)} is not one of ${known}; or write all`);
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
  if (isGgufFile(directory)) {
    const gguf = openGguf(directory);
    const { 'config.json': config, 'tokenizer.json': tokenizer } = huggingFaceFiles(gguf);
    return digest([canonicalJson(config()), canonicalJson(tokenizer()), gguf.files.map((file) => [basename(file), statSync(file).size])]);
  }
  const files = readdirSync(directory).filter((name) => name.endsWith('.safetensors')).sort();
  const small = ['config.json', 'tokenizer.json'].map((name) => digest(readBytes(join(directory, name))));
  return digest([...small, ...files.map((name) => [name, statSync(join(directory, name)).size])]);
}
