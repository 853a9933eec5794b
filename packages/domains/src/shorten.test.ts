import { expect, test } from 'vitest';
import { stream } from '@seal/files';
import { shorten, wholeSentences } from './shorten.ts';

const within = (length: number) => (text: string) => text.length <= length;
const text = 'He said "stop!" and left. Did it rain? It was 3.5 degrees… (Nobody knew.) Then\nthe end';

test.each([
  [text.length, text],
  [text.length - 1, 'He said "stop!" and left. Did it rain? It was 3.5 degrees… (Nobody knew.) Then'],
  [75, 'He said "stop!" and left. Did it rain? It was 3.5 degrees… (Nobody knew.)'],
  [60, 'He said "stop!" and left. Did it rain? It was 3.5 degrees…'],
  [50, 'He said "stop!" and left. Did it rain?'],
  [24, 'He said "stop!"'],
  [12, 'He said'],
  [1, 'H'],
])('within %i characters: %s', (length, expected) => {
  expect(shorten(text, within(length))).toBe(expected);
});

test('sentences without spaces between them end too', () => {
  expect(shorten('水は冷たい。火は熱い。', within(9))).toBe('水は冷たい。');
});

test('never cuts a code point, and says where nothing fits', () => {
  expect(shorten('😀😀😀', within(5))).toBe('😀😀');
  expect(shorten('😀', within(1))).toBeNull();
});

test('is the longest beginning that ends a sentence, wherever there is one', () => {
  const random = stream(3, 'texts');
  for (let i = 0; i < 200; i++) {
    const sentences = Array.from({ length: 1 + random.integer(6) }, () => `${'w'.repeat(1 + random.integer(9))} end.`);
    const whole = sentences.join(' ');
    const limit = random.integer(whole.length + 3);
    const given = shorten(whole, within(limit)) ?? '';
    const ends = sentences.map((_, n) => sentences.slice(0, n + 1).join(' ')).filter((one) => one.length <= limit);
    expect(given.length).toBeLessThanOrEqual(limit);
    expect(whole.startsWith(given)).toBe(true);
    if (ends.length > 0) expect(given).toBe(ends.at(-1));
  }
});

test.each([
  ['It rains. It pou', 'It rains.'],
  ['It rains. It pours.', 'It rains. It pours.'],
  ['one line\nanother li', 'one line\n'],
  ['It rai', 'It rai'],
  ['', ''],
])('what broke off ends with its last sentence: %j', (broken, expected) => {
  expect(wholeSentences(broken)).toBe(expected);
});
