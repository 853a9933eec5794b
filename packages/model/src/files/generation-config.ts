/** `generation_config.json`: what a model's makers draw with, the defaults of a generation. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJson } from '@seal/files/node';
import { Problem, problemsOf } from '@seal/files';
import { huggingFaceFiles, isGgufFile, openGguf } from '@seal/gguf/node';
import { type } from 'arktype';
import type { ModelConfig } from '../model-config.ts';
import type { SamplingOptions } from '../sampling/sampler.ts';

const count = type('number.integer >= 0').or('null');
const tokenId = '0 <= number.integer < 16777216';
const fileSchema = type({
  'do_sample?': 'boolean | null',
  'temperature?': type('0 <= number <= 1000').or('null'),
  'top_p?': type('0 <= number <= 1').or('null'),
  'top_k?': count,
  'min_p?': type('0 <= number <= 1').or('null'),
  'repetition_penalty?': type('0 < number <= 1000').or('null'),
  'max_new_tokens?': count,
  'eos_token_id?': type(tokenId).or(`(${tokenId})[]`).or('null'),
});

/** What a request says; absent where it says nothing. */
export type ChosenSettings = Partial<SamplingOptions> & { readonly maxNewTokens?: number | undefined };

/** How completions are drawn, and which of it the file decided. */
export interface GenerationSettings {
  readonly sampling: SamplingOptions;
  readonly maxNewTokens: number;
  readonly stopTokens: readonly number[];
  readonly fromFile: readonly string[];
}

/** Tokens of a completion where nobody says how many. */
const DEFAULT_MAX_TOKENS = 256;

/**
 * Settings of a model directory under what was chosen. Temperature 0 unless the file has `do_sample`; the file's other values
 * count only where tokens are drawn, its repetition penalty always. Throws a problem for a file that is none.
 */
export function generationSettings(directory: string, config: ModelConfig, chosen: ChosenSettings): GenerationSettings {
  const place = join(directory, 'generation_config.json');
  const file = fileSchema(isGgufFile(directory) ? huggingFaceFiles(openGguf(directory))['generation_config.json']() : existsSync(place) ? readJson(place, 'unavailable') : {});
  if (file instanceof type.errors) throw new Problem('unavailable', `Cannot use ${place}: ${problemsOf(file)}`);
  const fromFile: string[] = [];
  const decide = <T>(name: string, own: T | undefined, theirs: T | null | undefined, otherwise: T): T => {
    if (own !== undefined) return own;
    if (theirs === null || theirs === undefined || theirs === otherwise) return otherwise;
    fromFile.push(`${name} ${theirs}`);
    return theirs;
  };
  const temperature = decide('temperature', chosen.temperature, file.do_sample ? (file.temperature ?? 1) : null, 0);
  const drawn = temperature > 0 ? file : {};
  const stops = [file.eos_token_id ?? []].flat();
  return {
    sampling: {
      temperature,
      topP: decide('top-p', chosen.topP, drawn.top_p || null, 1),
      // transformers writes 0 for no limit.
      topK: decide('top-k', chosen.topK, drawn.top_k || null, undefined),
      minP: decide('min-p', chosen.minP, drawn.min_p, 0),
      repetitionPenalty: decide('repetition-penalty', chosen.repetitionPenalty, file.repetition_penalty, 1),
    },
    maxNewTokens: decide('max-tokens', chosen.maxNewTokens, file.max_new_tokens || null, DEFAULT_MAX_TOKENS),
    stopTokens: stops.length > 0 ? stops : config.eosTokenIds,
    fromFile,
  };
}
