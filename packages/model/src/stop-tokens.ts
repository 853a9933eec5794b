/** The tokens that end a model's text: those of `config.json` and of `generation_config.json`, which may name more. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type } from 'arktype';
import type { ModelConfig } from './config.ts';
import { readJson } from './directory.ts';
import { problemsOf } from './problems.ts';

const id = '0 <= number.integer < 16777216';
const fileSchema = type({ 'eos_token_id?': type(id).or(`(${id})[]`).or('null') });

/**
 * Stop tokens of a model directory, those of `config.json` first. Throws SyntaxError when there is a
 * `generation_config.json` that cannot be read and RangeError when it names a token that the model does not have.
 */
export async function readStopTokens(directory: string, config: ModelConfig): Promise<readonly number[]> {
  const place = join(directory, 'generation_config.json');
  if (!existsSync(place)) return config.eosTokenIds;
  const file = fileSchema(await readJson(place));
  if (file instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: ${problemsOf(file)}`);
  const own = [file.eos_token_id ?? []].flat();
  const outside = own.find((token) => token >= config.vocabSize);
  if (outside !== undefined) throw new RangeError(`Cannot use ${place}: eos_token_id is ${outside}, the model has ${config.vocabSize} tokens`);
  return [...new Set([...config.eosTokenIds, ...own])];
}
