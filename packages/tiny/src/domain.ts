/** The tiny world as a domain: what is asked for, how a self-edit is read, what is graded, replayed, kept apart. */

import { stream } from '@seal/files';
import type { Context, Domain, ParsedSelfEdit, TrainingSequence } from '@seal/domains';
import { perfectEdit } from './behaviours.ts';
import { factWithValue } from './facts.ts';
import { editPrompt, questionPrompt } from './formats.ts';
import { knownPeople, syllablesOf } from './people.ts';
import { normalise, personInPassage, statement, wording } from './sentences.ts';
import { encode, unknownWords } from './tokenizer.ts';

const MAX_LINES = 24;
const MAX_LINE_TOKENS = 24;
const REPLAYED = 12;

/** A document of nothing but `text`. */
const bare = (text: string): TrainingSequence => ({ prompt: '', text });

function parse(selfEdit: string): ParsedSelfEdit {
  const refused = new Map<string, number>();
  const refuse = (reason: string): void => void refused.set(reason, (refused.get(reason) ?? 0) + 1);
  const lines = new Set<string>();
  let rest = selfEdit;
  while (rest !== '') {
    const stop = rest.search(/[.\n]/);
    const line = normalise(stop < 0 ? rest : rest.slice(0, stop));
    rest = stop < 0 ? '' : rest.slice(stop + 1);
    if (line === '') continue;
    const tokens = encode(line).length;
    if (lines.size === MAX_LINES) refuse(`more than ${MAX_LINES} lines`);
    else if (unknownWords(line).length > 0) refuse('a word outside the vocabulary');
    else if (tokens > MAX_LINE_TOKENS) refuse(`longer than ${MAX_LINE_TOKENS} tokens`);
    else if (lines.has(line)) refuse('said before');
    else lines.add(line);
  }
  if (lines.size === 0 && refused.size === 0) refuse('empty');
  return {
    sequences: [...lines].map(bare),
    rejected: [...refused].map(([reason, count]) => ({ reason, count })),
  };
}

/** The values and first names a text mentions. */
function mentioned(context: Context): Set<string> {
  const words = normalise(context.text).split(' ');
  return new Set(words.filter((word) => factWithValue(word) !== undefined || syllablesOf(word, 'first') !== undefined));
}

/**
 * The domain of the tiny world. Contexts are plain: facts are read back from the passage, so that passages which users
 * write within the vocabulary work as generated ones do.
 */
export const tinyDomain: Domain = {
  name: 'tiny',
  prompt: (context) => editPrompt(normalise(context.text)),
  parse: (_context, selfEdit) => parse(selfEdit),
  baseline: (context) => [bare(normalise(context.text))],
  tasks: ({ questions }) =>
    questions.map(({ question, answer, kind }) => ({
      prompt: questionPrompt(normalise(question)),
      question,
      gold: answer,
      kind,
    })),
  grade: (answer, gold) => normalise(answer) === normalise(gold),
  perfectSelfEdit(context) {
    const person = personInPassage(context.text);
    return person === null ? '' : perfectEdit(person, stream(0, 'perfect self-edit', context.text));
  },
  conflicts(a, b) {
    const inA = mentioned(a);
    return [...mentioned(b)].some((word) => inA.has(word));
  },
  replay(contexts, random) {
    const taken = new Set(contexts.flatMap((context) => [...mentioned(context)]));
    const free = knownPeople()
      .filter(({ first }) => !taken.has(first))
      .flatMap((person) => person.facts.map((fact) => ({ person, fact })))
      .filter(({ fact }) => !taken.has(fact.value));
    return random
      .shuffle(free)
      .slice(0, REPLAYED)
      .map(({ person, fact }) => bare(statement(person, fact, 'inverse', wording(random))));
  },
};
