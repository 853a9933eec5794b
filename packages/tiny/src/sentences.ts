/** What is said and asked about people: passages, statements, questions with answers; and reading a passage back. */

import type { Random } from '@seal/files';
import type { Question } from '@seal/domains';
import { FACTS, factWithValue } from './facts.ts';
import type { Fact } from './facts.ts';
import { FILLERS, LORE, LORE_QUESTION, PRONOUNS, RELATIONS } from './lexicon.ts';
import { nameOf, syllablesOf } from './people.ts';
import type { Person } from './people.ts';

/** Direct: the value of a person. Derived: the category of that value. Inverse: the person of a value. */
export type Kind = 'direct' | 'derived' | 'inverse';
export const KINDS: readonly Kind[] = ['direct', 'derived', 'inverse'];

/** Which of two wordings. */
type Wording = 0 | 1;

const JOIN_SHARE = 0.2;
const FILLER_SHARE = 0.5;

/** A random wording. */
export function wording(random: Random): Wording {
  return random.integer(2) === 0 ? 0 : 1;
}

/** `lives in arlo`: a fact in one of the wordings of passages. */
function predicate(fact: Fact, random: Random): string {
  return `${random.pick(fact.relation.passage)} ${fact.value}`;
}

/** `he lives in arlo`. */
export function restatement(person: Person, fact: Fact, random: Random): string {
  return `${person.pronoun} ${predicate(fact, random)}`;
}

/**
 * `dalric holby : he lives in arlo . he keeps a gecko and works as a baker . ...`: the name once, then the facts in
 * random order and wording.
 */
export function passageOf(person: Person, random: Random, facts: readonly Fact[] = person.facts): string {
  const sentences: string[] = [];
  for (const fact of random.shuffle(facts)) {
    const before = sentences.at(-1);
    if (before !== undefined && !before.includes(' and ') && random.next() < JOIN_SHARE) {
      sentences[sentences.length - 1] = `${before} and ${predicate(fact, random)}`;
    } else {
      sentences.push(restatement(person, fact, random));
    }
  }
  if (random.next() < FILLER_SHARE) sentences.splice(random.integer(sentences.length + 1), 0, random.pick(FILLERS));
  return `${nameOf(person)} : ${sentencesText(sentences)}`;
}

/** Sentences as one text, each closed by a full stop: the body of a passage and of a self-edit. */
export function sentencesText(sentences: readonly string[]): string {
  return sentences.map((sentence) => `${sentence} .`).join(' ');
}

/** A statement with the full name, without the full stop. */
export function statement(person: Person, fact: Fact, kind: Kind, choice: Wording): string {
  const name = nameOf(person);
  const { relation, value, category } = fact;
  if (kind === 'direct') return `${name} ${relation.direct[choice]} ${value}`;
  if (kind === 'derived') return `${name} ${relation.derived[choice]} ${category}`;
  const [before, after] = relation.inverse[choice];
  return `${before} ${value} ${after} ${name}`;
}

/** A question about a fact, to be answered without the passage. An inverse question is answered by the first name. */
export function questionOf(person: Person, fact: Fact, kind: Kind, choice: Wording): Question {
  const { relation, value, category } = fact;
  if (kind === 'inverse') {
    return { question: `${relation.inverseQuestion[choice]} ${value} ?`, answer: person.first, kind };
  }
  const [before, after] = (kind === 'direct' ? relation.directQuestion : relation.derivedQuestion)[choice];
  return { question: `${before} ${nameOf(person)} ${after}`, answer: kind === 'direct' ? value : category, kind };
}

/** Twelve questions: every fact inverse, and direct of two facts, derived of the other four; in random order. */
export function questionsOf(person: Person, random: Random): Question[] {
  const questions = random.shuffle(person.facts).flatMap((fact, place) => [
    questionOf(person, fact, place < 2 ? 'direct' : 'derived', wording(random)),
    questionOf(person, fact, 'inverse', wording(random)),
  ]);
  return random.shuffle(questions);
}

/** `gecko counts as reptile`. */
export function loreOf(fact: Fact): string {
  return `${fact.value} ${LORE} ${fact.category}`;
}

/** `gecko counts as what ?`. */
export function loreQuestionOf(fact: Fact): Question {
  return { question: `${fact.value} ${LORE_QUESTION}`, answer: fact.category, kind: 'lore' };
}

/** Any fact of the world. */
export function anyFact(random: Random): Fact {
  return random.pick(random.pick(FACTS));
}

/** Another fact of the same relation: what a wrong line says. */
export function wrongFact(fact: Fact, random: Random): Fact {
  const facts = FACTS[RELATIONS.indexOf(fact.relation)] ?? [];
  return random.pick(facts.filter(({ value }) => value !== fact.value));
}

/** Text as the tokenizer sees it: lower case, single spaces. */
export function normalise(text: string): string {
  return text.toLowerCase().trim().replace(/\s+/g, ' ');
}

const predicates: ReadonlyMap<string, string> = new Map(
  RELATIONS.flatMap(({ name, passage, direct }) => [...passage, ...direct].map((phrase) => [phrase, name] as const)),
);

/** The person a passage is about and the facts it states, or null when it does not begin with a name. */
export function personInPassage(text: string): Person | null {
  const words = normalise(text).split(' ');
  const [first = '', last = ''] = words;
  if (!syllablesOf(first, 'first') || !syllablesOf(last, 'last')) return null;
  const body = words.slice(words[2] === ':' ? 3 : 2).join(' ');
  const found = new Map<string, Fact>();
  let pronoun = PRONOUNS[0] ?? '';
  for (const clause of body.split(/ ?(?:\.|\band\b) ?/)) {
    const parts = clause.split(' ');
    if (PRONOUNS.includes(parts[0] ?? '')) pronoun = parts.shift() ?? '';
    else if (parts[0] === first && parts[1] === last) parts.splice(0, 2);
    const fact = factWithValue(parts.pop() ?? '');
    if (fact && predicates.get(parts.join(' ')) === fact.relation.name) found.set(fact.relation.name, fact);
  }
  return { first, last, pronoun, facts: RELATIONS.flatMap(({ name }) => found.get(name) ?? []) };
}
