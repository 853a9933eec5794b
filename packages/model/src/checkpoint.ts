/**
 * Model directories in Hugging Face layout: `config.json`, `model.safetensors`, `tokenizer.json` and, where there is one,
 * `tokenizer_config.json`.
 */

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Gpu } from '@seal/device';
import type { ChoiceOptions } from '@seal/kernels';
import { configFile, parseConfig, type ModelConfig } from './config.ts';
import { Model, type HostWeights } from './model.ts';
import { headTensor, parameterLayout } from './parameters.ts';
import { finiteFloat32, parseSafetensors, writeSafetensors } from './safetensors.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

/** A checkpoint on the host. */
export interface Checkpoint {
  readonly config: ModelConfig;
  readonly weights: HostWeights;
  readonly tokenizer: Tokenizer;
}

/** A file that a checkpoint needs is not there. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    const problem = missing ? 'there is no such file' : cause instanceof Error ? cause.message : String(cause);
    throw new CheckpointError(`Cannot read ${path}: ${problem}`, { cause });
  }
}

async function readJson(path: string): Promise<unknown> {
  const text = new TextDecoder().decode(await readBytes(path));
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError(`Cannot read ${path}: it is not JSON`, { cause });
  }
}

/** Tensors that some writers store although they follow from the others. */
function isRedundant(name: string, { tieWordEmbeddings }: ModelConfig): boolean {
  return name.endsWith('.rotary_emb.inv_freq') || (tieWordEmbeddings && name === 'lm_head.weight');
}

/**
 * Reads a model directory. Throws CheckpointError when a file is missing, SyntaxError when one cannot be parsed and
 * RangeError when configuration, weights and tokenizer disagree.
 */
export async function readCheckpoint(directory: string): Promise<Checkpoint> {
  const place = join(directory, 'config.json');
  const config = parseConfig(await readJson(place), place);
  const weightsPlace = join(directory, 'model.safetensors');
  const stored = parseSafetensors(await readBytes(weightsPlace), weightsPlace);
  const weights = new Map<string, Float32Array>();
  for (const { name, shape } of parameterLayout(config).places.values()) {
    // Of two tied tensors some writers keep the head only.
    const alias = config.tieWordEmbeddings && name === headTensor(config) ? 'lm_head.weight' : name;
    const tensor = stored.get(name) ?? stored.get(alias);
    if (!tensor) throw new RangeError(`Cannot use ${weightsPlace}: tensor ${name} is missing, config.json asks for it`);
    if (tensor.shape.join() !== shape.join()) {
      throw new RangeError(
        `Cannot use ${weightsPlace}: tensor ${name} is (${tensor.shape.join(', ')}), config.json asks for (${shape.join(', ')})`,
      );
    }
    stored.delete(name);
    weights.set(name, finiteFloat32(tensor, name, weightsPlace));
  }
  const extra = [...stored.keys()].find((name) => !isRedundant(name, config));
  if (extra !== undefined) throw new RangeError(`Cannot use ${weightsPlace}: tensor ${extra} belongs to no part that config.json asks for`);
  const tokenizerPlace = join(directory, 'tokenizer.json');
  const configPlace = join(directory, 'tokenizer_config.json');
  const tokenizerConfig = existsSync(configPlace) ? await readJson(configPlace) : {};
  const tokenizer = createTokenizer(await readJson(tokenizerPlace), tokenizerConfig, tokenizerPlace);
  if (tokenizer.largestId >= config.vocabSize) {
    throw new RangeError(
      `Cannot use ${tokenizerPlace}: it has token id ${tokenizer.largestId}, config.json has vocab_size ${config.vocabSize}`,
    );
  }
  return { config, weights, tokenizer };
}

/** Puts a checkpoint's weights on a device. */
export function loadModel(
  gpu: Gpu,
  { config, weights }: Pick<Checkpoint, 'config' | 'weights'>,
  choice: ChoiceOptions = {},
): Model {
  const model = new Model(gpu, config, choice);
  model.write(weights);
  return model;
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
 * further divided by sqrt(2 layers), norms 1, biases 0. `normal()` is standard normal.
 */
export function initialWeights(config: ModelConfig, normal: () => number): Map<string, Float32Array> {
  const weights = new Map<string, Float32Array>();
  for (const { name, shape, elementCount } of parameterLayout(config).places.values()) {
    const fanIn = shape[1];
    if (fanIn === undefined) {
      weights.set(name, new Float32Array(elementCount).fill(name.endsWith('.bias') ? 0 : 1));
      continue;
    }
    const residual = name.includes('o_proj') || name.includes('down_proj');
    const depth = residual ? Math.sqrt(2 * config.numHiddenLayers) : 1;
    const deviation = name.includes('embed') ? 0.04 : 0.6 / Math.sqrt(fanIn) / depth;
    weights.set(name, Float32Array.from({ length: elementCount }, () => deviation * normal()));
  }
  return weights;
}
