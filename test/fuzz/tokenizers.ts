/** Damaged tokenizers and chat templates: each is refused by name, or loads and reads texts. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { stream } from '@seal/files';
import { createChatTemplate, createTokenizer, type Tokenizer } from '@seal/tokenizer';
import { mutateBytes, mutateJson } from './mutations.ts';
import { tryReading, type Outcomes } from './outcome.ts';

const golden = join(import.meta.dirname, '../golden');
const read = (path: string): unknown => JSON.parse(readFileSync(join(golden, path), 'utf8'));

interface TokenizerFile {
  readonly model: { readonly vocab: unknown; readonly merges: unknown };
}

const files = ['byte-level', 'metaspace'].map((name) => read(`tokenizers/${name}.json`) as TokenizerFile);
const texts = (read('tokenizers/texts.json') as string[]).filter((text) => text.length < 100);
const templates = Object.values(read('chat/templates.json') as Record<string, { template: string }>);
const conversations = Object.values(read('chat/conversations.json') as Record<string, { role: string; content: string }[]>);
const place = 'damaged/tokenizer.json';

/** Damage anywhere in a file; or in all but the vocabulary and the merges, which would get most of it. */
function damaged(index: number): unknown {
  const random = stream(1, 'tokenizer', index);
  const file = files[index % files.length]!;
  if (random.integer(3) === 0) return mutateJson(file, random);
  const { vocab, merges, ...model } = file.model;
  const rest = mutateJson({ ...file, model }, random) as { model?: unknown } | null;
  if (typeof rest?.model !== 'object') return rest;
  return { ...rest, model: { vocab, merges, ...rest.model } };
}

/** What a tokenizer that loads must do with any text. */
function use(tokenizer: Tokenizer): void {
  for (const text of texts) {
    const ids = tokenizer.encode(text);
    for (const id of ids) expect(Number.isInteger(id) && id >= 0 && id <= tokenizer.largestId).toBe(true);
    const whole = tokenizer.decode(ids);
    const open = tokenizer.stream();
    expect(ids.map((id) => open.push(id)).join('') + open.end()).toBe(whole);
    expect(tokenizer.encodeWithSpecials(text).length).toBeGreaterThanOrEqual(ids.length);
  }
}

/** Reads `count` damaged tokenizers. */
export async function fuzzTokenizers(count: number): Promise<Outcomes> {
  const outcomes: Outcomes = { loaded: 0, refused: 0 };
  for (let index = 0; index < count; index++) {
    const file = damaged(index);
    await tryReading(outcomes, place, () => JSON.stringify(file), () => use(createTokenizer(file, place)));
  }
  return outcomes;
}

/** Reads `count` damaged chat templates and renders with those that load. */
export async function fuzzTemplates(count: number): Promise<Outcomes> {
  const outcomes: Outcomes = { loaded: 0, refused: 0 };
  const tokenizer = createTokenizer(files[0], place);
  for (let index = 0; index < count; index++) {
    const bytes = new TextEncoder().encode(templates[index % templates.length]!.template);
    const source = new TextDecoder().decode(mutateBytes(bytes, stream(1, 'template', index)));
    const messages = conversations[index % conversations.length]!;
    await tryReading(outcomes, place, () => source, () => {
      const chat = createChatTemplate(source, { tokenizer, specialTokens: { bos_token: '<|begin_of_text|>', eos_token: '<|endoftext|>' }, place });
      const text = chat.render(messages, { addGenerationPrompt: true });
      expect(tokenizer.encode(text).length).toBeLessThanOrEqual(4 * text.length);
    });
  }
  return outcomes;
}
