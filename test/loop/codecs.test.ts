/** The text codec on tokenizers of published models: what it makes of recorded self-edits is their text, mask and cut. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { knowledgeIncorporation, parsePassages } from '@seal/domains';
import type { Tokenizer } from '@seal/tokenizer';
import { readTextSide } from '@seal/tokenizer/node';
import { createTextCodec } from '@seal/trainer';

const recordings = process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data';
const passages = join(recordings, 'data/squad_val_eval_000_029.json');
const kept = join(recordings, 'data/sft_best1of5_iter0.jsonl');

/** Name of the folder, what texts begin with by the file's own rule, end token, end of an assistant's turn. */
const tokenizers: readonly (readonly [name: string, begin: string, end: string, turn: string | null])[] = [
  ['llama-story-hf', '<|start_story|>', '<|end_story|>', null],
  ['tokenizer-qwen2.5', '', '<|endoftext|>', '<|im_end|>'],
  ['tokenizer-llama3.2-instruct', '<|begin_of_text|>', '<|end_of_text|>', '<|eot_id|>'],
  ['tokenizer-smollm2', '', '<|endoftext|>', null],
  ['tokenizer-tinyllama-chat', '<s>', '</s>', '</s>'],
];
const absent = [passages, kept, ...tokenizers.map(([name]) => join(recordings, 'real', name, 'tokenizer.json'))].find((file) => !existsSync(file));

/** A text as a tokenizer can say it: composed, without characters that it has no token for. */
const sayable = ({ encode, unknownId }: Pick<Tokenizer, 'encode' | 'unknownId'>, text: string): string =>
  Array.from(text.normalize('NFC')).filter((character) => unknownId === null || !encode(character).includes(unknownId)).join('');

const texts = () => {
  const edits = readFileSync(kept, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line) as { completion: string });
  return edits.slice(0, 12).map(({ completion }) => completion);
};

describe.skipIf(absent !== undefined)(absent === undefined ? 'published tokenizers' : `published tokenizers (${absent} is absent: it is not part of the repository)`, () => {
  const domain = knowledgeIncorporation({ template: 'implications', mode: 'corrected', grader: 'containment' });

  it.each(tokenizers)('%s: documents are the tokens of the whole text, framed by its own rule', async (name, begin, end) => {
    const { tokenizer } = await readTextSide(join(recordings, 'real', name));
    const codec = createTextCodec({ tokenizer, stopTokens: [tokenizer.id(end)] }, 4_096);
    const framed = tokenizer.encodeWithSpecials('It rains.');
    expect(codec.prompt('It rains.')).toEqual(framed.slice(0, codec.prompt('It rains.').length));
    expect(codec.prompt('It rains.').length - tokenizer.encode('It rains.').length).toBe(begin === '' ? 0 : 1);
    const contexts = parsePassages(readFileSync(passages, 'utf8'), passages);
    texts().forEach((written, i) => {
      const text = sayable(tokenizer, written);
      const prompt = domain.prompt(contexts[i] as (typeof contexts)[number]);
      const { tokens, targetWeights = [] } = codec.document({ prompt, text });
      const all = Array.from(tokens);
      expect(tokenizer.decode(all, { skipSpecialTokens: false })).toBe(
        tokenizer.decode([...codec.prompt(prompt + text), tokenizer.id(end)], { skipSpecialTokens: false }),
      );
      expect(tokenizer.decode(all)).toContain(text);
      // What the loss is on is the text and the end, but for the beginning of a token that spans both.
      const learnt = all.filter((_, at) => targetWeights[at] === 1);
      expect(learnt.at(-1)).toBe(tokenizer.id(end));
      const continued = codec.decode(learnt.slice(0, -1), all.slice(0, all.length - learnt.length));
      expect(continued.endsWith(text)).toBe(true);
      expect(continued.length - text.length).toBeLessThanOrEqual(2);
      // Written by the model, the same tokens are the same text again.
      expect(codec.decode(learnt.slice(0, -1), codec.prompt(prompt).slice(0, all.length - learnt.length))).toBe(continued);
    });
  });

  it.each(tokenizers)('%s: a document that does not fit ends with a sentence of it', async (name, _, end) => {
    const { tokenizer } = await readTextSide(join(recordings, 'real', name));
    const codec = createTextCodec({ tokenizer, stopTokens: [tokenizer.id(end)] }, 4_096);
    for (const { title, text: written } of parsePassages(readFileSync(passages, 'utf8'), passages)) {
      const text = sayable(tokenizer, `${title}\n${written}`);
      const { tokens } = codec.document({ prompt: '', text }, 96);
      expect(tokens.length).toBeLessThanOrEqual(96);
      if (tokens.length === codec.length({ prompt: '', text })) continue;
      const told = tokenizer.decode(Array.from(tokens)).trim();
      expect(text.startsWith(told)).toBe(true);
      // A sentence, or the title alone where the first sentence does not fit.
      if (told !== text.split('\n')[0]) expect(told).toMatch(/[.!?]["'”’)\]]*$/);
    }
  });

  it.each(tokenizers.filter(([, , , turn]) => turn !== null))('%s: by its chat template the prompt of a document is the prompt that is continued', async (name, _, end, turn) => {
    const { tokenizer, chat } = await readTextSide(join(recordings, 'real', name));
    expect(chat).not.toBeNull();
    const codec = createTextCodec({ tokenizer, stopTokens: [tokenizer.id(end)], chat, asChat: true }, 4_096);
    const conversation = [{ role: 'user', content: 'Hi.' }, { role: 'assistant', content: 'So far.' }, { role: 'user', content: 'And?' }] as const;
    const { tokens: turns, targetWeights: weights = [] } = codec.document({ prompt: conversation, text: 'Yes.' });
    expect(tokenizer.decode(Array.from(turns).filter((_token, at) => weights[at] === 1)).trim()).toBe('Yes.');
    expect(tokenizer.decode(Array.from(turns))).toContain('So far.');
    for (const text of texts()) {
      const asked = codec.prompt('Write down what it states.');
      const { tokens, targetWeights = [] } = codec.document({ prompt: 'Write down what it states.', text });
      // A text that a user says is the conversation of that one turn.
      const said = [{ role: 'user', content: 'Write down what it states.' }] as const;
      expect(codec.prompt(said)).toEqual(asked);
      expect(codec.document({ prompt: said, text })).toEqual({ tokens, targetWeights });
      const all = Array.from(tokens);
      const from = Array.from(targetWeights).indexOf(1);
      expect(all.slice(0, from)).toEqual(asked.slice(0, from));
      expect(asked.length - from).toBeLessThanOrEqual(1);
      const learnt = all.filter((__, at) => targetWeights[at] === 1);
      expect(learnt.at(-1)).toBe(tokenizer.id(turn ?? ''));
      expect(tokenizer.decode(learnt).trim()).toBe(text.trim());
    }
  });
});
