/** `seal convert`: a model directory written anew, with other numbers, with packed matrices, or from a file of llama2.c. */

import { copyFileSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkVacant, readJson, writeDirectory } from '@seal/files/node';
import { Problem, problemsAs } from '@seal/files';
import {
  configFile,
  openLlama2c,
  quantisationConfig,
  readLlama2cTokenizer,
  readWeights,
  writeWeights,
  type StoredAs,
  type WeightSource,
  type WrittenWeights,
} from '@seal/model';
import { companionsOf } from './companions.ts';
import { modelDirectory } from './hub.ts';
import type { CommandOf } from './options.ts';
import { stopSignal } from './stop.ts';
import { counted, megabytes, print } from './terminal.ts';

const DTYPES = { f32: ['F32', 'float32'], f16: ['F16', 'float16'], bf16: ['BF16', 'bfloat16'] } as const;

/** Dtypes of numbers by their names on the command line. */
export type NumberDtype = keyof typeof DTYPES;

/** A model to be written: its `config.json` but for how numbers are stored, its weights, and its other files. */
export interface Original {
  readonly config: Readonly<Record<string, unknown>>;
  readonly source: WeightSource;
  /** Puts the other files into a directory. */
  readonly companions: (directory: string) => void;
}

export async function convert(command: CommandOf<'convert'>): Promise<void> {
  const { out, dtype, quantise, json } = command;
  if (dtype !== undefined && quantise !== undefined) {
    throw new Problem('usage', `Cannot use --dtype ${dtype} with --quantise ${quantise}: packed matrices have no dtype; leave one out`);
  }
  checkVacant(out, 'a model');
  const isFile = existsSync(command.source) && statSync(command.source).isFile();
  if (!isFile && command.tokenizer !== undefined) {
    throw new Problem('usage', `Cannot use --tokenizer with the directory ${command.source}: its own tokenizer is kept; leave it out`);
  }
  const original = isFile ? await fromLlama2c(command.source, command.tokenizer) : await fromDirectory(command.source);
  const written = await writeModel(out, original, quantise ?? dtype ?? 'f32');
  const tensors = original.source.tensors.size;
  const document = { out, storedAs: quantise ?? dtype ?? 'f32', tensors, weightFiles: written.files, weightBytes: written.byteLength };
  print(
    json
      ? JSON.stringify(document)
      : `${counted(tensors, 'tensor')} as ${document.storedAs} in ${out}: ${megabytes(written.byteLength)} in ${counted(written.files.length, 'file')}`,
  );
}

/** Writes a model to a directory that is there whole or not at all; Ctrl-C stops it. */
export async function writeModel(out: string, original: Original, form: NumberDtype | 'int8' | 'int4'): Promise<WrittenWeights> {
  const quantise = form === 'int8' || form === 'int4' ? form : undefined;
  const [as, name]: readonly [StoredAs, string] = form === 'int8' || form === 'int4' ? [form, 'float32'] : DTYPES[form];
  const config = {
    ...original.config,
    torch_dtype: name,
    ...('dtype' in original.config && { dtype: name }),
    ...(quantise !== undefined && { quantization_config: quantisationConfig(quantise) }),
  };
  const { signal, dispose } = stopSignal(undefined);
  let written: WrittenWeights = { files: [], byteLength: 0 };
  try {
    await problemsAs('data', () =>
      writeDirectory(out, async (temporary) => {
        written = await writeWeights(temporary, stoppable(original.source, signal), as);
        writeFileSync(join(temporary, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
        original.companions(temporary);
      }),
    );
    return written;
  } finally {
    dispose();
  }
}

/** A model directory, by its path or hub name. */
export async function fromDirectory(nameOrDirectory: string): Promise<Original> {
  const directory = await modelDirectory(nameOrDirectory);
  const { source } = await problemsAs('unavailable', () => readWeights(directory));
  const { quantization_config: _, ...config } = readJson(join(directory, 'config.json'), 'unavailable') as Record<string, unknown>;
  const present = companionsOf(directory);
  return {
    config,
    source,
    companions: (target) => present.forEach((name) => copyFileSync(join(directory, name), join(target, name))),
  };
}

async function fromLlama2c(path: string, tokenizerPath: string | undefined): Promise<Original> {
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

/** A source whose reading ends when the command is stopped. */
function stoppable(source: WeightSource, signal: AbortSignal): WeightSource {
  return {
    ...source,
    readRows(...operands) {
      signal.throwIfAborted();
      return source.readRows(...operands);
    },
    readPackedRows(...operands) {
      signal.throwIfAborted();
      return source.readPackedRows(...operands);
    },
  };
}
