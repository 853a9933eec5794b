/** Adapter directories as commands take them. */

import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readJson, readWhole } from '@seal/files/node';
import { Problem, problemsAs } from '@seal/files';
import { readAdapter, type ModelConfig, type PeftAdapter } from '@seal/model';
import { baseName } from './session.ts';
import { say } from './terminal.ts';

/** What an adapter is read for: `name` is the model's name or directory as it was given. */
export interface AdaptedModel {
  readonly name: string;
  readonly config: ModelConfig;
}

/** Reads an adapter directory, or ends with exit code 3; what is odd and harmless is said. */
export async function openAdapter(directory: string, { name, config }: AdaptedModel): Promise<PeftAdapter> {
  const place = join(directory, 'adapter_config.json');
  const weightsPlace = join(directory, 'adapter_model.safetensors');
  for (const path of [place, weightsPlace]) {
    if (!existsSync(path)) throw new Problem('data', `Cannot use the adapter in ${directory}: ${path} is missing`);
  }
  return problemsAs('data', () => {
    const weights = { bytes: readWhole(weightsPlace), place: weightsPlace };
    const adapter = readAdapter({ json: readJson(place, 'data'), place }, weights, config);
    for (const note of adapter.notes) say(`Note: ${note}`);
    const { baseModel } = adapter;
    if (baseModel !== null && basename(baseModel) !== basename(baseName(name))) {
      say(`Note: the adapter in ${directory} was trained on ${baseModel}; its sizes fit ${name}`);
    }
    return adapter;
  });
}
