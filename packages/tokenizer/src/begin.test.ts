import { describe, expect, it } from 'vitest';
import { beginOf } from './begin.ts';

const framing = (framed: readonly number[]) => ({ encode: () => [7, 8], encodeWithSpecials: () => [...framed] });

describe('beginOf', () => {
  it.each([
    ['what stands before the text', [1, 2, 7, 8, 3], [1, 2]],
    ['nothing where there is only an end', [7, 8, 3], []],
    ['nothing where there is no rule', [7, 8], []],
    ['nothing where the rule changes the text', [1, 9, 3], []],
  ])('is %s', (_, framed, begin) => {
    expect(beginOf(framing(framed))).toEqual(begin);
  });
});
