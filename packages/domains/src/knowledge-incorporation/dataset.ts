/**
 * Passages with questions, in the format of the reference's data files: a JSON list of
 * `{ title, context, questions: [{ question, answer }] }`, one gold answer a question; or any layout of SQuAD (squad.ts).
 * Either may be a list, `items` beside a `provenance`, `data` beside anything, or a JSON object a line.
 *
 * A question may occur twice under one passage: the development set of SQuAD itself has such pairs, and the reference
 * counts both.
 */
import { hashText } from '@seal/files';
import { type } from 'arktype';
import type { Context } from '../domain.ts';
import { readJson } from './json.ts';
import { layoutOf, squadReader, type Item } from './squad.ts';

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

const fieldOfItem = (name: string) => (path: string) => (path === '' ? name : `${name}, ${path}`);

/** The items of a file that is JSON: a list, or an object around one. */
function itemsIn(value: unknown, refuse: (problem: string) => SyntaxError): Item[] {
  if (Array.isArray(value)) return value.map((item, i) => ({ value: item, field: fieldOfItem(`item ${i}`) }));
  const found = value === null ? 'null' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
  const entries = Object.entries(Object(value));
  const [key, list] = entries.find(([, entry]) => Array.isArray(entry)) ?? [];
  const { data } = Object(value) as { readonly data?: unknown };
  if (Array.isArray(data)) {
    return data.map((item, i) => ({ value: item, field: (path) => (path === '' ? `data[${i}]` : `data[${i}].${path}`) }));
  }
  if (key === 'items' && entries.every(([name]) => ['items', 'provenance'].includes(name))) return itemsIn(list, refuse);
  if ('context' in Object(value) || layoutOf(value) !== null) return [{ value, field: fieldOfItem('item 0') }];
  const remedy = key === undefined ? 'the file must be a list of passages' : `give the list under "${key}" alone`;
  throw refuse(`expected a list, found ${found}; ${remedy}`);
}

/** A JSON object a line, as more than one line begins with one that is whole. */
const LINES = /^\s*\{[^\n]*\}\s*\n\s*\{/;

function itemsOf(source: unknown, place: string, refuse: (problem: string) => SyntaxError): Item[] {
  if (typeof source !== 'string' || !LINES.test(source.replace(/^\ufeff/, ''))) return itemsIn(readJson(source, 'passages', place), refuse);
  return source.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    return [{ value: readJson(line, 'passages', `${place}, line ${i + 1}`), field: fieldOfItem(`line ${i + 1}`) }];
  });
}

/** The last part of a path, without what names its kind. */
const nameIn = (place: string) => place.split(/[\\/]/).at(-1)?.replace(/(?<=.)\.[^.]*$/, '') || place;

/** A passage in the format of the reference. */
function passageIn({ value, field }: Item, refuse: (problem: string) => SyntaxError): typeof passageSchema.infer {
  const passage = passageSchema(value);
  if (!(passage instanceof type.errors)) return passage;
  const [first] = passage;
  const unknown = first?.expected === 'removed';
  const remedy = unknown ? 'this key is unknown; remove it or correct its name' : remedies[first?.code ?? ''];
  const more = passage.length > 1 ? ` (and ${passage.length - 1} more in this item)` : '';
  throw refuse(`${field(first?.propString ?? '')} ${first?.problem ?? 'is wrong'}; ${remedy ?? 'fill it or remove the item'}${more}`);
}

/**
 * Reads passages from the text of a file, or from JSON already parsed; `place` names the file in errors, and its last part
 * without its ending is the title of passages of SQuAD that have none.
 *
 * A context's `id` is a hash of its title and text. A question's `kind` is `'question'` unless the file says otherwise.
 * A passage of SQuAD whose list of questions is empty is one without questions. Throws `SyntaxError`, naming the file, the
 * item (a line from 1, or an item from 0, or the path to it), the field and what to do about it, when the file is neither
 * JSON nor a JSON object a line, when it has no passages, when a field is absent, empty or of another type, in the
 * reference's format unknown, or without a question, and when a passage occurs twice.
 *
 * @example
 * parsePassages('[{"title":"T","context":"C.","questions":[{"question":"Q?","answer":"A"}]}]', 'passages.json');
 */
export function parsePassages(source: unknown, place: string): Context[] {
  const refuse = (problem: string): SyntaxError => new SyntaxError(`Cannot read passages from ${place}: ${problem}`);
  const squad = squadReader({ untitled: nameIn(place), refuse });
  const read = itemsOf(source, place, refuse).flatMap((item) => {
    const layout = layoutOf(item.value);
    const passages = layout === null ? [passageIn(item, refuse)] : squad(item, layout);
    return passages.map((passage) => ({ passage, name: item.field('') }));
  });
  if (read.length === 0) throw refuse('the list is empty; add at least one passage');
  const seen = new Map<string, string>();
  return read.map(({ passage: { title, context, questions }, name }) => {
    const key = JSON.stringify([title.trim(), context.trim()]);
    const before = seen.get(key);
    if (before !== undefined) throw refuse(`${name}, context repeats ${before}; keep one of them, with the questions of both`);
    seen.set(key, name);
    const kindOf = (question: object) => ('kind' in question && typeof question.kind === 'string' ? question.kind : 'question');
    return {
      id: passageId(title, context),
      title,
      text: context,
      questions: questions.map((question) => ({ question: question.question, answer: question.answer, kind: kindOf(question) })),
    };
  });
}
