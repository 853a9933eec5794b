import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { paperSequences, splitLines, strip, type PaperOptions } from './paper-sequences.ts';

interface Case {
  readonly name: string;
  readonly completion: string;
  readonly context: string;
  readonly title: string;
  readonly [list: `v${string}`]: readonly string[];
}

const recordings = process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data';
const golden = join(recordings, 'golden/ki_train_sequences.json');
const cases: Case[] = existsSync(golden) ? JSON.parse(readFileSync(golden, 'utf8')).cases : [];

const lists: readonly [name: `v${string}`, options: PaperOptions][] = [
  ['v1_split', { variant: 'v1', split: true, passage: true }],
  ['v1_nosplit', { variant: 'v1', split: false, passage: true }],
  ['v2_split', { variant: 'v2', split: true, passage: true }],
  ['v2_nosplit', { variant: 'v2', split: false, passage: true }],
  ['v2_split_nocontext', { variant: 'v2', split: true, passage: false }],
];

describe('against documents made by the reference', () => {
  test.for(lists)('%s', ([name, options], { skip }) => {
    skip(!existsSync(golden), `${golden} is absent: the recorded texts are not part of the repository`);
    expect(cases).toHaveLength(38);
    for (const { title, context, completion, ...expected } of cases) {
      expect(paperSequences(title, context, completion, options), expected.name).toEqual(expected[name]);
      const without = paperSequences(title, context, completion, { ...options, passage: false });
      if (options.passage) expect(without, expected.name).toEqual(expected[name]?.slice(0, -1));
    }
  });
});

describe('by hand', () => {
  const v1 = { variant: 'v1', split: true, passage: false } as const;

  test('the last list of a v2 text with two is kept whole, the chain of thought is not', () => {
    const text = 'a\nImplications:\n1. b\nImplications:\n2. c';
    const options = { variant: 'v2', split: true, passage: false } as const;
    expect(paperSequences('T', 'p', text, options)).toEqual(['T\n1. b', 'T\nImplications:', 'T\n2. c']);
  });

  test('a preamble falls only to a second line that starts with 1.', () => {
    expect(paperSequences('T', 'p', 'Sure:\n2. a\n1. b', v1)).toEqual(['T\nSure:', 'T\n2. a', 'T\n1. b']);
    expect(paperSequences('T', 'p', 'Sure:\n \n1. a', v1)).toEqual(['T\n1. a']);
  });

  test('a question without an answer is a line like any other', () => {
    expect(paperSequences('T', 'p', 'Question 1: a?\nb', v1)).toEqual(['T\nQuestion 1: a?', 'T\nb']);
  });

  test('white space and line breaks are those of Python', () => {
    expect(strip('\u001c\u0085\u00a0 a b\u3000\t')).toBe('a b');
    expect(strip('\ufeffa')).toBe('\ufeffa');
    expect(strip(' \n ')).toBe('');
    expect(splitLines('a\r\nb\rc\u2028d\u0085\ne\n')).toEqual(['a', 'b', 'c', 'd', '', 'e']);
    expect(splitLines('')).toEqual([]);
  });
});
