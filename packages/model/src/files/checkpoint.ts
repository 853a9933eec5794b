/**
 * Model directories in Hugging Face layout: `config.json`, weights in one or several safetensors files, `tokenizer.json`
 * and, where there is one, a chat template.
 */

import { join } from 'node:path';
import { problemsOf } from '@seal/files';
import type { Gpu } from '@seal/device';
import { isGgufFile } from '@seal/gguf/node';
import { GROUP, isBlockFormat, WEIGHT_FORMATS, type ChoiceOptions } from '@seal/kernels';
import { type } from 'arktype';
import { configFile, parseConfig } from '../config.ts';
import type { ModelConfig } from '../model-config.ts';
import { readJson } from './directory.ts';
import { Model, type HostWeights } from '../model.ts';
import { measureChannels, quantiseTensorRows } from '../quantised.ts';
import { parameterLayout } from '../parameters.ts';
import type { HeldFormat, Holding, QuantisedFormat, WeightFormat } from '../matrix.ts';
import { readGgufWeights } from './gguf.ts';
import { writeSafetensors } from './safetensors.ts';
import { openWeights, pieceBuffer, rowRanges, rowShape, type WeightSource } from './sources.ts';
import { readTextSide, type TextSide } from '@seal/tokenizer/node';

/** A checkpoint whose weights are still in their files. */
export interface Checkpoint extends TextSide {
  /** Its directory, or its GGUF file, the first of several. */
  readonly directory: string;
  readonly config: ModelConfig;
  /** The tensors of `parameterLayout(config)`. */
  readonly source: WeightSource;
  /**
   * How matrices are stored: in one format where seal has written them so, each in its own in GGUF, else as numbers of any
   * dtype, which are float32.
   */
  readonly format: Holding;
}

/** The value of `quantization_config` in a `config.json` whose matrices are stored quantised. */
export function quantisationConfig(format: QuantisedFormat): Record<string, unknown> {
  return { quant_method: 'seal', format, group_size: GROUP };
}

const quantisationSchema = type({ quant_method: "'seal'", format: type.enumerated(...WEIGHT_FORMATS), group_size: type.unit(GROUP) });

/** Reads `config.json`: the configuration, and how matrices are stored. Another's quantisation is refused by `parseConfig`. */
function splitConfig(json: unknown, place: string): { readonly config: ModelConfig; readonly format: WeightFormat } {
  const file: object = typeof json === 'object' && json !== null ? json : {};
  const own = 'quantization_config' in file ? file.quantization_config : null;
  if (typeof own !== 'object' || own === null || !('quant_method' in own) || own.quant_method !== 'seal') {
    return { config: parseConfig(json, place), format: 'f32' };
  }
  const quantisation = quantisationSchema(own);
  if (quantisation instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: quantization_config: ${problemsOf(quantisation)}`);
  return { config: parseConfig({ ...file, quantization_config: null }, place), format: quantisation.format };
}

/** Configuration and weights of a model directory or a GGUF file, whether it has a tokenizer or not. Throws as `readCheckpoint`. */
export async function readWeights(directory: string): Promise<Omit<Checkpoint, keyof TextSide>> {
  if (isGgufFile(directory)) return { directory, ...readGgufWeights(directory) };
  const place = join(directory, 'config.json');
  const { config, format } = splitConfig(await readJson(place), place);
  return { directory, config, format, source: await openWeights(directory, config, format) };
}

/**
 * Reads a model directory or a GGUF file but for its weights, whose names, shapes and dtypes are checked. Throws CheckpointError when a
 * file is missing, SyntaxError when one cannot be parsed, TypeError for weights of a dtype that holds none and RangeError
 * when configuration, weights and tokenizer disagree.
 */
export async function readCheckpoint(directory: string): Promise<Checkpoint> {
  const { config, ...weights } = await readWeights(directory);
  return { config, ...(await readTextSide(directory, config.vocabSize)), ...weights };
}

/** All weights as float32: for models that fit into the host's memory. Throws as `WeightSource.readRows`. */
export async function hostWeights({ source }: Pick<Checkpoint, 'source'>): Promise<Map<string, Float32Array>> {
  const weights = new Map<string, Float32Array>();
  for (const [name, { shape }] of source.tensors) weights.set(name, await source.readRows(name, 0, rowShape(shape)[0]));
  return weights;
}

/** Bytes written after which the device is waited for. */
const PENDING_BYTES = 64 * 1024 * 1024;

/** How one tensor was loaded. */
export interface TensorReport {
  readonly name: string;
  readonly shape: readonly number[];
  readonly format: HeldFormat;
  /** What quantising lost of every row, an output channel: RMS of the difference over RMS of the row. Empty where nothing was lost. */
  readonly channelErrors: Float32Array;
}

/** How a checkpoint is loaded. */
export interface LoadOptions extends ChoiceOptions {
  /** The format of matrices on the device; as they are stored unless given, which is float32 but for quantised files. */
  readonly weights?: Holding;
  /** Most bytes that a buffer of weights has; what the device can bind unless given. */
  readonly byteLimit?: number;
  /** Called with every tensor that is loaded. Measuring what quantising lost takes as long as quantising. */
  readonly onTensor?: (report: TensorReport) => void;
}

/**
 * Puts a checkpoint's weights on a device, piece by piece, quantised where `weights` says so. Throws as
 * `WeightSource.readRows` and `Model`, and RangeError for a value that the format does not hold.
 */
export async function loadModel(
  gpu: Gpu,
  { config, source, format: stored = 'f32' }: Pick<Checkpoint, 'config' | 'source'> & Partial<Pick<Checkpoint, 'format'>>,
  { onTensor, weights = stored, ...options }: LoadOptions = {},
): Promise<Model> {
  const model = new Model(gpu, config, { ...options, weights });
  try {
    const { queue } = gpu.device;
    const buffer = pieceBuffer(source);
    let pending = 0;
    for (const [name, { shape, quantised: own }] of source.tensors) {
      const { format, rows, columns } = model.matrix(name);
      const channelErrors = new Float32Array(format === 'f32' || format === own || !onTensor ? 0 : rows);
      for (const [first, count] of rowRanges(shape)) {
        if (own !== undefined && format === own) {
          model.writeQuantisedRows(name, first, await source.readQuantisedRows(name, first, count));
        } else {
          const values = await source.readRows(name, first, count, buffer);
          if (format === 'f32') {
            model.writeRows(name, first, values);
          } else if (isBlockFormat(format)) {
            throw new TypeError(`Cannot hold tensor ${name} as ${format}: its file does not store it so`);
          } else {
            const quantised = quantiseTensorRows(format, values, columns, { name, start: first * columns, remedy: '`weights` f32' });
            model.writeQuantisedRows(name, first, quantised);
            if (onTensor) measureChannels(format, values, quantised, columns, channelErrors.subarray(first));
          }
        }
        pending += count * columns * 4;
        if (pending < PENDING_BYTES) continue;
        // What is written stays on the host until the device has taken it.
        await queue.onSubmittedWorkDone();
        pending = 0;
      }
      onTensor?.({ name, shape, format, channelErrors });
    }
    await queue.onSubmittedWorkDone();
    gpu.throwIfFailed();
    return model;
  } catch (error) {
    model.destroy();
    throw error;
  }
}

/** `config.json` and `model.safetensors` of a model, in layout order. */
export function checkpointFiles(config: ModelConfig, weights: HostWeights): { config: string; weights: Uint8Array } {
  const tensors = [...parameterLayout(config).places.values()].map(({ name, shape }) => {
    const data = weights.get(name);
    if (!data) throw new RangeError(`Cannot save weights: tensor ${name} is missing`);
    return [name, { shape, data }] as const;
  });
  return { config: `${JSON.stringify(configFile(config), null, 2)}\n`, weights: writeSafetensors(tensors) };
}

/**
 * Random weights for training from nothing: embedding 0.04, linear layers 0.6 / sqrt(fan-in), o_proj and down_proj
 * further divided by sqrt(2 layers), norms 1 with what is added to them, biases 0. `normal()` is standard normal.
 */
export function initialWeights(config: ModelConfig, normal: () => number): Map<string, Float32Array> {
  const weights = new Map<string, Float32Array>();
  for (const { name, shape, elementCount } of parameterLayout(config).places.values()) {
    const fanIn = shape[1];
    if (fanIn === undefined) {
      weights.set(name, new Float32Array(elementCount).fill(name.endsWith('.bias') ? 0 : 1 - config.normOffset));
      continue;
    }
    const residual = name.includes('o_proj') || name.includes('down_proj');
    const depth = residual ? Math.sqrt(2 * config.numHiddenLayers) : 1;
    const deviation = name.includes('embed') ? 0.04 : 0.6 / Math.sqrt(fanIn) / depth;
    weights.set(name, Float32Array.from({ length: elementCount }, () => deviation * normal()));
  }
  return weights;
}
