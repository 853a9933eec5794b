/**
 * People: names from syllables, a fixed split of all names, facts.
 *
 * A name is a first name (one of 320) and a last name (one of 320). Which split a name belongs to is a hash of the
 * name, so that it can be said of any name, an invented one included, without a list.
 */

import { hashText, type Random, stream } from '@seal/files';
import { FACTS } from './facts.ts';
import type { Fact } from './facts.ts';
import { FIRST_END, FIRST_START, LAST_END, LAST_START, PRONOUNS } from './lexicon.ts';

/** Pretraining sees `pretrain` only, RL rounds `rl`; recipes are chosen on `dev`, results reported on `test`. */
export type Split = 'pretrain' | 'rl' | 'dev' | 'test';

/** Somebody and one fact of each relation, in the order of `RELATIONS` (fewer where a passage said fewer). */
export interface Person {
  readonly first: string;
  readonly last: string;
  readonly pronoun: string;
  readonly facts: readonly Fact[];
}

const KNOWN_COUNT = 24;

/** `dalric holby`. */
export function nameOf(person: Person): string {
  return `${person.first} ${person.last}`;
}

/** The split of a full name: 80 % pretrain, 8 % rl, 4 % dev, 8 % test. */
export function splitOf(name: string): Split {
  const share = hashText(`split of ${name}`)[0] / 4294967296;
  if (share < 0.8) return 'pretrain';
  if (share < 0.88) return 'rl';
  return share < 0.92 ? 'dev' : 'test';
}

/** The two syllables of a word that is a first or a last name, or undefined. */
export function syllablesOf(word: string, part: 'first' | 'last'): readonly [string, string] | undefined {
  const [starts, ends] = part === 'first' ? [FIRST_START, FIRST_END] : [LAST_START, LAST_END];
  for (const start of starts) {
    if (word.startsWith(start) && ends.includes(word.slice(start.length))) return [start, word.slice(start.length)];
  }
  return undefined;
}

/**
 * Distinct people of a split with random facts. Throws RangeError when the split has not enough names for `count`.
 *
 * @example
 * people('dev', 32, stream(0, 'evaluation'));
 */
export function people(split: Split, count: number, random: Random): Person[] {
  const enough = 2_000;
  if (!Number.isInteger(count) || count < 0 || count > enough) {
    throw new RangeError(`Cannot draw ${count} people: the count must be a whole number from 0 to ${enough}`);
  }
  const known = new Set(knownPeople().map(nameOf));
  const drawn = new Map<string, Person>();
  while (drawn.size < count) {
    const person = somebody(split, random, () => FACTS.map((facts) => random.pick(facts)));
    const name = nameOf(person);
    if (!drawn.has(name) && !known.has(name)) drawn.set(name, person);
  }
  return [...drawn.values()];
}

let known: readonly Person[] | undefined;

/**
 * The 24 people whose facts the model learns in pretraining. No two share a first name, a last name or a value: the 24
 * values of every relation are dealt out among them, so that every inverse question has one answer.
 */
export function knownPeople(): readonly Person[] {
  known ??= dealKnownPeople();
  return known;
}

function dealKnownPeople(): Person[] {
  const random = stream(0, 'known people');
  const deals = FACTS.map((facts) => random.shuffle(facts));
  const dealt: Person[] = [];
  while (dealt.length < KNOWN_COUNT) {
    const person = somebody('pretrain', random, () => deals.flatMap((facts) => facts[dealt.length] ?? []));
    if (!dealt.some(({ first, last }) => first === person.first || last === person.last)) dealt.push(person);
  }
  return dealt;
}

function somebody(split: Split, random: Random, facts: () => Fact[]): Person {
  for (;;) {
    const first = random.pick(FIRST_START) + random.pick(FIRST_END);
    const last = random.pick(LAST_START) + random.pick(LAST_END);
    if (splitOf(`${first} ${last}`) === split) return { first, last, pronoun: random.pick(PRONOUNS), facts: facts() };
  }
}
