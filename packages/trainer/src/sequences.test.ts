import { describe, expect, it } from 'vitest';
import type { Message } from '@seal/domains';
import { parseConfig } from '@seal/model';
import type { ChatMessage, ChatTemplate, Tokenizer } from '@seal/tokenizer';
import { letters } from './fixture.ts';
import { createCodec, createTextCodec, padWithEnd } from './sequences.ts';

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

  it('puts the loss on all but the begin token where a document says so', () => {
    const codec = createCodec(letters, config({ bos_token_id: 1, eos_token_id: 2 }), 100);
    expect(codec.document({ prompt: 'ab', text: 'c', lossOn: 'all' })).toEqual({ tokens: [1, 97, 98, 99, 2], targetWeights: [0, 1, 1, 1, 1] });
  });

  it('reads what is said in a conversation in a row', () => {
    const codec = createCodec(letters, config({ bos_token_id: 1, eos_token_id: 2 }), 100);
    expect(codec.prompt([{ role: 'system', content: 'a' }, { role: 'user', content: 'b' }])).toEqual(codec.prompt('a b'));
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

  it('puts a gold answer behind a space where the prompt has none, without an end', () => {
    expect(codec.answer('ask:', 'yes')).toEqual({ tokens: codec.prompt('ask: yes'), first: codec.prompt('ask:').length });
    expect(codec.answer('ask:\n', 'yes')).toEqual({ tokens: codec.prompt('ask:\nyes'), first: codec.prompt('ask:\n').length });
    expect(codec.answer('ask:', 'yes', 8).tokens).toEqual(codec.prompt('ask: yes').slice(0, 8));
    // A token that spans the end of the prompt is the answer's, and none is nobody's.
    expect(codec.answer('a\n', '\nb').first).toBe(3);
    const { tokens, first } = codec.answer('ask:\n', '');
    expect(first).toBe(tokens.length);
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

  it('puts the loss on all but what every text begins with where a document says so', () => {
    const { tokens, targetWeights = [] } = codec.document({ prompt: 'ask:', text: ' yes', lossOn: 'all' });
    expect(tokens).toEqual(codec.document({ prompt: 'ask:', text: ' yes' }).tokens);
    expect(Array.from(targetWeights)).toEqual(Array.from(tokens, (_, i) => Number(i > 0)));
  });

  it('refuses a conversation by name where there is no chat template', () => {
    const conversation = [{ role: 'user', content: 'ask' }] as const;
    const message = 'Cannot put a conversation to this model: it has no chat template; use an instruct model';
    expect(() => codec.prompt(conversation)).toThrow(message);
    expect(() => codec.document({ prompt: conversation, text: 'yes' })).toThrow(RangeError);
    expect(() => codec.length({ prompt: conversation, text: 'yes' })).toThrow(message);
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
  const codec = createTextCodec({ tokenizer: letters, stopTokens: [2, 7], chat, asChat: true }, 100);

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

describe('createTextCodec for conversations', () => {
  /** Every turn of the assistant is learnt, its end mark with it; a line feed ends each turn. */
  const turn = ({ role, content }: ChatMessage) => `\u0006${role}:${content}\u0007\n`;
  const chat: ChatTemplate = {
    render: (messages, { addGenerationPrompt }) => messages.map(turn).join('') + (addGenerationPrompt ? '\u0006assistant:' : ''),
    tokenise(messages) {
      const parts = messages.map((message) => {
        const tokens = letters.encode(turn(message));
        const from = '\u0006assistant:'.length;
        return { tokens, targetWeights: tokens.map((_, i) => Number(message.role === 'assistant' && i >= from && i < tokens.length - 1)) };
      });
      return { tokens: parts.flatMap(({ tokens }) => tokens), targetWeights: parts.flatMap(({ targetWeights }) => targetWeights) };
    },
  };
  const codec = createTextCodec({ tokenizer: letters, stopTokens: [2, 7], chat }, 200);
  const conversation: readonly Message[] = [
    { role: 'system', content: 'be brief' },
    { role: 'user', content: 'ask' },
    { role: 'assistant', content: 'told' },
    { role: 'user', content: 'again' },
  ];
  const learnt = (tokens: ArrayLike<number>, weights: ArrayLike<number> = []) => letters.decode(Array.from(tokens).filter((_, i) => weights[i] === 1));

  it('puts all turns and the opening of the next one', () => {
    expect(letters.decode(codec.prompt(conversation))).toBe(`${conversation.map(turn).join('')}\u0006assistant:`);
  });

  it('continues a text as it is, unless texts are what a user says', () => {
    expect(codec.prompt('ask')).toEqual([1, ...letters.encode('ask')]);
    const asked = createTextCodec({ tokenizer: letters, stopTokens: [2, 7], chat, asChat: true }, 200);
    expect(asked.prompt('ask')).toEqual(codec.prompt([{ role: 'user', content: 'ask' }]));
    expect(asked.prompt('')).toEqual([1]);
  });

  it('learns the text alone: a turn of the assistant inside the prompt is not learnt', () => {
    const { tokens, targetWeights } = codec.document({ prompt: conversation, text: 'yes' });
    expect(Array.from(tokens).slice(0, codec.prompt(conversation).length)).toEqual(codec.prompt(conversation));
    expect(learnt(tokens, targetWeights)).toBe('yes\u0007');
    expect(codec.length({ prompt: conversation, text: 'yes' })).toBe(tokens.length);
  });

  it('learns all of it where a document says so', () => {
    const { tokens, targetWeights } = codec.document({ prompt: conversation, text: 'yes', lossOn: 'all' });
    expect(tokens).toEqual(codec.document({ prompt: conversation, text: 'yes' }).tokens);
    expect(learnt(tokens, targetWeights)).toBe(letters.decode(Array.from(tokens)));
  });

  it('cuts the text at the end of a sentence and leaves out what closes its turn, wherever the loss is', () => {
    const most = codec.prompt(conversation).length + 6;
    for (const lossOn of ['text', 'all'] as const) {
      const { tokens, targetWeights } = codec.document({ prompt: conversation, text: 'One. Two.', lossOn }, most);
      expect(letters.decode(Array.from(tokens))).toBe(`${letters.decode(codec.prompt(conversation))}One.`);
      expect(learnt(tokens, targetWeights)).toBe(lossOn === 'all' ? letters.decode(Array.from(tokens)) : 'One.');
    }
    expect(codec.cutDocuments).toBe(1);
    expect(() => codec.document({ prompt: conversation, text: 'One.' }, 20)).toThrow(/^Cannot train on a text behind \d+ tokens: 20 fit in all/);
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
