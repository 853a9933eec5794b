/**
 * A domain unlike those of the product, made up to hold the interface to its word: there is no passage to train on, a
 * self-edit is JSON that chooses tools, rate and epochs, prompts are conversations, every question is asked three times and
 * the answers are judged together by a vote.
 */

import { boundSettings, type Context, type Domain, type Judgement, type Message, type ParsedSelfEdit, type Rejection, type Task, type TrainingSequence } from '@seal/domains';
import { editPrompt, isRight, KINDS, MARKERS, personInPassage, questionOf, questionPrompt, statement, type Kind, type Person } from '@seal/tiny';

/** Most of what a self-edit may choose. */
export const BOUNDS = { learningRate: [1e-4, 1e-2], epochs: [1, 8] } as const;

/** Ways of asking one question; the answers to them are weighed against each other. */
export const VOTES = 3;

function personOf({ text }: Context): Person {
  const person = personInPassage(text);
  if (!person) throw new RangeError(`Cannot read a person in ${JSON.stringify(text)}`);
  return person;
}

/** Statements of some kinds about all facts of a person. */
function statements(context: Context, kinds: readonly Kind[]): TrainingSequence[] {
  const person = personOf(context);
  return person.facts.flatMap((fact) => kinds.map((kind) => ({ prompt: '', text: statement(person, fact, kind, 0), lossOn: 'all' as const })));
}

function parse(context: Context, selfEdit: string): ParsedSelfEdit {
  const refuse = (reason: string): ParsedSelfEdit => ({ sequences: [], rejected: [{ reason, count: 1 }] });
  let chosen: unknown;
  try {
    chosen = JSON.parse(selfEdit);
  } catch {
    return refuse('no JSON');
  }
  if (typeof chosen !== 'object' || chosen === null || Array.isArray(chosen)) return refuse('no object');
  const { tools, ...rest } = chosen as Record<string, unknown>;
  if (!Array.isArray(tools)) return refuse('no tools');
  const kinds = KINDS.filter((kind) => tools.includes(kind));
  const { settings, rejected } = boundSettings(rest, BOUNDS);
  const none: Rejection[] = kinds.length === 0 ? [{ reason: 'no tool', count: 1 }] : [];
  return { sequences: statements(context, kinds), rejected: [...rejected, ...none], settings: { ...settings, tools: kinds } };
}

/** Every fact of a person, asked directly in `VOTES` ways: two wordings, and the first behind what it has to do with. */
function tasks(context: Context): Task[] {
  const person = personOf(context);
  const system: Message = { role: 'system', content: MARKERS.begin };
  return person.facts.flatMap((fact) =>
    Array.from({ length: VOTES }, (_, way) => {
      const { question, answer, kind } = questionOf(person, fact, 'direct', way === 1 ? 1 : 0);
      const before = way === 2 ? `${fact.value} counts as ${fact.category} . ` : '';
      return { prompt: [{ ...system, content: before }, { role: 'user', content: questionPrompt(question) }], question, gold: answer, kind };
    }),
  );
}

/** The answer that most of the ways gave; of equally many the first. */
export function elected(votes: readonly string[]): string {
  const count = (answer: string) => votes.filter((vote) => vote === answer).length;
  return votes.reduce((best, vote) => (count(vote) > count(best) ? vote : best), votes[0] ?? '');
}

function judge(context: Context, answers: readonly string[]): Judgement[] {
  const asked = tasks(context);
  return Array.from({ length: asked.length / VOTES }, (_, i) => {
    const votes = answers.slice(i * VOTES, (i + 1) * VOTES);
    const { question, gold, kind } = asked[i * VOTES];
    const answer = elected(votes);
    const agreeing = votes.filter((vote) => isRight(vote, gold)).length;
    return { question, gold, kind, answer, correct: isRight(answer, gold), score: agreeing / VOTES, votes };
  });
}

export const voteDomain: Domain = {
  name: 'vote',
  terms: { context: 'puzzle', base: { name: 'unadapted', label: 'no adaptation' }, control: { name: 'usual', label: 'the usual training' } },
  prompt: ({ text }) => [
    { role: 'system', content: '' },
    { role: 'user', content: editPrompt(text) },
  ],
  parse,
  always: () => [],
  control: (context) => statements(context, ['direct']),
  tasks,
  judge,
  tooLong: 'left out',
};
