/** Token ids and text against Hugging Face's tokenizers for Python; see tokenizers/make.py. */

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createDecodeStream, createTokenizer, type Tokenizer } from '@seal/tokenizer';

const recordings = process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data';
const folder = join(import.meta.dirname, 'tokenizers');

const files: Record<string, string> = {
  'byte-level': join(folder, 'byte-level.json'),
  metaspace: join(folder, 'metaspace.json'),
  'qwen2.5': join(recordings, 'real/tokenizer-qwen2.5/tokenizer.json'),
  'llama3.2-instruct': join(recordings, 'real/tokenizer-llama3.2-instruct/tokenizer.json'),
  smollm2: join(recordings, 'real/tokenizer-smollm2/tokenizer.json'),
  'tinyllama-chat': join(recordings, 'real/tokenizer-tinyllama-chat/tokenizer.json'),
  'llama-story': join(recordings, 'real/llama-story-hf/tokenizer.json'),
  // Asks for truncation and padding to 256 tokens, which are no part of tokenising.
  'smollm-timothy': join(recordings, 'real/adapter-smollm-timothy/tokenizer.json'),
};

type Ids = number[] | [count: number, sha256: string];

interface Expected {
  readonly specials: [before: number[], after: number[]];
  readonly long: [ids: Ids, sha256: string];
  readonly texts: [ids: Ids, decoded: string | 0, decodedWithSpecials: string | 0][];
}

const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
const texts = json(join(folder, 'texts.json')) as string[];

/** As make.py's `mixed`. */
function mixed(size: number): string {
  let state = 1;
  let text = '';
  while (text.length < size) {
    state = (state * 48271) % 2147483647;
    text += texts[state % texts.length]!.toWellFormed();
  }
  return text;
}

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** As make.py's `short`. */
const short = (ids: number[]): Ids => (ids.length <= 64 ? ids : [ids.length, sha256(new Uint8Array(Uint32Array.from(ids).buffer))]);

function streamed(tokenizer: Tokenizer, ids: readonly number[], skipSpecialTokens: boolean): string {
  const stream = createDecodeStream(tokenizer, { skipSpecialTokens });
  return ids.map((id) => stream.push(id)).join('') + stream.end();
}

describe.each(Object.entries(files))('%s', (name, path) => {
  const absent = !existsSync(path) && `${path} is absent: it is not part of the repository`;
  const expected = json(join(folder, `expected/${name}.json`)) as Expected;
  let loaded: Tokenizer | null = null;
  const open = (): Tokenizer => (loaded ??= createTokenizer(json(path), path));

  test('ids and text of hard strings', ({ skip }) => {
    if (absent) skip(absent);
    const tokenizer = open();
    const [before, after] = expected.specials;
    expect(expected.texts).toHaveLength(texts.length);
    texts.forEach((text, i) => {
      const ids = tokenizer.encode(text);
      const [own, decoded, all] = expected.texts[i]!;
      expect({ text, ids: short(ids) }).toEqual({ text, ids: own });
      expect({ text, ids: tokenizer.encodeWithSpecials(text) }).toEqual({ text, ids: [...before, ...ids, ...after] });
      expect(tokenizer.decode(ids)).toBe(decoded === 0 ? text.toWellFormed() : decoded);
      expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(all === 0 ? text.toWellFormed() : all);
    });
  });

  test('text as it comes is the whole text, and never half a character', ({ skip }) => {
    if (absent) skip(absent);
    const tokenizer = open();
    for (const text of texts) {
      const ids = tokenizer.encode(text);
      for (const skips of [true, false]) {
        const whole = tokenizer.decode(ids, { skipSpecialTokens: skips });
        expect(streamed(tokenizer, ids, skips)).toBe(whole);
        if (text.toWellFormed().includes('\ufffd')) continue;
        const stream = createDecodeStream(tokenizer, { skipSpecialTokens: skips });
        expect(ids.map((id) => stream.push(id)).join('')).not.toContain('\ufffd');
      }
    }
  });

  test('ids and text of a long mixed text', ({ skip }) => {
    if (absent) skip(absent);
    const tokenizer = open();
    const ids = tokenizer.encode(mixed(1_000_000));
    const [own, text] = expected.long;
    expect(short(ids)).toEqual(own);
    expect(sha256(tokenizer.decode(ids, { skipSpecialTokens: false }))).toBe(text);
  });

  test('the tokens of a part begin and end where the part does', ({ skip }) => {
    if (absent) skip(absent);
    const tokenizer = open();
    // The story tokenizer has no bytes for letters that it does not know.
    const plain = 'One two three.\nFour more, nine ten.';
    const text = name === 'llama-story' ? plain : `${plain} 5678 (今天) caf\u00e9 😀 ten.`;
    const offsets = Array.from({ length: text.length + 1 }, (_, i) => i).filter((i) => text.slice(0, i).isWellFormed());
    const { tokens, places } = tokenizer.locate(text, offsets);
    expect(tokens).toEqual(tokenizer.encode(text));
    offsets.forEach((offset, i) => {
      const { ended, begun } = places[i]!;
      const whole = (count: number) => tokenizer.decode(tokens.slice(0, count)).replace(/\ufffd+$/, '');
      expect(text.slice(0, offset).startsWith(whole(ended))).toBe(true);
      expect(begun - ended).toBeOneOf(offset > 0 && offset < text.length ? [0, 1] : [0]);
      if (begun === ended) expect(whole(ended)).toBe(text.slice(0, offset));
      else expect(whole(ended).length).toBeLessThan(offset);
      if (begun > ended && !/\P{ASCII}/u.test(text.slice(0, offset + 1))) expect(whole(begun).length).toBeGreaterThan(offset);
    });
  });
});
