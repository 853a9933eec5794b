/** Conversations: every answer is what `generate` writes behind the same messages, by the same adapter. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openGpu, type Gpu } from '@seal/device';
import { stream } from '@seal/files';
import { adapterFiles, initialAdapter, loraLayout, readCheckpoint, type LoraConfig } from '@seal/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openConversation, type ChatRequest } from './chat.ts';
import { ask, generate, SHIPPED_MODEL, type Deps, type EngineEvent } from './index.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-chat-'));
let gpu: Gpu;
let close: () => void;
let deps: Deps;

/** The shipped model with a chat template. */
function chatting(name: string, template: string): string {
  const model = join(base, name);
  mkdirSync(model);
  for (const file of ['config.json', 'model.safetensors', 'tokenizer.json']) symlinkSync(join(SHIPPED_MODEL, file), join(model, file));
  writeFileSync(join(model, 'chat_template.jinja'), template);
  return model;
}
const model = chatting('plain', "{% for message in messages %}{{ message.content + ' ' }}{% endfor %}");
const adapter = join(base, 'adapter');
const maxTokens = 6;

beforeAll(async () => {
  gpu = await openGpu();
  close = gpu.close.bind(gpu);
  Object.defineProperty(gpu, 'close', { value: () => {} });
  deps = { openGpu: async () => gpu, hub: { cacheDirectory: base }, version: { package: '1' }, totalMemory: 2 ** 33, now: () => new Date(0) };
  const lora: LoraConfig = { rank: 2, alpha: 8, targets: ['self_attn.q_proj', 'mlp.down_proj'] };
  const { config } = await readCheckpoint(SHIPPED_MODEL);
  const layout = loraLayout(config, lora);
  const random = stream(0, 'chat');
  const values = initialAdapter(layout, lora.rank, () => random.next());
  for (const { out, offsetB } of layout.places) for (let i = 0; i < lora.rank * out; i++) values[offsetB + i] = random.next() - 0.5;
  mkdirSync(adapter);
  for (const [file, content] of Object.entries(adapterFiles(layout, lora, values, 'seal-tiny'))) writeFileSync(join(adapter, file), content);
});
afterAll(() => {
  close();
  rmSync(base, { recursive: true });
});

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });

/** What `generate` says behind messages. */
async function generated(messages: readonly object[], adapters: string[] = []): Promise<string> {
  const { completions } = await generate({ model, messages, adapters, maxTokens }, deps);
  return completions[0]?.text ?? '';
}

async function open(request: ChatRequest) {
  const notes: string[] = [];
  const conversation = await openConversation({ maxTokens, ...request }, deps, { onEvent: (event) => event.type === 'note' && notes.push(event.message) });
  return { conversation, notes };
}

describe('with a chat template', () => {
  it('answers behind what was said, piece by piece, and begins anew', async () => {
    const { conversation } = await open({ model });
    try {
      const events: EngineEvent[] = [];
      const first = await conversation.answer('who plays the', { onEvent: (event) => events.push(event) });
      expect(first.text).toBe(await generated([user('who plays the')]));
      expect(events.map((event) => (event.type === 'piece' ? event.text : '')).join('')).toBe(first.text);
      const second = await conversation.answer('she works');
      const said = [user('who plays the'), assistant(first.text), user('she works')];
      expect(second.text).toBe(await generated(said));
      expect(second.text).not.toBe(await generated([user('she works')]));
      expect(conversation.messages).toEqual([...said, assistant(second.text)]);
      conversation.reset();
      expect((await conversation.answer('she works')).text).toBe(await generated([user('she works')]));
    } finally {
      conversation.close();
    }
  });

  it('answers by an adapter, and once more without it, which is no part of the conversation', async () => {
    const { conversation } = await open({ model, adapter });
    try {
      await expect(conversation.answerBase()).rejects.toThrow('Cannot compare: nothing was asked yet');
      const first = await conversation.answer('who plays the');
      const second = await conversation.answer('she works');
      const said = [user('who plays the'), assistant(first.text), user('she works')];
      expect(second.text).toBe(await generated(said, [adapter]));
      expect(second.adapterDigest).toMatch(/^[0-9a-f]{64}$/);
      const plain = await conversation.answerBase();
      expect(plain).toMatchObject({ text: await generated(said), adapterDigest: null });
      expect(plain.text).not.toBe(second.text);
      expect(conversation.messages).toEqual([...said, assistant(second.text)]);
    } finally {
      conversation.close();
    }
  });

  it('keeps an answer that was stopped as far as it came', async () => {
    const { conversation } = await open({ model, maxTokens: 100 });
    try {
      const stop = new AbortController();
      let told = '';
      const hooks = {
        signal: stop.signal,
        onEvent(event: EngineEvent) {
          if (event.type === 'piece') told += event.text;
          stop.abort(new Error('stopped by the test'));
        },
      };
      const { text, finish } = await conversation.answer('who plays the', hooks);
      expect({ text, finish }).toEqual({ text: told, finish: 'stopped' });
      expect(text).not.toBe('');
      expect(conversation.messages).toEqual([user('who plays the'), assistant(text)]);
      // One that is stopped before it begins leaves nothing behind.
      await conversation.answer('she works', { signal: AbortSignal.abort(new Error('at once')) });
      expect(conversation.messages).toHaveLength(2);
    } finally {
      conversation.close();
    }
  });

  it('leaves the oldest turns out where all do not fit, and says so once', async () => {
    const { conversation } = await open({ model });
    const { maxPositionEmbeddings: positions } = (await readCheckpoint(model)).config;
    const notes: string[] = [];
    const hooks = { onEvent: (event: EngineEvent) => event.type === 'note' && notes.push(event.message) };
    try {
      const long = 'who '.repeat(Math.floor(positions * 0.4)).trim();
      const first = await conversation.answer(long, hooks);
      const second = await conversation.answer(long, hooks);
      expect(notes).toEqual([]);
      const third = await conversation.answer(long, hooks);
      expect(notes).toEqual([`The conversation is longer than the ${positions} tokens that are read at once: its first 2 messages are no longer seen`]);
      expect(third.text).toBe(await generated([user(long), assistant(second.text), user(long)]));
      expect(conversation.messages).toHaveLength(6);
      expect(conversation.messages[1]).toEqual(assistant(first.text));
      const before = conversation.messages.length;
      await expect(conversation.answer('who '.repeat(positions), hooks)).rejects.toThrow(/Cannot answer a text of \d+ tokens: at most \d+ fit; shorten it/);
      await expect(conversation.answer(' \n', hooks)).rejects.toThrow('Cannot answer nothing');
      expect(conversation.messages).toHaveLength(before);
      // What was said before is seen still.
      await conversation.answer('she works', hooks);
      expect(notes).toHaveLength(1);
    } finally {
      conversation.close();
    }
  });

  it('passes on what a template refuses', async () => {
    const { conversation } = await open({ model: chatting('refusing', "{{ raise_exception('No conversations here') }}") });
    try {
      await expect(conversation.answer('who')).rejects.toMatchObject({ kind: 'data', message: expect.stringContaining('No conversations here') as string });
    } finally {
      conversation.close();
    }
  });
});

it('answers without a chat template every question by itself, the tiny model as ask does', async () => {
  const { conversation, notes } = await open({ adapter });
  try {
    expect(notes).toEqual(['The tiny model answers every question by itself and does not see what was said before']);
    expect(conversation.hasHistory).toBe(false);
    const question = 'who plays the theremin ?';
    const { answer } = await ask({ question, adapter, config: { inner: { maxAnswerTokens: maxTokens } } }, deps);
    for (let turn = 0; turn < 2; turn++) expect((await conversation.answer(question)).text.trim()).toBe(answer);
    await expect(conversation.answer('who plays the zither ?')).rejects.toMatchObject({ kind: 'data', message: expect.stringContaining('zither') as string });
  } finally {
    conversation.close();
  }
});

it('has nothing to compare with without an adapter', async () => {
  const { conversation } = await open({ model });
  await expect(conversation.answerBase()).rejects.toThrow('this is the model without an adapter already');
  conversation.close();
});
