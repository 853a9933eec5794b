import { describe, expect, it } from 'vitest';
import { stream as randomStream } from '@seal/files';
import { TextStream, type TextOptions } from './text-stream.ts';

/** Tokens are bytes of UTF-8: one character takes one to four of them. */
const bytes = (text: string) => [...new TextEncoder().encode(text)];
const decode = (tokens: readonly number[]) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(tokens));
const ofBytes: TextOptions['tokenizer'] = {
  stream() {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    return { push: (id) => decoder.decode(Uint8Array.of(id), { stream: true }), end: () => decoder.decode() };
  },
};
/** Tokens are words, joined by spaces: a token's text depends on whether one is before it. */
const words = ['a', 'stop', 'here', 'now', ''];
const ofWords: TextOptions['tokenizer'] = {
  stream() {
    let begun = false;
    const push = (id: number) => {
      const word = words[id] ?? '';
      const text = begun && word !== '' ? ` ${word}` : word;
      begun ||= word !== '';
      return text;
    };
    return { push, end: () => '' };
  },
};

function run(stream: TextStream, tokens: readonly number[]): { text: string; tokens: number[]; pieces: string[] } {
  const pieces = [];
  for (const token of tokens) {
    pieces.push(stream.push(token));
    if (stream.stopped) break;
  }
  pieces.push(stream.finish());
  return { text: pieces.map(({ text }) => text).join(''), tokens: pieces.flatMap((piece) => piece.tokens), pieces: pieces.map(({ text }) => text) };
}

describe('TextStream', () => {
  it('releases whole characters, and everything in the end', () => {
    const text = 'aé漢🙂b';
    const { pieces, ...rest } = run(new TextStream({ tokenizer: ofBytes }), bytes(text));
    expect(rest).toEqual({ text, tokens: bytes(text) });
    expect(pieces).toEqual(['a', '', 'é', '', '', '漢', '', '', '', '🙂', 'b', '']);
    const cut = bytes('a🙂').slice(0, 3);
    expect(run(new TextStream({ tokenizer: ofBytes }), cut)).toMatchObject({ text: 'a\u{FFFD}', tokens: cut });
  });

  it('gives spaces that depend on the token before, also behind tokens without text', () => {
    const tokens = [0, 4, 1, 4, 4, 2, 0];
    const { text, tokens: released } = run(new TextStream({ tokenizer: ofWords }), tokens);
    expect(text).toBe('a stop here a');
    expect(released).toEqual(tokens);
  });

  it('cuts before the first stop string and drops tokens that have a part of it', () => {
    const stop = ['\n\n', 'END'];
    const ended = (text: string) => run(new TextStream({ tokenizer: ofBytes, stop }), bytes(text));
    expect(ended('one\n\ntwo')).toMatchObject({ text: 'one', tokens: bytes('one') });
    expect(ended('oEND\n\n')).toMatchObject({ text: 'o', tokens: bytes('o') });
    expect(ended('END')).toMatchObject({ text: '', tokens: [] });
    // What only begins like a stop string comes a little later.
    expect(ended('oENENE').text).toBe('oENENE');
    expect(ended('oENENE').pieces).toEqual(['o', '', '', 'EN', '', 'EN', 'E']);
    expect(ended('oENEND').text).toBe('oEN');
    // The stop string crosses a token: what is before it stays in the text, the token does not.
    const inside = run(new TextStream({ tokenizer: ofWords, stop: ['p he'] }), [0, 1, 2, 3]);
    expect(inside).toMatchObject({ text: 'a sto', tokens: [0] });
    // A character's first bytes go with it.
    expect(run(new TextStream({ tokenizer: ofBytes, stop: ['🙂'] }), bytes('a🙂b'))).toMatchObject({ text: 'a', tokens: bytes('a') });
    expect(() => new TextStream({ tokenizer: ofBytes, stop: [''] })).toThrow('Cannot stop at an empty string');
  });

  it('is the decoded whole, cut at the first stop string, for random text', () => {
    const random = randomStream(3, 'text');
    for (let round = 0; round < 300; round++) {
      const alphabet = ['a', 'b', 'ab', 'é', '🙂', '\n'];
      const pick = (length: number) => Array.from({ length }, () => random.pick(alphabet)).join('');
      const text = pick(12);
      const stop = [pick(2), pick(3)];
      const stream = new TextStream({ tokenizer: ofBytes, stop });
      const { text: streamed, tokens } = run(stream, bytes(text));
      // The stop string that is complete first ends the text; of two that are at once, the longer.
      const first = Math.min(...stop.filter((one) => text.includes(one)).map((one) => text.indexOf(one) + one.length));
      const begun = stop.map((one) => text.slice(0, first).indexOf(one)).filter((at) => at >= 0);
      const expected = text.slice(0, Math.min(...begun, text.length));
      expect(streamed, JSON.stringify({ text, stop })).toBe(expected);
      expect(decode(tokens)).toBe(expected);
      expect([stream.text, stream.tokens]).toEqual([expected, tokens]);
    }
  });
});
