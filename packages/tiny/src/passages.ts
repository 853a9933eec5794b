/** Contexts of the tiny world: made from people, or written by somebody else and checked against the vocabulary. */

import { hashText, type Random, stream } from '@seal/files';
import { parsePassages } from '@seal/domains';
import type { Context, Question } from '@seal/domains';
import { nameOf, people } from './people.ts';
import type { Person, Split } from './people.ts';
import { FACTS, factWithValue } from './facts.ts';
import { normalise, passageOf, personInPassage, questionsOf } from './sentences.ts';
import { unknownWords } from './tokenizer.ts';

/** Id of a passage: 16 hexadecimal digits of its title and text. */
function contextId(title: string, text: string): string {
  return hashText(JSON.stringify([title, text])).slice(0, 2).map((word) => word.toString(16).padStart(8, '0')).join('');
}

/** A passage about a person with its twelve questions. */
export function contextOf(person: Person, random: Random): Context {
  const title = nameOf(person);
  const text = passageOf(person, random);
  return { id: contextId(title, text), title, text, questions: questionsOf(person, random) };
}

/** Contexts about distinct people of a split, the same for the same seed. */
export function contextsOf(split: Split, count: number, seed: number): Context[] {
  const random = stream(seed, 'contexts', split);
  return people(split, count, random).map((person) => contextOf(person, random));
}

/**
 * Contexts from the text of a passages file, or from JSON already parsed, as `readableContexts` gives them. Throws
 * SyntaxError naming `place`, the item and the field when it is not a list of passages with questions, and the word
 * when one is outside the vocabulary.
 */
export function contextsFromPassages(source: unknown, place: string): Context[] {
  return readableContexts(parsePassages(source, place), place);
}

/**
 * Contexts as the model can read them: lower case, single spaces, and every question of the tiny world marked direct,
 * derived or inverse. `place` names where they come from. Throws SyntaxError naming the first word outside the
 * vocabulary, and where it is.
 */
export function readableContexts(contexts: readonly Context[], place: string): Context[] {
  return contexts.map((context, index) => {
    const check = (field: string, text: string): string => {
      const [unknown, ...others] = unknownWords(text);
      if (unknown === undefined) return normalise(text);
      const more = others.length > 0 ? ` (and ${others.length} more in this field)` : '';
      throw new SyntaxError(
        `Cannot read passages from ${place}: item ${index}, ${field}: word ${unknown.index + 1}, ` +
          `${JSON.stringify(unknown.word)}, is outside the tiny vocabulary${more}; use words and phrases that the ` +
          'vocabulary lists, with spaces around full stops and question marks',
      );
    };
    const text = check('context', context.text);
    const questions = context.questions.map(({ question, answer, kind }, number): Question => {
      const asked = check(`questions[${number}].question`, question);
      const answered = check(`questions[${number}].answer`, answer);
      return { question: asked, answer: answered, kind: kind === 'question' ? kindOf(text, answered) : kind };
    });
    return { ...context, text, questions };
  });
}

const categories: ReadonlySet<string> = new Set(FACTS.flat().map(({ category }) => category));

/** A question's kind by its answer: a value, a category, or the name the passage begins with. */
function kindOf(text: string, answer: string): string {
  if (factWithValue(answer)) return 'direct';
  if (answer === personInPassage(text)?.first) return 'inverse';
  return categories.has(answer) ? 'derived' : 'question';
}
