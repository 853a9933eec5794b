/** A library is used beyond what its declarations say. Where an upgrade fails here, this is what it took away: see text-patterns.ts. */

import * as tokenizers from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { regularExpression } from './text-patterns.ts';

describe('@huggingface/tokenizers', () => {
  it('exports SplitPreTokenizer, whose `pattern` is an Oniguruma expression translated', () => {
    expect(tokenizers).toMatchObject({ SplitPreTokenizer: expect.any(Function) });
  });

  it.each([
    ['letters without case in a group', String.raw`(?i:'s|'T)`, ["'s", "'S", "'t"], ["'r"]],
    ['the end of a text', String.raw`\w\z`, ['a'], ['a ']],
    ['its beginning', String.raw`\A\w`, ['a'], [' a']],
    ['a possessive quantifier', String.raw`^a++$`, ['aa'], ['ab']],
    ['digits of any script', String.raw`^\d$`, ['7', '\u0667'], ['a']],
    ['white space but for the byte order mark', String.raw`^\s$`, [' ', '\u3000', '\u0085'], ['\ufeff', 'a']],
  ])('translates %s', (_, source, matching, others) => {
    const pattern = regularExpression(source, 'x');
    expect(pattern.flags).toContain('u');
    expect([...matching, ...others].filter((text) => text.search(pattern) >= 0)).toEqual(matching);
  });
});
