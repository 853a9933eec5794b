/** What most verbs start with: a device, a model, its text side. */

import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Gpu } from '@seal/device';
import { Problem, problemsAs } from '@seal/files';
import { isGgufFile } from '@seal/gguf/node';
import { resolveModel } from '@seal/hub';
import { generationSettings, loadModel, readAdapterDirectory, readCheckpoint, type Checkpoint, type Model, type ModelConfig, type PeftAdapter, type TensorReport, type WeightFormat } from '@seal/model';
import { checkpointDirectory } from '@seal/tiny';
import { endsOf } from '@seal/tokenizer';
import type { Deps } from './deps.ts';
import { note, type Hooks } from './events.ts';
import { keptTuning } from './tuning.ts';

/** The directory of the shipped tiny model, which stands in for a model that is not named. */
export const SHIPPED_MODEL = fileURLToPath(checkpointDirectory);

/** What adapters of a model name as their base: its name or directory as it was given, but for the shipped one. */
export function baseName(model: string): string {
  return model === SHIPPED_MODEL ? 'seal-tiny' : model;
}

/** An open model; `close` gives everything back. */
export interface Session {
  readonly gpu: Gpu;
  readonly checkpoint: Checkpoint;
  readonly model: Model;
  /** Names the measured choice of kernels; null where the defaults run. */
  readonly tuningDigest: string | null;
  readonly close: () => void;
}

/**
 * Throws a problem where `versions` of a model's weights do not fit into `totalMemory` bytes: what a policy learns is merged
 * into float32 weights, and those of every round stay.
 */
export function checkHostMemory({ source }: Checkpoint, versions: number, totalMemory: number): void {
  const elements = [...source.tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  const bytes = 4 * elements * versions;
  if (bytes <= totalMemory) return;
  const gigabytes = (count: number) => `${(count / 2 ** 30).toFixed(1)} GiB`;
  throw new Problem('unavailable',
    `Cannot keep ${versions} versions of these weights as float32: that is ${gigabytes(bytes)}, and this machine has ` +
      `${gigabytes(totalMemory)}; use a smaller model or fewer rounds, or adapt without \`policy\`, which needs none of them`,
  );
}

/** Opens a device. Throws a problem of kind `unavailable` where there is none. */
export function openDevice({ openGpu }: Pick<Deps, 'openGpu'>): Promise<Gpu> {
  return problemsAs('unavailable', openGpu);
}

/** The directory of a model by its path or its hub name; the network is never asked. Throws a problem where there is none. */
export function modelDirectory(model: string = SHIPPED_MODEL, { hub }: Pick<Deps, 'hub'>): Promise<string> {
  return problemsAs('unavailable', () => resolveModel(model, { cacheDirectory: hub.cacheDirectory }));
}

/** Reads a model by directory or, from the cache, by its hub name. Throws a problem where it cannot be used. */
export async function openCheckpoint(model: string = SHIPPED_MODEL, deps: Pick<Deps, 'hub'>): Promise<Checkpoint> {
  const directory = await modelDirectory(model, deps);
  if (!isGgufFile(directory) && !existsSync(join(directory, 'config.json'))) {
    const ggufs = existsSync(directory) ? readdirSync(directory).filter((file) => /\.gguf$/i.test(file)).sort() : [];
    const instead = ggufs.length === 0 ? '' : `; name its GGUF file itself, ${ggufs.slice(0, 8).join(' or ')}`;
    throw new Problem('unavailable', `Cannot find a model in ${directory}: there is no config.json in it${instead}`);
  }
  return problemsAs('unavailable', () => readCheckpoint(directory));
}

/** All tokens that end a text of a model, the first of which training appends; `endsOf` says where they are from. */
export function endsOfModel(checkpoint: Pick<Checkpoint, 'directory' | 'config' | 'eosTokenId' | 'chat'>): readonly number[] {
  const { directory, config } = checkpoint;
  const ends = endsOf(checkpoint, [...config.eosTokenIds, ...generationSettings(directory, config, {}).stopTokens]);
  return ends.filter((id) => id < config.vocabSize);
}

/** How a verb loads its model. */
export interface Loading {
  /** How weights are held on the device; as they are stored unless given. */
  readonly weights?: WeightFormat | undefined;
  /** Tell of every tensor how it is held, and what that lost. */
  readonly verbose?: boolean | undefined;
}

/** Opens a device and loads a model that was read, so that a bad model is told of without a device. */
export async function openSession(
  checkpoint: Checkpoint,
  deps: Pick<Deps, 'openGpu' | 'tuningFolder' | 'version'>,
  { weights, verbose = false }: Loading = {},
  hooks: Hooks = {},
): Promise<Session> {
  const { onEvent } = hooks;
  for (const message of checkpoint.notes) note(hooks, message);
  const gpu = await openDevice(deps);
  try {
    const tuning = keptTuning(gpu.description, deps, hooks);
    const loading = { ...tuning, ...(weights !== undefined && { weights }), ...(verbose && onEvent && { onTensor: (tensor: TensorReport) => onEvent({ type: 'tensor', tensor }) }) };
    const model = await problemsAs('unavailable', () => loadModel(gpu, checkpoint, loading));
    return {
      gpu,
      checkpoint,
      model,
      tuningDigest: tuning?.digest ?? null,
      close() {
        model.destroy();
        gpu.close();
      },
    };
  } catch (error) {
    gpu.close();
    throw error;
  }
}

/** What an adapter is read for: `name` is the model's name or directory as it was given. */
export interface AdaptedModel {
  readonly name?: string | undefined;
  readonly config: ModelConfig;
}

/** Reads an adapter directory; what is odd and harmless is told. Throws a problem of kind `data` where it cannot be used. */
export async function openAdapter(directory: string, { name = SHIPPED_MODEL, config }: AdaptedModel, hooks: Hooks = {}): Promise<PeftAdapter> {
  const adapter = await problemsAs('data', () => readAdapterDirectory(directory, config));
  for (const message of adapter.notes) note(hooks, `Note: ${message}`);
  const { baseModel } = adapter;
  if (baseModel !== null && basename(baseModel) !== basename(baseName(name))) {
    note(hooks, `Note: the adapter in ${directory} was trained on ${baseModel}; its sizes fit ${name}`);
  }
  return adapter;
}
