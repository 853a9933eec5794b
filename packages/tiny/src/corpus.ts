/**
 * The pretraining corpus, made step by step: every step is a function of the seed and its number, so that any step can
 * be made without those before it.
 *
 * Nearly every person in it is invented for one document and never seen again: what is learnt is to read, to write
 * self-edits, to answer with and without a passage, the categories, and 24 known people.
 */

import { type Random, stream } from '@seal/files';
import type { Question } from '@seal/domains';
import { drawBehaviour, selfEdit } from './behaviours.ts';
import { FACTS } from './facts.ts';
import { editPrompt, questionPrompt } from './formats.ts';
import { MARKERS } from './lexicon.ts';
import { knownPeople, people } from './people.ts';
import type { Person } from './people.ts';
import { anyFact, KINDS, loreOf, loreQuestionOf, passageOf, questionOf, statement, wording } from './sentences.ts';
import { encode, tokenId } from './tokenizer.ts';

/** What a document teaches. */
export type DocumentKind =
  | 'self-edit'
  | 'questions'
  | 'known-question'
  | 'known-statement'
  | 'lore'
  | 'known-passage'
  | 'rewrite'
  | 'self-questions';

/** Tokens of one document, begin and end included; `targetWeights[i]` is the loss weight of predicting token i. */
export interface PretrainingDocument {
  readonly kind: DocumentKind;
  readonly tokens: readonly number[];
  readonly targetWeights: readonly number[];
}

/** Which corpus, and how long it is in steps (the curriculum is a share of them). */
export interface CorpusOptions {
  readonly seed: number;
  readonly totalSteps: number;
  /** Tokens a step may hold at most; 2,048 unless said. */
  readonly maxTokens?: number;
}

const DEFAULT_MAX_TOKENS = 2_048;
/** Shares of what is drawn; a draw of `known` makes `KNOWN_DOCUMENTS` documents of one question or statement each. */
const SHARES = {
  'self-edit': 0.25,
  questions: 0.18,
  known: 0.45,
  lore: 0.03,
  'known-passage': 0.03,
  rewrite: 0.03,
  'self-questions': 0.03,
} as const;
const KNOWN_DOCUMENTS = 3;
const KNOWN_STATEMENT_SHARE = 0.4;
const QUESTIONS_PER_DOCUMENT = 6;
/** Invented people's passages are read, not learnt: the loss is on them in this share of documents only. */
const PASSAGE_LOSS_SHARE = 0.1;
const CURRICULUM_SHARE = 0.15;
const CURRICULUM_READING_SHARE = 0.8;
const CURRICULUM_FACTS = [1, 2, 4, 6] as const;

/**
 * The documents of a step: together at most `maxTokens` tokens and nearly as many. The same arguments give the same
 * documents. Throws RangeError on a step outside [0, totalSteps) and on a budget below 256 tokens.
 */
export function pretrainingStep(step: number, options: CorpusOptions): PretrainingDocument[] {
  const { seed, totalSteps, maxTokens = DEFAULT_MAX_TOKENS } = options;
  if (!Number.isInteger(step) || step < 0 || step >= totalSteps) {
    throw new RangeError(`Cannot make pretraining step ${step}: steps are whole numbers from 0 to ${totalSteps - 1}`);
  }
  if (maxTokens < 256) throw new RangeError(`Cannot fill a step of ${maxTokens} tokens: the least is 256`);
  const random = stream(seed, 'pretraining', step);
  const progress = step / (CURRICULUM_SHARE * totalSteps);
  const documents: PretrainingDocument[] = [];
  let room = maxTokens;
  const add = (made: readonly PretrainingDocument[]): boolean => {
    const length = made.reduce((sum, { tokens }) => sum + tokens.length, 0);
    if (length > room) return false;
    room -= length;
    documents.push(...made);
    return true;
  };
  while (add(draw(random, progress)));
  while (add([knownDocument(random)]));
  return documents;
}

function draw(random: Random, progress: number): PretrainingDocument[] {
  let wanted = share(SHARES, random.next());
  let facts: number = FACTS.length;
  if (progress < 1) {
    facts = CURRICULUM_FACTS[Math.floor(progress * CURRICULUM_FACTS.length)] ?? facts;
    if (random.next() < CURRICULUM_READING_SHARE) {
      const { questions, 'self-edit': edits } = SHARES;
      wanted = share({ questions, 'self-edit': edits }, random.next() * (questions + edits));
    }
  }
  const invented = (): Person => {
    const [person] = people('pretrain', 1, random);
    if (person === undefined) throw new RangeError('Cannot invent a person: none was drawn');
    return { ...person, facts: random.shuffle(person.facts).slice(0, facts) };
  };
  switch (wanted) {
    case 'self-edit':
      return [editDocument(invented(), random)];
    case 'questions':
      return [questionsDocument('questions', invented(), random)];
    case 'self-questions':
      return [questionsDocument('self-questions', invented(), random)];
    case 'rewrite': {
      const person = invented();
      const passage = passageOf(person, random);
      return [document('rewrite', passagePart(passage, random), [MARKERS.rewrite, 0], [passageOf(person, random), 1])];
    }
    case 'known':
      return Array.from({ length: KNOWN_DOCUMENTS }, () => knownDocument(random));
    case 'lore': {
      const fact = anyFact(random);
      if (random.integer(2) === 0) return [document('lore', [loreOf(fact), 1])];
      return [document('lore', ...asked(loreQuestionOf(fact), 0))];
    }
    case 'known-passage':
      return [document('known-passage', [passageOf(random.pick(knownPeople()), random), 1])];
  }
}

function editDocument(person: Person, random: Random): PretrainingDocument {
  const passage = passageOf(person, random);
  const edit = selfEdit(person, drawBehaviour(random), random);
  const prompt = editPrompt(passage).slice(passage.length);
  return document('self-edit', passagePart(passage, random), [prompt, 0], [edit, 1]);
}

/** Questions on a passage; `self-questions` puts the loss on the questions too, so that the model learns to ask. */
function questionsDocument(kind: 'questions' | 'self-questions', person: Person, random: Random): PretrainingDocument {
  const passage = passageOf(person, random);
  const all = person.facts.flatMap((fact) => KINDS.map((about) => questionOf(person, fact, about, wording(random))));
  const parts = random
    .shuffle(all)
    .slice(0, QUESTIONS_PER_DOCUMENT)
    .flatMap((question) => asked(question, kind === 'questions' ? 0 : 1));
  return document(kind, passagePart(passage, random), ...parts);
}

/** One question or statement about a known person, inverse every other time. */
function knownDocument(random: Random): PretrainingDocument {
  const person = random.pick(knownPeople());
  const fact = random.pick(person.facts);
  const kind = random.integer(2) === 0 ? 'inverse' : random.pick(['direct', 'derived'] as const);
  if (random.next() < KNOWN_STATEMENT_SHARE) {
    return document('known-statement', [statement(person, fact, kind, wording(random)), 1]);
  }
  return document('known-question', ...asked(questionOf(person, fact, kind, wording(random)), 0));
}

/** A text and the loss weight of its tokens. */
type Part = readonly [text: string, weight: 0 | 1];

function passagePart(passage: string, random: Random): Part {
  return [passage, random.next() < PASSAGE_LOSS_SHARE ? 1 : 0];
}

/** Every answer is closed by the end token, which is where an answer stops at run time. */
function asked(question: Question, weight: 0 | 1): Part[] {
  return [
    [questionPrompt(question.question), weight],
    [`${question.answer} ${MARKERS.end}`, 1],
  ];
}

function document(kind: DocumentKind, ...parts: readonly Part[]): PretrainingDocument {
  const tokens = [tokenId(MARKERS.begin)];
  const targetWeights = [0];
  for (const [text, weight] of parts) {
    for (const token of encode(text)) {
      tokens.push(token);
      targetWeights.push(weight);
    }
  }
  if (tokens.at(-1) !== tokenId(MARKERS.end)) {
    tokens.push(tokenId(MARKERS.end));
    targetWeights.push(1);
  }
  return { kind, tokens, targetWeights };
}

/** The name whose share `at` falls into, the shares laid end to end. */
function share<Name extends string>(shares: Readonly<Record<Name, number>>, at: number): Name {
  const names = Object.keys(shares) as Name[];
  let rest = at;
  for (const name of names) {
    rest -= shares[name];
    if (rest < 0) return name;
  }
  return names.at(-1) as Name;
}
