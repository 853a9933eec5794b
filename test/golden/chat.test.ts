/** Conversations against apply_chat_template of transformers; see chat/make.py. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createChatTemplate, createTokenizer, type ChatMessage, type ChatTemplate } from '@seal/tokenizer';
import { readTextSide } from '@seal/tokenizer/node';

const recordings = process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data';
const folder = join(import.meta.dirname, 'chat');
const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

type Entry =
  | [conversation: string, text: string, prompted: string, ids: number[], stretches: [from: number, until: number][]]
  | [conversation: string, refusal: string];

const conversations = json(join(folder, 'conversations.json')) as Record<string, ChatMessage[]>;
const templates = json(join(folder, 'templates.json')) as Record<string, { template: string }>;
const expected = json(join(folder, 'expected.json')) as Record<string, Entry[]>;

const published: Record<string, string> = {
  'qwen2.5': 'tokenizer-qwen2.5',
  'llama3.2-instruct': 'tokenizer-llama3.2-instruct',
  'tinyllama-chat': 'tokenizer-tinyllama-chat',
};

async function openPublished(name: string): Promise<ChatTemplate> {
  const { chat } = await readTextSide(join(recordings, 'real', published[name] ?? ''));
  if (!chat) throw new Error('the tokenizer has no chat template');
  return chat;
}

async function openOwn(name: string): Promise<ChatTemplate> {
  const place = join(import.meta.dirname, 'tokenizers/byte-level.json');
  return createChatTemplate(templates[name]?.template ?? '', {
    tokenizer: createTokenizer(json(place), place),
    specialTokens: { bos_token: '<|begin_of_text|>', eos_token: '<|endoftext|>' },
    place: name,
  });
}

describe.each(Object.keys({ ...published, ...templates }))('%s', (name) => {
  const path = join(recordings, 'real', published[name] ?? '');
  const absent = name in published && !existsSync(path) && `${path} is absent: it is not part of the repository`;

  let opened: Promise<ChatTemplate> | null = null;
  test.for((expected[name] ?? []).map((entry) => ({ title: entry[0], entry })))('$title', async ({ title, entry }, { skip }) => {
    if (absent) skip(absent);
    const chat = await (opened ??= (name in published ? openPublished : openOwn)(name));
    const messages = conversations[title] ?? [];
    if (entry.length === 2) {
      const [, text] = entry;
      expect(() => chat.render(messages, { addGenerationPrompt: false })).toThrow(text);
      expect(() => chat.tokenise(messages)).toThrow(text);
      return;
    }
    const [, text, prompted, ids, stretches] = entry;
    expect(chat.render(messages, { addGenerationPrompt: false })).toBe(text);
    expect(chat.render(messages, { addGenerationPrompt: true })).toBe(prompted);
    const { tokens, targetWeights } = chat.tokenise(messages);
    expect(tokens).toEqual(ids);
    const weights = ids.map((_, i) => (stretches.some(([from, until]) => i >= from && i < until) ? 1 : 0));
    expect(targetWeights).toEqual(weights);
    expect(weights.includes(1)).toBe(messages.some(({ role }) => role === 'assistant'));
  });
});
