import { describe, expect, it } from 'vitest';
import { parseConfig, type Tokenizer } from '@seal/model';
import { createCodec, padWithEnd } from './sequences.ts';

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
