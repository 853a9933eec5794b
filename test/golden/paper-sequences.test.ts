/** Training documents of self-edits as the reference's own Python makes them, on hand-made inputs. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { paperSequences, type PaperOptions } from '@seal/domains';

interface Case {
  readonly name: string;
  readonly completion: string;
  readonly context: string;
  readonly title: string;
  readonly [list: `v${string}`]: readonly string[];
}

const file = new URL('paper-sequences/expected.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: readonly Case[] };

const lists: readonly [name: `v${string}`, options: PaperOptions][] = [
  ['v1_split', { variant: 'v1', split: true, passage: true }],
  ['v1_nosplit', { variant: 'v1', split: false, passage: true }],
  ['v2_split', { variant: 'v2', split: true, passage: true }],
  ['v2_nosplit', { variant: 'v2', split: false, passage: true }],
  ['v2_split_nocontext', { variant: 'v2', split: true, passage: false }],
];

test.each(cases)('$name', ({ title, context, completion, ...expected }) => {
  for (const [name, options] of lists) {
    expect(paperSequences(title, context, completion, options), name).toEqual(expected[name]);
  }
});
