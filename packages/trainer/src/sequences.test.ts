import { describe, expect, it } from 'vitest';
import { parseConfig } from '@seal/model';
import type { ChatMessage, ChatTemplate, Tokenizer } from '@seal/tokenizer';
import { createCodec, createTextCodec, padWithEnd } from './sequences.ts';

/** One token per letter. */
const letters: Pick<Tokenizer, 'encode' | 'decode'> = {
  encode: (text) => Array.from(text, (letter) => letter.charCodeAt(0)),
  decode: (ids) => String.fromCharCode(...ids),
};

const config = (extra: object) =>
  parseConfig(
    { model_type: 'llama', vocab_size: 128, hidden_size: 8, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 2, ...extra },
    'the test',
  );

describe('createCodec', () => {
  it('puts the begin token first, the end token last and the loss on text and end alone', () => {
    const codec = createCodec(letters, config({ bos_token_id: 1, eos_token_id: 2 }), 100);
    expect(codec.prompt('ab')).toEqual([1, 97, 98]);
    expect(codec.document({ prompt: 'ab', text: 'c' })).toEqual({ tokens: [1, 97, 98, 99, 2], targetWeights: [0, 0, 0, 1, 1] });
    expect(codec.document({ prompt: '', text: '' })).toEqual({ tokens: [1, 2], targetWeights: [0, 1] });
    expect(codec.decode([104, 105])).toBe('hi');
    expect(codec.stopTokens).toEqual([2]);
  });

  it('needs no begin token, stops at any end token and ends documents with the first', () => {
    const codec = createCodec(letters, config({ eos_token_id: [5, 6] }), 100);
    expect(codec.prompt('a')).toEqual([97]);
    expect(codec.document({ prompt: '', text: 'a' }).tokens).toEqual([97, 5]);
    expect(codec.stopTokens).toEqual([5, 6]);
  });

  it('cuts what is too long, the end token with it', () => {
    const codec = createCodec(letters, config({ bos_token_id: 1, eos_token_id: 2 }), 4);
    expect(codec.document({ prompt: 'a', text: 'bcdef' })).toEqual({ tokens: [1, 97, 98, 99], targetWeights: [0, 0, 1, 1] });
  });

  it('refuses a model that never ends', () => {
    expect(() => createCodec(letters, config({}), 10)).toThrow('eos_token_id');
  });
});

/**
 * A tokenizer whose tokens depend on what stands before, as real ones do: two equal letters in a row are one token, a
 * space is put before the text, and the first space of a text is not shown.
 */
const doubled: Pick<Tokenizer, 'encode' | 'encodeWithSpecials' | 'decode'> = {
  encodeWithSpecials: (text) => [1, ...doubled.encode(text), 5],
  encode: (text) => Array.from(` ${text}`.matchAll(/(.)\1?/gsu), ([found]) => found.charCodeAt(0) + (found.length > 1 ? 128 : 0)),
  decode: (ids) => ids.map((id) => String.fromCharCode(id % 128).repeat(id >= 128 ? 2 : 1)).join('').replace(/^ /, ''),
};

describe('createTextCodec', () => {
  const side = { tokenizer: doubled, stopTokens: [2, 3] };
  const codec = createTextCodec(side, 100);
  const content = (tokens: ArrayLike<number>) => doubled.decode(Array.from(tokens).filter((id) => id > 3));

  it('tokenises prompt and text as one text, and puts the loss behind the prompt', () => {
    const { tokens, targetWeights } = codec.document({ prompt: 'ask:', text: ' yes' });
    expect(content(tokens)).toBe('ask: yes');
    expect(Array.from(tokens)).toEqual([...codec.prompt('ask: yes'), 2]);
    expect(targetWeights).toEqual([...codec.prompt('ask:').map(() => 0), 1, 1, 1, 1, 1]);
    expect(codec.length({ prompt: 'ask:', text: ' yes' })).toBe(tokens.length);
  });

  it('counts a token that spans the end of the prompt as text', () => {
    const { tokens, targetWeights = [] } = codec.document({ prompt: 'a\n', text: '\nb' });
    expect(content(tokens)).toBe('a\n\nb');
    expect(Array.from(targetWeights)).toEqual([0, 0, 0, 1, 1, 1]);
  });

  it('reads a document without a prompt from its first token on', () => {
    expect(codec.document({ prompt: '', text: 'ab' })).toEqual({ tokens: [1, 32, 97, 98, 2], targetWeights: [0, 1, 1, 1, 1] });
  });

  it('gives back what continues a prompt, with the space that begins it', () => {
    expect(codec.decode([32, 121, 101, 115], codec.prompt('ask:'))).toBe(' yes');
    expect(codec.decode([32, 121, 101, 115])).toBe('yes');
  });

  it('ends what was broken off with its last sentence, and never with half a character', () => {
    const tokens = doubled.encode('It is. It wa').slice(1);
    expect(codec.decode(tokens, [], true)).toBe('It is.');
    expect(codec.decode(tokens, [], false)).toBe('It is. It wa');
    const broken = createTextCodec({ ...side, tokenizer: { ...doubled, decode: (ids) => (ids.length === 0 ? '' : 'caf\ufffd\ufffd') } }, 100);
    expect(broken.decode([1], [], true)).toBe('caf');
  });

  it('cuts at the end of a sentence, counts each text once and leaves the end token out', () => {
    const own = createTextCodec(side, 100);
    const sequence = { prompt: 'p', text: 'One. Two. Three.' };
    for (const limit of [14, 14, 15]) expect(content(own.document(sequence, limit).tokens)).toBe('pOne. Two.');
    expect(own.document(sequence, 14).tokens).not.toContain(2);
    expect(own.cutDocuments).toBe(1);
    expect(() => own.document(sequence, 3)).toThrow('Cannot train on a text behind 3 tokens: 3 fit in all');
  });

  it('begins a text as the rule of the tokenizer does, and ends no prompt as it ends texts', () => {
    expect(codec.prompt('ab')).toEqual([1, 32, 97, 98]);
    const plain = createTextCodec({ ...side, tokenizer: { ...doubled, encodeWithSpecials: doubled.encode } }, 100);
    expect(plain.prompt('ab')).toEqual([32, 97, 98]);
  });

  it('refuses a model that never ends', () => {
    expect(() => createTextCodec({ ...side, stopTokens: [] }, 10)).toThrow('eos_token_id');
  });
});

describe('createTextCodec with a chat template', () => {
  /** Turns between marks: 6 opens one, 7 ends it; the loss is on what the assistant says and its end. */
  const turns = (messages: readonly ChatMessage[]) => messages.map(({ role, content }) => `\u0006${role}:${content}\u0007`).join('');
  const chat: ChatTemplate = {
    render: (messages, { addGenerationPrompt }) => turns(messages) + (addGenerationPrompt ? '\u0006assistant:' : ''),
    tokenise(messages) {
      const tokens = letters.encode(turns(messages));
      const from = letters.encode(`${turns(messages.slice(0, -1))}\u0006assistant:`).length;
      return { tokens, targetWeights: tokens.map((_, i) => (i < from ? 0 : 1)) };
    },
  };
  const tokenizer = { ...letters, encodeWithSpecials: (text: string) => [1, ...letters.encode(text)] };
  const codec = createTextCodec({ tokenizer, stopTokens: [2, 7], chat }, 100);

  it('asks as a user, with what the template begins with and nothing before it', () => {
    expect(letters.decode(codec.prompt('ask'))).toBe('\u0006user:ask\u0007\u0006assistant:');
  });

  it('trains on what the assistant says to a prompt, and on plain text without one', () => {
    const { tokens, targetWeights = [] } = codec.document({ prompt: 'ask', text: 'yes' });
    expect(Array.from(tokens)).toEqual([...codec.prompt('ask'), ...letters.encode('yes\u0007')]);
    expect(Array.from(targetWeights).filter((weight) => weight === 1)).toHaveLength(4);
    expect(codec.document({ prompt: '', text: 'yes' }).tokens).toEqual([1, ...letters.encode('yes'), 2]);
  });

  it('cuts what the assistant says at the end of a sentence, without the end of its turn', () => {
    const { tokens, targetWeights = [] } = codec.document({ prompt: 'ask', text: 'One. Two.' }, codec.prompt('ask').length + 6);
    expect(Array.from(tokens)).toEqual([...codec.prompt('ask'), ...letters.encode('One.')]);
    expect(targetWeights).toHaveLength(tokens.length);
  });
});

describe('padWithEnd', () => {
  it('pads to the longest with weighted end tokens and leaves that one as it is', () => {
    const padded = padWithEnd([{ tokens: [1, 2, 3], targetWeights: [0, 1, 1] }, { tokens: [4] }], 9);
    expect(padded).toEqual([
      { tokens: [1, 2, 3], targetWeights: [0, 1, 1] },
      { tokens: [4, 9, 9], targetWeights: [1, 1, 1] },
    ]);
    expect(padWithEnd([], 9)).toEqual([]);
  });
});
