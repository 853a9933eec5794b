/** What the files of a model directory say of its texts, as a GGUF file is to say it. */

import { join } from 'node:path';
import { existsSync } from 'node:fs';
import type { TextDocuments } from '@seal/gguf';
import { readJson } from '@seal/files/node';
import { type } from 'arktype';

const token = type('string | null').or(type({ content: 'string' }));
const tokensSchema = type({ 'bos_token?': token, 'eos_token?': token, 'unk_token?': token, 'pad_token?': token });
const NAMES = ['bos_token', 'eos_token', 'unk_token', 'pad_token'] as const;

/** Tokenizer and special tokens of a directory that has been read as a checkpoint. */
export function textDocuments(directory: string, rows: number, ends: readonly number[], chatTemplate: string | null): TextDocuments {
  const files = ['special_tokens_map.json', 'tokenizer_config.json'].map((name) => join(directory, name)).filter((path) => existsSync(path));
  const special: Partial<Record<(typeof NAMES)[number], string>> = {};
  for (const path of files) {
    const tokens = tokensSchema(readJson(path, 'unavailable'));
    if (tokens instanceof type.errors) continue;
    for (const name of NAMES) {
      const own = tokens[name];
      if (own) special[name] = typeof own === 'string' ? own : own.content;
    }
  }
  return { tokenizer: readJson(join(directory, 'tokenizer.json'), 'unavailable'), rows, special, ends, chatTemplate };
}
