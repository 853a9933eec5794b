/**
 * SQuAD as its files, tools and libraries write it: articles with paragraphs as in the official files (versions 1.1 and 2.0),
 * paragraphs alone, as annotation tools export them, and rows of the `datasets` library, one a question.
 *
 * Keys that are not read are passed over: every tool adds its own. Of several answers to a question the first is its gold
 * answer; what is marked as impossible to answer is left out, as nothing could grade it, and so is a row without answers,
 * which is how rows say so. A passage that is left without questions by that is left out; one that has no questions in the
 * file is kept.
 */

import { type } from 'arktype';

/** A value of a file and what names a field of it in messages; an empty path is the value itself. */
export interface Item {
  readonly value: unknown;
  readonly field: (path: string) => string;
}

/** A passage as a layout gives it, its texts not empty. */
export interface SquadPassage {
  readonly title: string;
  readonly context: string;
  readonly questions: readonly { readonly question: string; readonly answer: string }[];
}

const text = type('string').narrow((value, context) => value.trim() !== '' || context.mustBe('a text that is not empty'));
const title = 'string | null';

const paragraphSchema = type({
  'title?': title,
  context: text,
  qas: type({
    question: text,
    'answers?': type({ text: 'string' }).array().or('null'),
    'is_impossible?': 'boolean | null',
  }).array(),
});
const articleSchema = type({ 'title?': title, paragraphs: paragraphSchema.array() });
const rowSchema = type({
  'title?': title,
  context: text,
  question: text,
  'answers?': type({ text: 'string[]' }).or(type({ text: 'string' }).array()).or('string[]').or('null'),
  'answer?': 'string | null',
  'is_impossible?': 'boolean | null',
});

type Paragraph = typeof paragraphSchema.infer;
type Row = typeof rowSchema.infer;

type Layout = 'articles' | 'paragraphs' | 'rows';
const NAMES: Readonly<Record<Layout, string>> = {
  articles: 'the file is read as SQuAD\'s own nesting, as it has "paragraphs"',
  paragraphs: 'the item is read as a paragraph of SQuAD, as it has "qas"',
  rows: 'the item is read as a row of SQuAD, as it has "question"',
};

/** Which layout an item has; null for one that is none of SQuAD's. */
export function layoutOf(value: unknown): Layout | null {
  if (typeof value !== 'object' || value === null || 'questions' in value) return null;
  if ('paragraphs' in value) return 'articles';
  if ('qas' in value) return 'paragraphs';
  return 'question' in value && 'context' in value ? 'rows' : null;
}

/** What reading needs of its caller. */
export interface SquadReading {
  /** The title of passages that have none. */
  readonly untitled: string;
  readonly refuse: (problem: string) => SyntaxError;
}

const isMarked = ({ is_impossible: mark }: { readonly is_impossible?: boolean | null }) => mark === true;

/** SQuAD writes spaces of titles as underscores. */
const titleIn = (own: string | null | undefined, untitled: string) => own?.replaceAll('_', ' ').trim() || untitled;

function fromParagraph({ title: own, context, qas }: Paragraph, above: string | null | undefined, field: Item['field'], { untitled, refuse }: SquadReading): SquadPassage[] {
  const questions = qas.flatMap((one, i) => {
    if (isMarked(one)) return [];
    const answer = one.answers?.[0]?.text ?? '';
    if (answer.trim() === '') {
      throw refuse(`${field(`qas[${i}].answers`)} must begin with an answer that is not empty; add it, or mark the question with "is_impossible": true`);
    }
    return [{ question: one.question, answer }];
  });
  return qas.length > 0 && questions.length === 0 ? [] : [{ title: titleIn(own ?? above, untitled), context, questions }];
}

function answerOf({ answers, answer }: Row): string {
  if (answer !== undefined && answer !== null) return answer;
  const [first] = answers === undefined || answers === null ? [] : Array.isArray(answers) ? answers : answers.text;
  return (typeof first === 'object' ? first.text : first) ?? '';
}

/** The rows of one passage, wherever they stand in the file, are one; it stands where the first of them does. */
function joinRows(passages: Map<string, SquadPassage & { readonly questions: { question: string; answer: string }[] }>, row: Row, untitled: string): SquadPassage[] {
  const answer = answerOf(row);
  if (isMarked(row) || answer.trim() === '') return [];
  const { context, question } = row;
  const own = titleIn(row.title, untitled);
  const key = JSON.stringify([own, context]);
  const known = passages.get(key);
  if (known) {
    known.questions.push({ question, answer });
    return [];
  }
  const passage = { title: own, context, questions: [{ question, answer }] };
  passages.set(key, passage);
  return [passage];
}

/** A reader of the items of one file, each to the passages that begin with it. It throws what `refuse` gives, with the field. */
export function squadReader(reading: SquadReading): (item: Item, layout: Layout) => SquadPassage[] {
  const { untitled, refuse } = reading;
  const rows: Parameters<typeof joinRows>[0] = new Map();
  const checked = <T>(result: T | type.errors, field: Item['field'], layout: Layout): T => {
    if (!(result instanceof type.errors)) return result;
    const [first] = result;
    throw refuse(`${field(first?.propString ?? '')} ${first?.problem ?? 'is wrong'}; ${NAMES[layout]}`);
  };
  return ({ value, field }, layout) => {
    if (layout === 'rows') return joinRows(rows, checked(rowSchema(value), field, layout), untitled);
    if (layout === 'paragraphs') return fromParagraph(checked(paragraphSchema(value), field, layout), null, field, reading);
    const { title: own, paragraphs } = checked(articleSchema(value), field, layout);
    return paragraphs.flatMap((paragraph, i) => fromParagraph(paragraph, own, (path) => field(`paragraphs[${i}].${path}`), reading));
  };
}
