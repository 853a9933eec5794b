/** Adapter directories, as PEFT and this software write them. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '@seal/files';
import { readJson, readWhole } from '@seal/files/node';
import type { ModelConfig } from '../model-config.ts';
import { isGgufFile } from '@seal/gguf/node';
import { readGgufAdapter } from './gguf-adapter.ts';
import { readAdapter, type PeftAdapter } from './peft.ts';

/** Weights of adapters that are not read: pickles, and what MLX writes. */
const OTHER_FORMATS = ['adapter_model.bin', 'adapters.safetensors', 'adapters.npz'];

/** Reads an adapter directory or a GGUF file for a model. Throws where a file is missing or the adapter does not fit. */
export function readAdapterDirectory(directory: string, config: ModelConfig): PeftAdapter {
  if (isGgufFile(directory)) return readGgufAdapter(directory, config);
  const place = join(directory, 'adapter_config.json');
  const weightsPlace = join(directory, 'adapter_model.safetensors');
  for (const path of [place, weightsPlace]) {
    if (existsSync(path)) continue;
    const other = OTHER_FORMATS.find((name) => path === weightsPlace && existsSync(join(directory, name)));
    const remedy = other === undefined ? '' : `; ${other} is not read, ${other.endsWith('.bin') ? 'load the adapter with PEFT and save it again, as safetensors' : 'convert it to PEFT’s names'}`;
    throw new Problem('data', `Cannot use the adapter in ${directory}: ${path} is missing${remedy}`);
  }
  return readAdapter({ json: readJson(place, 'data'), place }, { bytes: readWhole(weightsPlace), place: weightsPlace }, config);
}
