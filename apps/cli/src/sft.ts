/** `seal sft`: supervised fine-tuning on a file of examples, of an adapter or of all weights, that can be stopped and continued. */

import { appendFileSync, copyFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { stream } from '@seal/domains';
import {
  adapterFiles,
  checkpointFiles,
  initialAdapter,
  loraLayout,
  parseSafetensors,
  PROJECTIONS,
  toFloat32,
  writeSafetensors,
  type AdapterValues,
  type Checkpoint,
  type LoraConfig,
  type ModelConfig,
  type OptimiserState,
  type Projection,
} from '@seal/model';
import { digest } from '@seal/runs';
import {
  encodeExamples,
  fineTuneAdapter,
  fineTuneWeights,
  parseExamples,
  scheduledRate,
  stepsPerEpoch,
  type FineTuningSettings,
} from '@seal/trainer';
import { openAdapter } from './adapters.ts';
import { EXIT, Failure, messageOf, orExit, Stopped } from './failure.ts';
import { cannotWrite, fileProblem, readJson, readText, writeWhole } from './files.ts';
import type { CommandOf } from './options.ts';
import { openCheckpoint, openSession, SHIPPED_MODEL } from './session.ts';
import { stopSignal } from './stop.ts';
import { counted, print, say } from './terminal.ts';

const BEGUN = 'sft.json';
const STATE = 'sft-state.safetensors';
const LOSSES = 'losses.jsonl';
const SAVE_EVERY = 100;
const DEFAULTS = { rank: 16, adapterRate: 2e-4, weightsRate: 2e-5, epochs: 3, length: 1_024 };
/** What belongs to a model directory beside configuration and weights. */
const TEXT_FILES = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'chat_template.jinja', 'generation_config.json'];

/** Where to start: an adapter's values with its shape. */
interface Start {
  readonly lora: LoraConfig;
  readonly values: AdapterValues;
}

export async function sft(command: CommandOf<'sft'>): Promise<void> {
  const { adapterOut: out } = command;
  const checkpoint = await openCheckpoint(command.model);
  const bytes = readBytes(command.data);
  const examples = await orExit(EXIT.data, () => parseExamples(bytes, command.data));
  const { config } = checkpoint;
  const maxTokens = lengthOf(command, config);
  const { documents, cut, dropped } = await orExit(EXIT.data, () => encodeExamples(examples, encoderOf(checkpoint), maxTokens, command.data));
  if (cut > 0) say(`${counted(cut, 'example')} of ${examples.length} cut at ${maxTokens} tokens (--seq)`);
  if (dropped > 0) say(`${counted(dropped, 'example')} left out: nothing to learn within ${maxTokens} tokens`);
  const steps = command.steps ?? (command.epochs ?? DEFAULTS.epochs) * stepsPerEpoch(documents.length, command.batch);
  const settings: FineTuningSettings = {
    steps,
    batchSize: command.batch,
    learningRate: command.learningRate ?? (command.full ? DEFAULTS.weightsRate : DEFAULTS.adapterRate),
    schedule: command.schedule,
    warmUpSteps: command.warmUp,
    seed: command.seed,
    recompute: command.recompute,
  };
  const start = command.full ? refuseAdapterOptions(command) : await adapterStart(command, config);
  const begun = {
    '--model': modelIdentity(checkpoint.directory),
    '--data': digest(new Uint8Array(bytes)),
    '--adapter-init': command.adapterInit === undefined ? null : digest(start?.values ? new Uint8Array(start.values.buffer) : null),
    '--full': command.full,
    '--rank': start?.lora.rank ?? null,
    '--alpha': start?.lora.alpha ?? null,
    '--targets': start?.lora.targets.join() ?? null,
    '--lr': settings.learningRate,
    '--schedule': settings.schedule,
    '--warmup': settings.warmUpSteps,
    '--steps or --epochs': steps,
    '--batch': settings.batchSize,
    '--seq': maxTokens,
    '--seed': settings.seed,
  };
  const resumed = openOutput(out, begun);
  const { signal, dispose } = stopSignal(command.maxTime);
  const session = await openSession(command.model);
  try {
    if (resumed) say(`Going on from step ${resumed.step} of ${steps}`);
    const losses = keptLosses(out, resumed?.step ?? 0);
    const lengths = documents.reduce((sum, { tokens }) => sum + tokens.length, 0);
    say(`Training ${command.full ? 'all weights' : `an adapter of rank ${start?.lora.rank}`}: ${counted(documents.length, 'example')}, ${lengths} tokens, ${counted(steps, 'step')}`);
    const hooks = {
      saveEvery: SAVE_EVERY,
      signal,
      onSteps(first: number, taken: readonly number[]) {
        const rows = taken.map((loss, i) => ({ step: first + i, loss, learningRate: scheduledRate(first + i, settings) }));
        append(join(out, LOSSES), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
        for (const { step, loss, learningRate } of rows) {
          say(`step ${step + 1}/${steps}  loss ${loss.toFixed(4)}  learning rate ${learningRate.toPrecision(3)}`);
        }
        losses.push(...taken);
      },
    };
    const save = (step: number, optimiser: OptimiserState, tensors: ReadonlyMap<string, Float32Array>) =>
      writeWhole(join(out, STATE), stateFile(step, optimiser, tensors));
    const files = start
      ? await trainAdapter(session.model.config, start)
      : await trainWeights();
    for (const [name, content] of Object.entries(files)) writeWhole(join(out, name), content);
    rmSync(join(out, STATE), { force: true });
    const result = {
      out,
      kind: command.full ? ('model' as const) : ('adapter' as const),
      sha256: digest(files[command.full ? 'model.safetensors' : 'adapter_model.safetensors'] as Uint8Array),
      examples: documents.length,
      cut,
      dropped,
      steps,
      firstLoss: losses.at(0) ?? null,
      lastLoss: losses.at(-1) ?? null,
      losses,
    };
    print(command.json ? JSON.stringify(result) : `${command.full ? 'Model' : 'Adapter'} in ${out}\nLoss ${result.firstLoss?.toFixed(4)} before, ${result.lastLoss?.toFixed(4)} at the last step`);

    async function trainAdapter(model: ModelConfig, { lora, values: initial }: Start): Promise<Record<string, string | Uint8Array>> {
      const layout = loraLayout(model, lora);
      const from = resumed ? { step: resumed.step, values: resumed.tensor('values'), optimiser: resumed.optimiser } : { step: 0, values: initial };
      const values = await fineTuneAdapter(session.model, lora, documents, settings, from, {
        ...hooks,
        save: async ({ step, values: now, optimiser }) => {
          if (optimiser) save(step, optimiser, new Map([['values', now]]));
        },
      });
      return adapterFiles(layout, lora, values, command.model ?? 'seal-tiny');
    }

    async function trainWeights(): Promise<Record<string, string | Uint8Array>> {
      const from = resumed ? { step: resumed.step, weights: resumed.tensors, optimiser: resumed.optimiser } : null;
      await fineTuneWeights(session.model, documents, settings, from, { ...hooks, save: async (state) => save(state.step, state.optimiser, state.weights) });
      const { weights } = checkpointFiles(config, await session.model.read());
      for (const name of TEXT_FILES) copyIfThere(join(checkpoint.directory, name), join(out, name));
      return { 'config.json': savedConfig(checkpoint.directory), 'model.safetensors': weights };
    }
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    throw new Stopped(`${messageOf(error)}; every step is kept. Go on with the same command`);
  } finally {
    dispose();
    session.close();
  }
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new Failure(EXIT.data, `Cannot read ${path}: ${fileProblem(cause)}`, { cause });
  }
}

function lengthOf({ seq }: CommandOf<'sft'>, { maxPositionEmbeddings: most }: ModelConfig): number {
  if (seq !== undefined && seq > most) throw new Failure(EXIT.usage, `Cannot use --seq ${seq}: the model has ${most} positions`);
  return seq ?? Math.min(DEFAULTS.length, most);
}

function encoderOf({ tokenizer, config }: Checkpoint) {
  const [end] = config.eosTokenIds;
  if (end === undefined) throw new RangeError('Cannot train this model: its config.json names no eos_token_id');
  return { tokenizer, begin: config.bosTokenId === null ? [] : [config.bosTokenId], end, chat: null };
}

function refuseAdapterOptions({ adapterInit, rank, alpha, targets }: CommandOf<'sft'>): null {
  const given = Object.entries({ '--adapter-init': adapterInit, '--rank': rank, '--alpha': alpha, '--targets': targets }).find(([, value]) => value !== undefined);
  if (given) throw new Failure(EXIT.usage, `Cannot use ${given[0]} with --full: all weights are trained, there is no adapter`);
  return null;
}

/** The adapter to begin with: a given one as it is, or a fresh one. */
async function adapterStart(command: CommandOf<'sft'>, config: ModelConfig): Promise<Start> {
  const { adapterInit: directory, rank, alpha, targets, seed } = command;
  if (directory === undefined) {
    const lora = { rank: rank ?? DEFAULTS.rank, alpha: alpha ?? 2 * (rank ?? DEFAULTS.rank), targets: parseTargets(targets ?? 'all') };
    const random = stream(seed, 'fine-tuning adapter');
    const layout = await orExit(EXIT.usage, () => loraLayout(config, lora));
    return { lora, values: initialAdapter(layout, lora.rank, () => random.next()) };
  }
  const { lora, values } = await openAdapter(directory, { name: command.model ?? SHIPPED_MODEL, config });
  const other = Object.entries({
    '--rank': rank !== undefined && rank !== lora.rank,
    '--alpha': alpha !== undefined && alpha !== lora.alpha,
    '--targets': targets !== undefined && parseTargets(targets).join() !== lora.targets.join(),
  }).find(([, differs]) => differs);
  if (other) throw new Failure(EXIT.usage, `Cannot use ${other[0]} with --adapter-init: the adapter in ${directory} has another; leave it out`);
  return { lora, values };
}

function parseTargets(text: string): Projection[] {
  if (text === 'all') return [...PROJECTIONS];
  const named = text.split(',').map((name) => {
    const found = PROJECTIONS.find((projection) => projection === name || projection.split('.').at(-1) === name);
    if (!found) {
      const known = PROJECTIONS.map((projection) => projection.split('.').at(-1)).join(', ');
      throw new Failure(EXIT.usage, `Cannot use --targets ${text}: ${JSON.stringify(name)} is not one of ${known}; or write all`);
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
  const small = ['config.json', 'tokenizer.json'].map((name) => digest(new Uint8Array(readBytes(join(directory, name)))));
  return digest([...small, ...files.map((name) => [name, statSync(join(directory, name)).size])]);
}

/** A training that was stopped. */
interface Resumed {
  readonly step: number;
  readonly optimiser: OptimiserState;
  readonly tensors: ReadonlyMap<string, Float32Array>;
  tensor(name: string): Float32Array;
}

/** Begins in an empty directory or goes on in one begun with the same options; anything else is refused by name. */
function openOutput(out: string, begun: Readonly<Record<string, unknown>>): Resumed | null {
  const place = join(out, BEGUN);
  if (!existsSync(place)) {
    const isDirectory = existsSync(out) && statSync(out).isDirectory();
    if (existsSync(out) && (!isDirectory || readdirSync(out).length > 0)) {
      throw new Failure(EXIT.usage, `Cannot train in ${out}: it is ${isDirectory ? 'not empty' : 'a file'}; choose another directory`);
    }
    writeWhole(place, `${JSON.stringify(begun, null, 2)}\n`);
    return null;
  }
  const before = readJson(place, EXIT.data);
  const known: Readonly<Record<string, unknown>> = typeof before === 'object' && before !== null ? { ...before } : {};
  const other = Object.keys(begun).filter((name) => JSON.stringify(known[name]) !== JSON.stringify(begun[name]));
  if (other.length > 0) {
    const shown = (value: unknown) => (/^"[0-9a-f]{64}"$/.test(JSON.stringify(value) ?? '') ? 'another' : JSON.stringify(value));
    const was = other.map((name) => `${name} (${shown(known[name])})`).join(', ');
    throw new Failure(EXIT.usage, `Cannot go on in ${out}: it was begun with other ${was}; use the same command, or another --out`);
  }
  const isWritten = ['adapter_model.safetensors', 'model.safetensors'].some((name) => existsSync(join(out, name)));
  if (isWritten && !existsSync(join(out, STATE))) {
    throw new Failure(EXIT.usage, `Cannot train in ${out}: its training is finished; choose another directory`);
  }
  return existsSync(join(out, STATE)) ? readState(join(out, STATE)) : null;
}

function stateFile(step: number, { m, v }: OptimiserState, tensors: ReadonlyMap<string, Float32Array>): Uint8Array {
  const vectors = { m, v, step: Float32Array.of(step) };
  return writeSafetensors([
    ...Object.entries(vectors).map(([name, data]) => [name, { shape: [data.length], data }] as const),
    ...[...tensors].map(([name, data]) => [`trained.${name}`, { shape: [data.length], data }] as const),
  ]);
}

function readState(path: string): Resumed {
  const wrong = (cause: unknown) => new Failure(EXIT.data, `Cannot go on from ${path}: ${messageOf(cause)}; delete its directory and begin anew`, { cause });
  try {
    const stored = parseSafetensors(readFileSync(path), path);
    const tensor = (name: string): Float32Array => {
      const found = stored.get(name);
      if (!found) throw new RangeError(`tensor ${name} is missing`);
      return toFloat32(found, name);
    };
    const [step = NaN] = tensor('step');
    if (!Number.isInteger(step) || step < 1) throw new RangeError(`its step is ${step}`);
    const names = [...stored.keys()].filter((name) => name.startsWith('trained.'));
    const tensors = new Map(names.map((name) => [name.slice('trained.'.length), tensor(name)]));
    return { step, optimiser: { m: tensor('m'), v: tensor('v'), steps: step }, tensors, tensor: (name) => tensor(`trained.${name}`) };
  } catch (cause) {
    throw wrong(cause);
  }
}

/** The losses of the steps that count; what was recorded after the last checkpoint is taken again. */
function keptLosses(out: string, steps: number): number[] {
  const path = join(out, LOSSES);
  const lines = steps === 0 ? [] : readText(path, EXIT.data).split('\n').slice(0, steps);
  const losses = lines.map((line) => {
    try {
      const row: unknown = JSON.parse(line);
      if (typeof row === 'object' && row !== null && 'loss' in row && typeof row.loss === 'number') return row.loss;
    } catch {
      // Falls through to the refusal.
    }
    throw new Failure(EXIT.data, `Cannot go on in ${out}: ${path} does not hold the losses of the ${steps} steps taken; begin anew elsewhere`);
  });
  if (losses.length < steps) throw new Failure(EXIT.data, `Cannot go on in ${out}: ${path} holds ${losses.length} losses, ${steps} steps were taken`);
  writeWhole(path, lines.map((line) => `${line}\n`).join(''));
  return losses;
}

function append(path: string, text: string): void {
  try {
    appendFileSync(path, text);
  } catch (cause) {
    throw cannotWrite(path, cause);
  }
}

function copyIfThere(from: string, to: string): void {
  try {
    if (existsSync(from)) copyFileSync(from, to);
  } catch (cause) {
    throw cannotWrite(to, cause);
  }
}

/** The model's own configuration with the dtype that its weights have now, under the names that it uses for it. */
function savedConfig(directory: string): string {
  const json = readJson(join(directory, 'config.json'), EXIT.data) as object;
  const dtype = 'dtype' in json ? { dtype: 'float32' } : {};
  const older = 'torch_dtype' in json || !('dtype' in json) ? { torch_dtype: 'float32' } : {};
  return `${JSON.stringify({ ...json, ...dtype, ...older }, null, 2)}\n`;
}
