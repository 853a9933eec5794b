/**
 * Passages with questions, in the format of the reference's data files: a JSON list of
 * `{ title, context, questions: [{ question, answer }] }`, one gold answer a question; the same list as `items` beside a
 * `provenance`; or SQuAD's own nesting, `{ data: [{ title, paragraphs: [{ context, qas }] }] }`.
 *
 * A question may occur twice under one passage: the development set of SQuAD itself has such pairs, and the reference
 * counts both. Of SQuAD's several answers to a question the first is its gold answer; what it marks as impossible to
 * answer is left out, as nothing could grade it.
 */
import { hashText } from '@seal/files';
import { type } from 'arktype';
import type { Context } from '../domain.ts';
import { readJson } from './json.ts';

const text = type('string').narrow(
  (value, context) => value.trim() !== '' || context.mustBe('a text that is not empty'),
);

const questionSchema = type({
  question: text,
  answer: text,
  'kind?': text,
  'id?': 'unknown',
}).onUndeclaredKey('reject');

/** The keys read, and those that other tools around the format add, which are accepted and not used. */
const passageSchema = type({
  title: text,
  context: text,
  questions: questionSchema.array().atLeastLength(1),
  'id?': 'unknown',
  'source?': 'unknown',
  'squad_val_index?': 'unknown',
  'eval_position?': 'unknown',
  'prompt?': 'unknown',
  'completions?': 'unknown',
  'entities?': 'unknown',
  'entities_raw?': 'unknown',
  'pair_completions?': 'unknown',
  'triple_completions?': 'unknown',
}).onUndeclaredKey('reject');

/** SQuAD's own files, versions 1.1 and 2.0. */
const squadSchema = type({
  'version?': 'string',
  data: type({
    title: 'string',
    paragraphs: type({
      context: 'string',
      qas: type({
        question: 'string',
        answers: type({ text: 'string', 'answer_start?': 'number' }).array(),
        'id?': 'unknown',
        'is_impossible?': 'boolean',
        'plausible_answers?': 'unknown',
      })
        .onUndeclaredKey('reject')
        .array(),
    })
      .onUndeclaredKey('reject')
      .array(),
  })
    .onUndeclaredKey('reject')
    .array(),
}).onUndeclaredKey('reject');

const remedies: Readonly<Record<string, string>> = {
  required: 'add the field',
  minLength: 'add a question or remove the passage',
  domain: 'each passage is {"title", "context", "questions": [{"question", "answer"}]}',
};

const hex = (word: number): string => word.toString(16).padStart(8, '0');

/** Names a passage by what it says, so that an order or a neighbour never changes it: 16 hexadecimal digits. */
export const passageId = (title: string, context: string): string => {
  const [first, second] = hashText(JSON.stringify([title, context]));
  return hex(first) + hex(second);
};

/** SQuAD's articles as a list of passages; a question without an answer stays one, to be refused by its place. */
function unnested(value: unknown, refuse: (problem: string) => SyntaxError): unknown[] {
  const file = squadSchema(value);
  if (file instanceof type.errors) {
    const [first] = file;
    throw refuse(`${first?.propString ?? ''} ${first?.problem ?? 'is wrong'}; the file is read as SQuAD's own nesting, as it has "data"`);
  }
  const passages = file.data.flatMap(({ title, paragraphs }) =>
    paragraphs.map(({ context, qas }) => {
      const possible = qas.filter(({ is_impossible }) => is_impossible !== true);
      const questions = possible.map(({ question, answers }) => ({ question, answer: answers[0]?.text ?? '' }));
      return { title: title.replaceAll('_', ' '), context, questions, asked: qas.length };
    }),
  );
  return passages.flatMap(({ asked, ...passage }) => (asked > 0 && passage.questions.length === 0 ? [] : [passage]));
}

function listIn(value: unknown, refuse: (problem: string) => SyntaxError): readonly unknown[] {
  if (Array.isArray(value)) {
    if (value.length === 0) throw refuse('the list is empty; add at least one passage');
    return value;
  }
  const found = value === null ? 'null' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
  const entries = Object.entries(Object(value));
  const [key, list] = entries.find(([, entry]) => Array.isArray(entry)) ?? [];
  if (key === 'data') return listIn(unnested(value, refuse), refuse);
  if (key === 'items' && entries.every(([name]) => ['items', 'provenance'].includes(name))) return listIn(list, refuse);
  const remedy = key === undefined ? 'the file must be a list of passages' : `give the list under "${key}" alone`;
  throw refuse(`expected a list, found ${found}; ${remedy}`);
}

/**
 * Reads passages from the text of a file, or from JSON already parsed; `place` names the file in errors.
 *
 * A context's `id` is a hash of its title and text. A question's `kind` is `'question'` unless the file says otherwise.
 * Throws `SyntaxError`, naming the file, the item (counted from 0), the field and what to do about it, when the file is
 * not JSON or not a list, when a field is absent, empty, of another type or unknown, when a passage has no question,
 * and when a passage occurs twice.
 *
 * @example
 * parsePassages('[{"title":"T","context":"C.","questions":[{"question":"Q?","answer":"A"}]}]', 'passages.json');
 */
export function parsePassages(source: unknown, place: string): Context[] {
  const refuse = (problem: string): SyntaxError => new SyntaxError(`Cannot read passages from ${place}: ${problem}`);
  const seen = new Map<string, number>();
  return listIn(readJson(source, 'passages', place), refuse).map((item, index) => {
    const passage = passageSchema(item);
    if (passage instanceof type.errors) {
      const [first] = passage;
      const field = first?.propString ? `item ${index}, ${first.propString}` : `item ${index}`;
      const unknown = first?.expected === 'removed';
      const remedy = unknown ? 'this key is unknown; remove it or correct its name' : remedies[first?.code ?? ''];
      const more = passage.length > 1 ? ` (and ${passage.length - 1} more in this item)` : '';
      throw refuse(`${field} ${first?.problem ?? 'is wrong'}; ${remedy ?? 'fill it or remove the item'}${more}`);
    }
    const key = JSON.stringify([passage.title.trim(), passage.context.trim()]);
    const before = seen.get(key);
    if (before !== undefined) {
      throw refuse(`item ${index}, context repeats item ${before}; keep one of them, with the questions of both`);
    }
    seen.set(key, index);
    const { title, context, questions } = passage;
    return {
      id: passageId(title, context),
      title,
      text: context,
      questions: questions.map(({ question, answer, kind = 'question' }) => ({ question, answer, kind })),
    };
  });
}
