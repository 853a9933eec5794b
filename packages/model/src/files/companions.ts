/**
 * What belongs to a model beside its weights, and goes with a model that is written anew: files of its directory, or what its
 * GGUF file says in their place.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { huggingFaceFiles, isGgufFile, openGguf } from '@seal/gguf/node';
import { readJson } from '@seal/files/node';

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

/** The files that a model has beside configuration and weights, by name, with what is in them. */
export function companionsOf(model: string): { readonly name: string; readonly read: () => Uint8Array<ArrayBuffer> }[] {
  if (isGgufFile(model)) {
    const files = Object.entries(huggingFaceFiles(openGguf(model))).filter(([name]) => name !== 'config.json');
    return files.map(([name, json]) => ({ name, read: () => new TextEncoder().encode(`${JSON.stringify(json(), null, 2)}\n`) }));
  }
  return COMPANIONS.filter((name) => existsSync(join(model, name))).map((name) => ({ name, read: () => new Uint8Array(readFileSync(join(model, name))) }));
}

/** The parsed `config.json` of a model. Throws a problem of kind `unavailable` where a directory has none, and as `openGguf`. */
export function configJson(model: string): unknown {
  return isGgufFile(model) ? huggingFaceFiles(openGguf(model))['config.json']() : readJson(join(model, 'config.json'), 'unavailable');
}
