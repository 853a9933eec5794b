/** A model written anew: with other numbers, with packed matrices, from a file of llama2.c, or with an adapter in its weights. */

import { existsSync, statSync } from 'node:fs';
import { Problem, problemsAs } from '@seal/files';
import { checkVacant } from '@seal/files/node';
import { isGgufFile } from '@seal/gguf/node';
import { holdingName, mergedSource, numberDtype, originalOf, originalOfLlama2c, writeModel, type NumberDtype } from '@seal/model';
import { type } from 'arktype';
import type { Deps } from './deps.ts';
import type { Hooks } from './events.ts';
import { checkRequest, NUMBER_DTYPE, type RequestOf } from './request.ts';
import { modelDirectory, openAdapter, openCheckpoint } from './session.ts';

const convertSchema = type({
  /** Model directory, GGUF file, hub name, or a `.bin` of llama2.c. */
  model: 'string',
  /** The tokenizer of a `.bin`. */
  'tokenizer?': 'string',
  'dtype?': NUMBER_DTYPE,
  /** Store matrices packed instead. */
  'quantise?': "'int8' | 'int4'",
  out: 'string',
});

export type ConvertRequest = RequestOf<typeof convertSchema>;

export interface ConvertDocument {
  readonly out: string;
  readonly storedAs: NumberDtype | 'int8' | 'int4';
  readonly tensors: number;
  readonly weightFiles: readonly string[];
  readonly weightBytes: number;
}

export async function convert(request: ConvertRequest, deps: Pick<Deps, 'hub'>, { signal }: Hooks = {}): Promise<ConvertDocument> {
  const { model, tokenizer, dtype, quantise, out } = checkRequest(convertSchema, request);
  if (dtype !== undefined && quantise !== undefined) {
    throw new Problem('usage', `Cannot use \`dtype\` ${dtype} with \`quantise\` ${quantise}: packed matrices have no dtype; leave one out`);
  }
  checkVacant(out, 'a model');
  const isFile = existsSync(model) && statSync(model).isFile() && !isGgufFile(model);
  if (!isFile && tokenizer !== undefined) {
    throw new Problem('usage', `Cannot use \`tokenizer\` with ${isGgufFile(model) ? 'the GGUF file' : 'the directory'} ${model}: its own tokenizer is kept; leave it out`);
  }
  const original = isFile ? await originalOfLlama2c(model, tokenizer) : await originalOf(await modelDirectory(model, deps));
  const storedAs = quantise ?? dtype ?? 'f32';
  const { files, byteLength } = await writeModel(out, original, storedAs, signal);
  return { out, storedAs, tensors: original.source.tensors.size, weightFiles: files, weightBytes: byteLength };
}

const mergeSchema = type({ 'model?': 'string', adapter: 'string', 'dtype?': NUMBER_DTYPE, out: 'string' });

export type MergeRequest = RequestOf<typeof mergeSchema>;

export interface MergeDocument {
  readonly out: string;
  readonly dtype: NumberDtype;
  readonly adapterDigest: string;
  readonly modules: number;
  readonly tensors: number;
  readonly weightFiles: readonly string[];
  readonly weightBytes: number;
}

export async function merge(request: MergeRequest, deps: Pick<Deps, 'hub'>, hooks: Hooks = {}): Promise<MergeDocument> {
  const { model: name, adapter: adapterDirectory, dtype, out } = checkRequest(mergeSchema, request);
  checkVacant(out, 'a model');
  const { config, directory, format, source } = await openCheckpoint(name, deps);
  const adapter = await openAdapter(adapterDirectory, { name, config }, hooks);
  if (format !== 'f32' && dtype === undefined) {
    throw new Problem('usage',
      `Cannot merge into ${directory} as it is: its matrices are packed (${holdingName(format)}), and packing them again would lose more; choose \`dtype\``,
    );
  }
  const form = dtype ?? numberDtype(source);
  const original = await originalOf(directory);
  const merged = await problemsAs('data', () => mergedSource(original.source, adapter));
  const { files, byteLength } = await writeModel(out, { ...original, source: merged }, form, hooks.signal);
  return {
    out,
    dtype: form,
    adapterDigest: adapter.digest,
    modules: adapter.modules.length,
    tensors: merged.tensors.size,
    weightFiles: files,
    weightBytes: byteLength,
  };
}
