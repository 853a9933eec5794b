/** A golden model of transformers and PEFT, opened on a device: what make.py beside its folder wrote. */

import { readFileSync } from 'node:fs';
import type { Gpu } from '@seal/device';
import {
  InferencePass,
  LoraPack,
  loraLayout,
  Model,
  packBatch,
  parseAdapterFile,
  parseConfig,
  parseSafetensors,
  PROJECTIONS,
  toFloat32,
  type OptimiserSettings,
  type Segment,
} from '@seal/model';

/** AdamW as expected.json records it. */
export interface Optimiser {
  readonly steps: number;
  readonly learningRate: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weightDecay: number;
  readonly maxGradientNorm: number;
}

/** What every expected.json has. */
export interface Expected {
  readonly rank: number;
  readonly alpha: number;
  readonly sequences: readonly { readonly tokens: number[]; readonly mask: number[] }[];
  readonly lora: { readonly loss: number; readonly optimizer: Optimiser; readonly losses: number[] };
  readonly full?: { readonly optimizer: Optimiser; readonly losses: number[]; readonly rowStride: number };
}

/** |actual - expected| / |expected|; infinite where the lengths differ. */
export function relativeL2(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  return Math.sqrt(difference / norm);
}

/** log softmax of one row of logits at `token`. */
export function logProbability(row: ArrayLike<number>, token: number): number {
  const values = Array.from(row);
  const largest = Math.max(...values);
  return row[token] - largest - Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

/** A safetensors file by name, in float32. */
export function readTensors(file: URL): Map<string, Float32Array> {
  const parsed = parseSafetensors(readFileSync(file), file.pathname);
  return new Map([...parsed].map(([key, tensor]) => [key, toFloat32(tensor, key)]));
}

/** A JSON file. */
export function readJson(file: URL): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** AdamW's constants as our trainers take them. */
export function settings({ betas, eps, weightDecay, maxGradientNorm }: Optimiser): OptimiserSettings {
  return { beta1: betas[0], beta2: betas[1], eps, weightDecay, maxNorm: maxGradientNorm };
}

/**
 * Opens the fixture in `folder`, a URL that ends in a slash. `change` replaces keys of its config.json. The caller
 * destroys model and pack with the device.
 */
export function openFixture<E extends Expected>(gpu: Gpu, folder: URL, change: object = {}) {
  const at = (name: string) => new URL(name, folder);
  const expected = readJson(at('expected.json')) as E;
  const model = new Model(gpu, parseConfig({ ...(readJson(at('config.json')) as object), ...change }, 'config.json'));
  model.write(readTensors(at('model.safetensors')));
  const lora = { rank: expected.rank, alpha: expected.alpha, targets: PROJECTIONS };
  const layout = loraLayout(model.config, lora);
  const pack = new LoraPack(gpu.device, model.config, lora, 1);
  const adapter = parseAdapterFile(readFileSync(at('lora-initial.safetensors')), layout, lora.rank, 'lora-initial');
  pack.write(0, adapter);
  const segment: Segment = expected.sequences.map(({ tokens, mask }) => ({ tokens, targetWeights: mask }));
  const wanted = readTensors(at('expected.safetensors'));
  const tensor = (name: string) => {
    const found = wanted.get(name);
    if (!found) throw new RangeError(`Cannot compare tensor ${name}: the fixture does not have it`);
    return found;
  };
  /** Distance of every matrix of an adapter, or of its gradient, from the stored one. */
  const adapterErrors = (prefix: string, values: Float32Array) =>
    layout.places.flatMap(({ layer, projection, inner, out, offsetA, offsetB }) =>
      (['A', 'B'] as const).map((matrix) => {
        const name = `${prefix}base_model.model.model.layers.${layer}.${projection}.lora_${matrix}.weight`;
        const want = tensor(name);
        const { rank } = lora;
        const got =
          matrix === 'A'
            ? values.slice(offsetA, offsetA + rank * inner)
            : Float32Array.from(want, (_, i) => values[offsetB + (i % rank) * out + Math.floor(i / rank)]);
        return { name, error: relativeL2(got, want) };
      }),
    );
  /**
   * Distance of every tensor of the model, or of its gradient, from the stored rows, row sums and column sums. Sums that
   * are zero by their nature (over the words, the gradient of a head that is not tied) are measured by the tensor.
   */
  const weightErrors = (prefix: string, tensors: ReadonlyMap<string, Float32Array>, rowStride: number) =>
    [...tensors].flatMap(([name, values]) => {
      const shape = model.weights.layout.places.get(name)?.shape ?? [];
      const [rows, columns] = shape;
      if (columns === undefined) return [{ name, error: relativeL2(values, tensor(`${prefix}.${name}`)) }];
      const row = (r: number) => values.subarray(r * columns, (r + 1) * columns);
      const sampled = Array.from({ length: Math.ceil(rows / rowStride) }, (_, i) => [...row(i * rowStride)]).flat();
      const rowSums = Array.from({ length: rows }, (_, r) => sum(row(r)));
      const columnSums = Array.from({ length: columns }, (_, c) => sum(values.filter((_value, i) => i % columns === c)));
      return [
        { name, error: relativeL2(sampled, tensor(`${prefix}.${name}`)) },
        { name: `rows of ${name}`, error: sumError(rowSums, tensor(`${prefix}_row_sums.${name}`), values) },
        { name: `columns of ${name}`, error: sumError(columnSums, tensor(`${prefix}_column_sums.${name}`), values) },
      ];
    });
  return { expected, model, lora, layout, pack, adapter, segment, tensor, has: (name: string) => wanted.has(name), adapterErrors, weightErrors };
}

function sumError(actual: readonly number[], expected: Float32Array, summed: Float32Array): number {
  const [wanted, whole] = [norm(expected), norm(summed)];
  return wanted > 1e-6 * whole ? relativeL2(actual, expected) : norm(actual) / whole;
}

function norm(values: ArrayLike<number>): number {
  return Math.sqrt(sum(Array.from(values, (value) => value ** 2)));
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}

/** Logits (length, V) of every token of every sequence, each sequence read on its own; segment e uses adapter e. */
export async function scoreLogits(
  model: Model,
  pack: LoraPack | null,
  segments: readonly Segment[],
): Promise<Float32Array[]> {
  const batch = packBatch(segments);
  const rows = Uint32Array.from({ length: batch.tokenCount }, (_, t) => t);
  const pass = new InferencePass(model, pack, { tokens: batch.tokenCount, rows: batch.tokenCount });
  try {
    pass.submit(batch, rows);
    const logits = await pass.logits(batch.tokenCount);
    const V = model.config.vocabSize;
    return Array.from(batch.lastTokens, (last) => logits.subarray(batch.bounds[last * 2] * V, (last + 1) * V));
  } finally {
    pass.destroy();
  }
}
