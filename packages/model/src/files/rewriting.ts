/** Models written anew: with other numbers, with packed matrices, with changed weights, or from a file of llama2.c. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { problemsAs } from '@seal/files';
import { writeDirectory } from '@seal/files/node';
import { configFile } from '../config.ts';
import { quantisationConfig, readWeights } from './checkpoint.ts';
import { companionsOf, configJson } from './companions.ts';
import { openLlama2c, readLlama2cTokenizer } from './llama2c.ts';
import type { WeightSource } from './sources.ts';
import { writeWeights, type StoredAs, type WrittenWeights } from './writing.ts';

/** Dtypes of numbers by their short names: those of safetensors and of `config.json`. */
const DTYPES = { f32: ['F32', 'float32'], f16: ['F16', 'float16'], bf16: ['BF16', 'bfloat16'] } as const;

export type NumberDtype = keyof typeof DTYPES;

/** The dtype that the numbers of a model have: that of its largest matrix, as norms are sometimes kept wider. */
export function numberDtype({ tensors }: WeightSource): NumberDtype {
  const stored = tensors.get('model.embed_tokens.weight')?.dtype ?? 'F32';
  return (Object.keys(DTYPES) as NumberDtype[]).find((name) => DTYPES[name][0] === stored) ?? 'f32';
}

/** A model to be written: its `config.json` but for how numbers are stored, its weights, and its other files. */
export interface Original {
  readonly config: Readonly<Record<string, unknown>>;
  readonly source: WeightSource;
  /** Puts the other files into a directory. */
  readonly companions: (directory: string) => void;
}

/** A model directory or a GGUF file as an original. */
export async function originalOf(directory: string): Promise<Original> {
  const { source } = await problemsAs('unavailable', () => readWeights(directory));
  const { quantization_config: _, ...config } = configJson(directory) as Record<string, unknown>;
  const present = companionsOf(directory);
  return {
    config,
    source,
    companions: (target) => present.forEach(({ name, read }) => writeFileSync(join(target, name), read())),
  };
}

/** A `.bin` of llama2.c as an original, with its tokenizer where that is given. */
export async function originalOfLlama2c(path: string, tokenizerPath: string | undefined): Promise<Original> {
  const { config, source } = await problemsAs('unavailable', () => openLlama2c(path));
  const tokenizer = tokenizerPath === undefined ? null : await problemsAs('unavailable', () => readLlama2cTokenizer(tokenizerPath, config.vocabSize));
  return {
    config: configFile(config),
    source,
    companions: (target) => {
      if (tokenizer) writeFileSync(join(target, 'tokenizer.json'), JSON.stringify(tokenizer));
    },
  };
}

/** Writes a model to a directory that is there whole or not at all. Throws the signal's reason when stopped. */
export async function writeModel(
  out: string,
  { config, source, companions }: Original,
  form: NumberDtype | 'int8' | 'int4',
  signal?: AbortSignal,
): Promise<WrittenWeights> {
  const quantise = form === 'int8' || form === 'int4' ? form : undefined;
  const [as, name]: readonly [StoredAs, string] = form === 'int8' || form === 'int4' ? [form, 'float32'] : DTYPES[form];
  const written = {
    ...config,
    torch_dtype: name,
    ...('dtype' in config && { dtype: name }),
    ...(quantise !== undefined && { quantization_config: quantisationConfig(quantise) }),
  };
  let weights: WrittenWeights = { files: [], byteLength: 0 };
  await problemsAs('data', () =>
    writeDirectory(out, async (temporary) => {
      weights = await writeWeights(temporary, stoppable(source, signal), as);
      writeFileSync(join(temporary, 'config.json'), `${JSON.stringify(written, null, 2)}\n`);
      companions(temporary);
    }),
  );
  return weights;
}

/** The `config.json` of a model for weights in float32, under the names that it uses for their dtype. */
export function float32Config(directory: string): string {
  const { quantization_config: _, ...json } = configJson(directory) as Record<string, unknown>;
  const dtype = 'dtype' in json ? { dtype: 'float32' } : {};
  const older = 'torch_dtype' in json || !('dtype' in json) ? { torch_dtype: 'float32' } : {};
  return `${JSON.stringify({ ...json, ...dtype, ...older }, null, 2)}\n`;
}

/** A source whose reading ends when the work is stopped. */
function stoppable(source: WeightSource, signal: AbortSignal | undefined): WeightSource {
  return {
    ...source,
    readRows(...operands) {
      signal?.throwIfAborted();
      return source.readRows(...operands);
    },
    readQuantisedRows(...operands) {
      signal?.throwIfAborted();
      return source.readQuantisedRows(...operands);
    },
  };
}
