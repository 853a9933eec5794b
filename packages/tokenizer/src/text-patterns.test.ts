/** Which expressions of a tokenizer are matched, and which would keep a backtracking matcher busy for ever. */

import { describe, expect, it } from 'vitest';
import { createTokenizer } from './tokenizer.ts';
import { regularExpression } from './text-patterns.ts';

describe('an expression', () => {
  it.each([
    String.raw`(a+)+$`,
    String.raw`((a+))+b`,
    String.raw`(a|a)*b`,
    String.raw`(?:a?){40}b`,
    String.raw`(?:a{1,2}){40}b`,
    String.raw`(?=(?:a*)*b)`,
    String.raw`(?i:a+){1,}b`,
    String.raw`a{1,3}+b`,
    `${'a?'.repeat(40)}b`,
    `${'(?:a|a)'.repeat(40)}b`,
    String.raw`\s+\s+\s+$`,
    String.raw`a{0,}a{0,99}a*b`,
    `${'a{0,9}'.repeat(16)}b`,
  ])('%s is refused', (source) => {
    expect(() => regularExpression(source, 'a.json')).toThrow(/^Cannot use a\.json: the expression .*: matching it might never end$/);
  });

  it.each([
    ['words and contractions', String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`],
    ['contractions behind words', String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{M}]*[\p{Ll}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}|\s*[\r\n]+`],
    ['digits in threes from the right', String.raw`\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))`],
    ['brackets and quantifiers in classes', String.raw` ?[^(\s|[.,!?+*)])]+|\(\+\)+|[\]){}]+`],
    ['as many choices in other alternatives', Array.from({ length: 40 }, () => 'a+b?').join('|')],
    ['one choice among many', `(?:${Array.from({ length: 200 }, (_, i) => `a${i}`).join('|')})b`],
  ])('of %s is matched', (_, source) => {
    expect(regularExpression(source, 'a.json')).toBeInstanceOf(RegExp);
  });

  it('is refused wherever it stands in a file', () => {
    const hostile = { Regex: '(a+)+$' };
    const parts = {
      pre_tokenizer: { type: 'Split', pattern: hostile, behavior: 'Isolated' },
      normalizer: { type: 'Replace', pattern: hostile, content: '' },
      decoder: { type: 'Replace', pattern: hostile, content: '' },
    };
    for (const [name, part] of Object.entries(parts)) {
      const file = { model: { type: 'BPE', vocab: { a: 0 }, merges: [] }, [name]: part };
      expect(() => createTokenizer(file, 'a.json')).toThrow('repeats what can match in several ways');
    }
  });
});
