/** What most commands start with: a device, a model, its text side. */

import { existsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Problem, problemsAs } from '@seal/files';
import { openGpu, type Gpu } from '@seal/device';
import { hostWeights, loadModel, readCheckpoint, type Checkpoint, type WeightFormat, type Model, type TensorReport } from '@seal/model';
import { weightsDigest, type Policy } from '@seal/trainer';
import { modelDirectory } from './hub.ts';
import { say } from './terminal.ts';
import { keptTuning } from './tuning.ts';

/** The shipped tiny model. */
export const SHIPPED_MODEL = fileURLToPath(new URL('../../../packages/tiny/checkpoint', import.meta.url));

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
 * Ends with exit code 4 where `versions` of a model's weights do not fit into the machine's memory: what a policy learns is
 * merged into float32 weights, and those of every round stay.
 */
export function checkHostMemory({ source }: Checkpoint, versions: number): void {
  const elements = [...source.tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  const bytes = 4 * elements * versions;
  if (bytes <= totalmem()) return;
  const gigabytes = (count: number) => `${(count / 2 ** 30).toFixed(1)} GiB`;
  throw new Problem('unavailable',
    `Cannot keep ${versions} versions of these weights as float32: that is ${gigabytes(bytes)}, and this machine has ` +
      `${gigabytes(totalmem())}; use a smaller model or fewer rounds, or adapt without --policy, which needs none of them`,
  );
}

/** The checkpoint's weights on the host, with their digest. */
export async function initialPolicy({ checkpoint }: Session): Promise<Policy> {
  const weights = await problemsAs('unavailable', () => hostWeights(checkpoint));
  return { weights, digest: weightsDigest(weights) };
}

/** Opens a device, or ends with exit code 4 and what to do. */
export function openDevice(): Promise<Gpu> {
  return problemsAs('unavailable', () => openGpu());
}

/** Reads a model by directory or, from the cache, by its hub name; or ends with exit code 4. */
export async function openCheckpoint(nameOrDirectory: string = SHIPPED_MODEL): Promise<Checkpoint> {
  const directory = await modelDirectory(nameOrDirectory);
  if (!existsSync(join(directory, 'config.json'))) {
    throw new Problem('unavailable', `Cannot find a model in ${directory}: there is no config.json in it`);
  }
  return problemsAs('unavailable', () => readCheckpoint(directory));
}

/** How a command loads its model. */
export interface Loading {
  /** How weights are held on the device; as they are stored unless given. */
  readonly weights?: WeightFormat | undefined;
  /** Say of every tensor how it is held, and what that lost. */
  readonly verbose?: boolean;
}

/** Opens device and model. Files are read first: a bad model is reported without a device. */
export async function openSession(
  directory: string = SHIPPED_MODEL,
  read?: Checkpoint,
  { weights, verbose = false }: Loading = {},
): Promise<Session> {
  const checkpoint = read ?? (await openCheckpoint(directory));
  const gpu = await openDevice();
  const tuning = keptTuning(gpu.description);
  const loading = { ...tuning, ...(weights !== undefined && { weights }), ...(verbose && { onTensor: sayTensor }) };
  let model: Model;
  try {
    model = await problemsAs('unavailable', () => loadModel(gpu, checkpoint, loading));
  } catch (error) {
    gpu.close();
    throw error;
  }
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
}

const WORST_CHANNELS = 3;

/** A line for a tensor: how it is held, what packing lost of an output channel on average, and the channels that lost most. */
function sayTensor({ name, shape, format, channelErrors }: TensorReport): void {
  const held = `${name} (${shape.join(', ')}) ${format}`;
  if (channelErrors.length === 0) return say(held);
  const percent = (share: number) => `${(100 * share).toPrecision(3)} %`;
  const mean = channelErrors.reduce((sum, error) => sum + error, 0) / channelErrors.length;
  const worst = [...channelErrors.keys()]
    .toSorted((a, b) => (channelErrors[b] ?? 0) - (channelErrors[a] ?? 0))
    .slice(0, WORST_CHANNELS)
    .map((channel) => `${channel} (${percent(channelErrors[channel] ?? 0)})`);
  say(`${held}: ${percent(mean)} of an output channel lost, most of ${worst.join(', ')}`);
}
