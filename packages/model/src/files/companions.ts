/** What belongs to a model directory beside configuration and weights, and goes with a model that is written anew. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';

const COMPANIONS = [
  'tokenizer.json',
  'tokenizer_config.json',
  'tokenizer.model',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'chat_template.json',
  'generation_config.json',
];

/** Names of those that a directory has. */
export function companionsOf(directory: string): string[] {
  return COMPANIONS.filter((name) => existsSync(join(directory, name)));
}
