/** Adapter directories, as PEFT and this software write them. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '@seal/files';
import { readJson, readWhole } from '@seal/files/node';
import type { ModelConfig } from '../model-config.ts';
import { isGgufFile } from '@seal/gguf/node';
import { readGgufAdapter } from './gguf-adapter.ts';
import { readAdapter, type PeftAdapter } from './peft.ts';

/** Reads an adapter directory or a GGUF file for a model. Throws where a file is missing or the adapter does not fit. */
export function readAdapterDirectory(directory: string, config: ModelConfig): PeftAdapter {
  if (isGgufFile(directory)) return readGgufAdapter(directory, config);
  const place = join(directory, 'adapter_config.json');
  const weightsPlace = join(directory, 'adapter_model.safetensors');
  for (const path of [place, weightsPlace]) {
    if (!existsSync(path)) throw new Problem('data', `Cannot use the adapter in ${directory}: ${path} is missing`);
  }
  return readAdapter({ json: readJson(place, 'data'), place }, { bytes: readWhole(weightsPlace), place: weightsPlace }, config);
}
