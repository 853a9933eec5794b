/** What a model takes of an adapter before it is loaded: the plan that `seal doctor` prints. */

import { readdirSync, statSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { readJson } from '@seal/files/node';
import { messageOf, Problem } from '@seal/files';
import { DEFAULT_LIMITS, type GpuDescription } from '@seal/device';
import {
  largestFitting,
  measureCapacity,
  parameterCount,
  parseConfig,
  PROJECTIONS,
  readCheckpoint,
  stepFlops,
  type Capacity,
  type CapacityRequest,
  type Checkpoint,
} from '@seal/model';
import { modelDirectory } from './hub.ts';
import type { CommandOf } from './options.ts';

/** What is known of a model directory. `problem` is null when nothing speaks against using it. */
export interface ModelCheck {
  readonly directory: string;
  readonly family: string | null;
  readonly parameters: number | null;
  readonly vocabulary: number | null;
  /** Null where the directory has no weights. */
  readonly files: { readonly byteLength: number; readonly dtypes: readonly string[] } | null;
  readonly problem: string | null;
}

/** A capacity, or why it cannot be had within the adapter's limits. */
type Measured = (Capacity & { readonly problem: null }) | { readonly problem: string };

/** What a budget of memory allows. */
interface Budget {
  readonly byteLength: number;
  /** Where the number is from. */
  readonly source: '--memory' | 'memory of this machine';
  /** Whether the plan fits, with activations kept, only when they are recomputed, or not at all. */
  readonly fits: 'kept' | 'recomputed' | 'no';
  /** The most adapters with the plan's other sizes, and the longest sequence with its own pack; activations recomputed. */
  readonly largestPack: number;
  readonly largestSequence: number;
}

/** What a model takes with adapters, a training step and caches side by side. */
interface Plan {
  readonly weights: CapacityRequest['weights'];
  readonly pack: number;
  readonly rank: number;
  readonly sequence: number;
  readonly tokens: number;
  readonly limits: { readonly binding: number; readonly buffer: number; readonly of: string };
  readonly kept: Measured;
  readonly recomputed: Measured;
  readonly flopsPerStep: { readonly kept: number; readonly recomputed: number };
  readonly budget: Budget | null;
}

const SEQUENCE = 1_024;
const STEP = 2_048;
const MOST_ADAPTERS = 1_024;
const roundUp = (count: number) => Math.ceil(count / 8) * 8;

/** A directory's check, and its configuration and format of weights as far as these could be read. */
interface Checked {
  readonly check: ModelCheck;
  readonly model: Pick<Checkpoint, 'config' | 'format'> | null;
}

/** Reads what a directory holds but for the weights; a `config.json` alone will do. Never throws: see `problem`. */
export async function checkModel(nameOrDirectory: string): Promise<Checked> {
  let check: ModelCheck = { directory: nameOrDirectory, family: null, parameters: null, vocabulary: null, files: null, problem: null };
  let model: Checked['model'] = null;
  const know = (known: NonNullable<Checked['model']>) => {
    model = known;
    const { config } = known;
    check = { ...check, family: config.family, parameters: parameterCount(config), vocabulary: config.vocabSize };
  };
  try {
    const directory = await modelDirectory(nameOrDirectory);
    check = { ...check, directory };
    const place = join(directory, 'config.json');
    const json = readJson(place, 'unavailable');
    const shards = readdirSync(directory).filter((name) => name.endsWith('.safetensors'));
    if (shards.length === 0) {
      know({ config: parseConfig(json, place), format: 'f32' });
      return { check, model };
    }
    const checkpoint = await readCheckpoint(directory);
    know(checkpoint);
    const byteLength = shards.reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
    const dtypes = [...new Set([...checkpoint.source.tensors.values()].map(({ dtype }) => dtype))].sort();
    return { check: { ...check, files: { byteLength, dtypes } }, model };
  } catch (error) {
    return { check: { ...check, problem: messageOf(error) }, model };
  }
}

/** `12GiB`, `800 MB` or `16000000000` in bytes. Throws a problem for anything else. */
export function parseMemory(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([KMGT]i?)?B?$/i.exec(text.trim()) ?? [];
  const power = 'KMGT'.indexOf(unit.charAt(0).toUpperCase()) + (unit === '' ? 0 : 1);
  const bytes = Math.floor(Number(number) * (unit.toLowerCase().endsWith('i') ? 1_024 : 1_000) ** power);
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new Problem('usage', `Cannot plan for --memory ${JSON.stringify(text)}: give a size such as 12GiB or 800MB`);
}

/**
 * Plans what the options ask for, on this adapter or, where there is none, on any with WebGPU's default limits; within
 * `memory` bytes, or what the machine has where they are null and an adapter computes there.
 */
export function planModel(
  { config, format }: Pick<Checkpoint, 'config' | 'format'>,
  gpu: GpuDescription | null,
  command: CommandOf<'doctor'>,
  memory: number | null,
): Plan {
  const { weights = format, pack, rank } = command;
  const most = config.maxPositionEmbeddings;
  const sequence = command.seq ?? Math.min(SEQUENCE, most);
  if (sequence > most) throw new Problem('usage', `Cannot plan for --seq ${sequence}: the model has ${most} positions`);
  const tokens = roundUp(command.tokens ?? Math.max(STEP, sequence));
  if (tokens < sequence) {
    throw new Problem('usage', `Cannot plan for --tokens ${tokens} with --seq ${sequence}: a step must hold a sequence`);
  }
  const lora = { rank, alpha: 2 * rank, targets: PROJECTIONS };
  const profile = gpu ?? {};
  const request = (adapters: number, length: number, recompute: boolean): CapacityRequest => ({
    weights,
    pack: { lora, adapters },
    step: { tokens: roundUp(Math.max(tokens, length)), recompute },
    generation: { slots: adapters, length, prefillTokens: roundUp(length) + 8 },
  });
  const measure = (wanted: CapacityRequest): Measured => {
    try {
      return { ...measureCapacity(config, wanted, profile), problem: null };
    } catch (error) {
      if (error instanceof RangeError) return { problem: messageOf(error) };
      throw error;
    }
  };
  const kept = measure(request(pack, sequence, false));
  const recomputed = measure(request(pack, sequence, true));
  const budgetOf = (byteLength: number, source: Budget['source']): Budget => {
    const within = (measured: Measured) => measured.problem === null && measured.byteLength <= byteLength;
    const longest = Math.floor(most / 64);
    return {
      byteLength,
      source,
      fits: within(kept) ? 'kept' : within(recomputed) ? 'recomputed' : 'no',
      largestPack: largestFitting((adapters) => within(measure(request(adapters, sequence, true))), MOST_ADAPTERS),
      largestSequence: 64 * largestFitting((n) => within(measure(request(pack, 64 * n, true))), longest),
    };
  };
  let budget: Budget | null = null;
  if (memory !== null) budget = budgetOf(memory, '--memory');
  else if (gpu?.class === 'cpu') budget = budgetOf(totalmem(), 'memory of this machine');
  const { maxStorageBufferBindingSize: binding, maxBufferSize: buffer } = { ...DEFAULT_LIMITS, ...gpu?.limits };
  const flops = (recompute: boolean) => stepFlops(config, lora, { tokens, length: sequence, recompute });
  return {
    weights,
    pack,
    rank,
    sequence,
    tokens,
    limits: { binding, buffer, of: gpu?.description ?? 'any adapter' },
    kept,
    recomputed,
    flopsPerStep: { kept: flops(false), recomputed: flops(true) },
    budget,
  };
}

/** `1.20 GiB`, and smaller ones in MiB. */
function shown(bytes: number): string {
  return bytes >= 2 ** 29 ? `${(bytes / 2 ** 30).toFixed(2)} GiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** `59.9 TFLOP`, in steps of a thousand. */
function shownFlops(flops: number): string {
  const power = Math.min(Math.max(Math.floor(Math.log10(flops) / 3), 2), 5);
  return `${(flops / 1_000 ** power).toPrecision(3)} ${'MGTP'.charAt(power - 2)}FLOP`;
}

/** The model and its files in one line. */
export function modelLine({ directory, family, parameters, vocabulary, files, problem }: ModelCheck): string {
  if (problem !== null) return problem;
  const held = files ? `${files.dtypes.join(' and ')} files of ${shown(files.byteLength)}` : 'no weights, planned from config.json alone';
  return `${family}, ${parameters} parameters, ${vocabulary} tokens, ${held}, in ${directory}`;
}

/** The plan as lines of two columns. */
export function planLines(plan: Plan): (readonly [string, string])[] {
  const { pack, rank, sequence, tokens, limits, kept, recomputed, flopsPerStep, budget } = plan;
  const title = `${plan.weights} weights, ${pack} adapters of rank ${rank}, ${tokens} tokens a step, ${pack} answers of ${sequence} tokens`;
  const rows: (readonly [string, string])[] = [['plan', title]];
  const both = (pick: (capacity: Capacity) => number) =>
    [kept, recomputed].map((measured) => (measured.problem === null ? shown(pick(measured)) : 'impossible').padStart(12)).join('');
  rows.push(['', `${'activations'.padEnd(24)}${'kept'.padStart(12)}${'recomputed'.padStart(12)}`]);
  const names = [
    ['weights', 'weights'],
    ['adapters', 'adapters'],
    ['optimiser', 'gradients and moments'],
    ['activations', 'a training step'],
    ['cache', 'keys and values'],
    ['inference', 'reading and answering'],
    ['other', 'tables and staging'],
  ] as const;
  for (const [part, name] of names) rows.push(['', name.padEnd(24) + both(({ parts }) => parts[part])]);
  rows.push(['', 'together'.padEnd(24) + both(({ byteLength }) => byteLength)]);
  const computed = [flopsPerStep.kept, flopsPerStep.recomputed].map((flops) => shownFlops(flops).padStart(12)).join('');
  rows.push(['', 'a step computes'.padEnd(24) + computed]);
  const problem = recomputed.problem ?? kept.problem;
  rows.push([
    'limits',
    problem ?? `every buffer and binding is within those of ${limits.of} (${shown(limits.binding)} a binding, ${shown(limits.buffer)} a buffer)`,
  ]);
  if (budget) {
    const answers = { kept: 'fits', recomputed: 'fits with --recompute', no: 'does not fit' };
    const source = budget.source === '--memory' ? '' : `, the ${budget.source}`;
    rows.push(['memory', `${answers[budget.fits]} into ${shown(budget.byteLength)}${source}`]);
    const adapters = budget.largestPack === MOST_ADAPTERS ? `${MOST_ADAPTERS} adapters and more` : `${budget.largestPack} adapters`;
    rows.push(['', `largest with recomputation: ${adapters}, or sequences of ${budget.largestSequence} tokens`]);
  }
  return rows;
}
