/** What this machine offers, whether it computes, what a model is, and what it will take before it is loaded. */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { checkDevice, DEFAULT_LIMITS, type DeviceCheck, type GpuDescription } from '@seal/device';
import { messageOf, Problem } from '@seal/files';
import { readJson } from '@seal/files/node';
import { isGgufFile, openGguf } from '@seal/gguf/node';
import { selectVariant, type Choice } from '@seal/kernels';
import {
  holdingName,
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
  type ModelConfig,
} from '@seal/model';
import { modelCases } from '@seal/tuner';
import { type } from 'arktype';
import type { Deps } from './deps.ts';
import type { Hooks } from './events.ts';
import { checkRequest, WEIGHT_FORMAT, type RequestOf } from './request.ts';
import { modelDirectory, SHIPPED_MODEL } from './session.ts';
import { keptTuning } from './tuning.ts';

const schema = type({
  'model?': 'string',
  'weights?': WEIGHT_FORMAT,
  /** Adapters trained side by side. */
  'pack?': '1 <= number.integer <= 1024',
  'rank?': '1 <= number.integer <= 1024',
  /** Tokens of the longest sequence. */
  'seq?': '8 <= number.integer <= 16777216',
  /** Tokens of a training step. */
  'tokens?': '8 <= number.integer <= 16777216',
  /** What the plan has to fit into: bytes, or a size such as 12GiB. */
  'memory?': type('string').or('number.integer > 0'),
});

export type PlanRequest = RequestOf<typeof schema>;

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
  readonly source: 'request' | 'machine';
  /** Whether the plan fits, with activations kept, only when they are recomputed, or not at all. */
  readonly fits: 'kept' | 'recomputed' | 'no';
  /** The most adapters with the plan's other sizes, and the longest sequence with its own pack; activations recomputed. */
  readonly largestPack: number;
  readonly largestSequence: number;
}

/** What a model takes with adapters, a training step and caches side by side. */
export interface Plan {
  /** A format, or `stored` where every tensor is held in its own. */
  readonly weights: ReturnType<typeof holdingName>;
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

const PACK = 8;
const RANK = 16;
const SEQUENCE = 1_024;
const STEP = 2_048;
/** No plan looks for more adapters than this. */
export const MOST_ADAPTERS = 1_024;

function roundUp(count: number): number {
  return Math.ceil(count / 8) * 8;
}

/** A directory's check, and its configuration and format of weights as far as these could be read. */
interface Checked {
  readonly check: ModelCheck;
  readonly model: Pick<Checkpoint, 'config' | 'format'> | null;
}

/** Reads what a directory holds but for the weights; a `config.json` alone will do. Never throws: see `problem`. */
async function checkModel(name: string = SHIPPED_MODEL, deps: Pick<Deps, 'hub'>): Promise<Checked> {
  let check: ModelCheck = { directory: name, family: null, parameters: null, vocabulary: null, files: null, problem: null };
  let model: Checked['model'] = null;
  const know = (known: NonNullable<Checked['model']>) => {
    model = known;
    const { config } = known;
    check = { ...check, family: config.family, parameters: parameterCount(config), vocabulary: config.vocabSize };
  };
  try {
    const directory = await modelDirectory(name, deps);
    check = { ...check, directory };
    if (isGgufFile(directory)) {
      const { byteLength, tensors } = openGguf(directory);
      know(await readCheckpoint(directory));
      return { check: { ...check, files: { byteLength, dtypes: [...new Set([...tensors.values()].map(({ type: own }) => own))].sort() } }, model };
    }
    const place = join(directory, 'config.json');
    const json = readJson(place, 'unavailable');
    const shards = readdirSync(directory).filter((file) => file.endsWith('.safetensors'));
    if (shards.length === 0) {
      know({ config: parseConfig(json, place), format: 'f32' });
      return { check, model };
    }
    const checkpoint = await readCheckpoint(directory);
    know(checkpoint);
    const byteLength = shards.reduce((sum, file) => sum + statSync(join(directory, file)).size, 0);
    const dtypes = [...new Set([...checkpoint.source.tensors.values()].map(({ dtype }) => dtype))].sort();
    return { check: { ...check, files: { byteLength, dtypes } }, model };
  } catch (error) {
    return { check: { ...check, problem: messageOf(error) }, model };
  }
}

/** `12GiB`, `800 MB` or `16000000000` in bytes. Throws a problem for anything else. */
export function parseMemory(size: string | number): number {
  if (typeof size === 'number') return size;
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([KMGT]i?)?B?$/i.exec(size.trim()) ?? [];
  const power = 'KMGT'.indexOf(unit.charAt(0).toUpperCase()) + (unit === '' ? 0 : 1);
  const bytes = Math.floor(Number(number) * (unit.toLowerCase().endsWith('i') ? 1_024 : 1_000) ** power);
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new Problem('usage', `Cannot plan for \`memory\` ${JSON.stringify(size)}: give a size such as 12GiB or 800MB`);
}

/**
 * Plans what is asked for, on this adapter or, where there is none, on any with WebGPU's default limits; within `memory`
 * bytes, or what the machine has where they are null and an adapter computes there.
 */
function planModel(
  { config, format }: Pick<Checkpoint, 'config' | 'format'>,
  gpu: GpuDescription | null,
  request: PlanRequest,
  memory: number | null,
  totalMemory: number,
): Plan {
  const { weights = format, pack = PACK, rank = RANK } = request;
  const most = config.maxPositionEmbeddings;
  const sequence = request.seq ?? Math.min(SEQUENCE, most);
  if (sequence > most) throw new Problem('usage', `Cannot plan for \`seq\` ${sequence}: the model has ${most} positions`);
  const tokens = roundUp(request.tokens ?? Math.max(STEP, sequence));
  if (tokens < sequence) {
    throw new Problem('usage', `Cannot plan for \`tokens\` ${tokens} with \`seq\` ${sequence}: a step must hold a sequence`);
  }
  const lora = { rank, alpha: 2 * rank, targets: PROJECTIONS };
  const profile = gpu ?? {};
  const wanted = (adapters: number, length: number, recompute: boolean): CapacityRequest => ({
    weights,
    pack: { lora, adapters },
    step: { tokens: roundUp(Math.max(tokens, length)), recompute },
    generation: { slots: adapters, length, prefillTokens: roundUp(length) + 8 },
  });
  const measure = (capacity: CapacityRequest): Measured => {
    try {
      return { ...measureCapacity(config, capacity, profile), problem: null };
    } catch (error) {
      if (error instanceof RangeError) return { problem: messageOf(error) };
      throw error;
    }
  };
  const kept = measure(wanted(pack, sequence, false));
  const recomputed = measure(wanted(pack, sequence, true));
  const budgetOf = (byteLength: number, source: Budget['source']): Budget => {
    const within = (measured: Measured) => measured.problem === null && measured.byteLength <= byteLength;
    const longest = Math.floor(most / 64);
    return {
      byteLength,
      source,
      fits: within(kept) ? 'kept' : within(recomputed) ? 'recomputed' : 'no',
      largestPack: largestFitting((adapters) => within(measure(wanted(adapters, sequence, true))), MOST_ADAPTERS),
      largestSequence: 64 * largestFitting((n) => within(measure(wanted(pack, 64 * n, true))), longest),
    };
  };
  let budget: Budget | null = null;
  if (memory !== null) budget = budgetOf(memory, 'request');
  else if (gpu?.class === 'cpu') budget = budgetOf(totalMemory, 'machine');
  const { maxStorageBufferBindingSize: binding, maxBufferSize: buffer } = { ...DEFAULT_LIMITS, ...gpu?.limits };
  const flops = (recompute: boolean) => stepFlops(config, lora, { tokens, length: sequence, recompute });
  return {
    weights: holdingName(weights),
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

/** Which variants of the kernels run. `choices` is empty where there is no device or no model. */
export interface KernelCheck {
  readonly source: 'default' | 'tuned';
  readonly choices: readonly Choice[];
}

export interface PlanDocument {
  /** Whether the device computes and the model can be read. */
  readonly ok: boolean;
  readonly version: string;
  readonly commit: string | null;
  readonly runtime: string;
  readonly device: Omit<DeviceCheck, 'runtime'>;
  readonly model: ModelCheck;
  /** Null where the model's configuration is not known. */
  readonly plan: Plan | null;
  readonly kernels: KernelCheck;
}

/** What is missing is in the document; only what was asked for wrongly is thrown. */
export async function plan(request: PlanRequest, deps: Deps, hooks: Hooks = {}): Promise<PlanDocument> {
  const { model: name, memory: size } = checkRequest(schema, request);
  const memory = size === undefined ? null : parseMemory(size);
  const { runtime, ...device } = await checkDevice({}, deps.openGpu);
  const { check: model, model: known } = await checkModel(name, deps);
  return {
    ok: device.ok && model.problem === null,
    version: deps.version.package,
    commit: deps.version.commit ?? null,
    runtime,
    device,
    model,
    plan: known && planModel(known, device.gpu, request, memory, deps.totalMemory),
    kernels: device.gpu && known ? checkKernels(device.gpu, known.config, deps, hooks) : { source: 'default', choices: [] },
  };
}

/** A step of this size stands for the model's others. */
const TOKENS = 512;

/** The variant of every op at the model's shapes, as a verb with that model would run it. */
function checkKernels(gpu: GpuDescription, config: ModelConfig, deps: Deps, hooks: Hooks): KernelCheck {
  const tuning = keptTuning(gpu, deps, hooks);
  const choices = modelCases(config, TOKENS, RANK).map(({ op, sizes }) => ({
    op: op.name,
    sizes,
    variant: selectVariant(op, gpu, sizes, tuning ?? {}).name,
  }));
  return { source: tuning ? 'tuned' : 'default', choices };
}
