/**
 * The texts around a passage: what asks the policy for a self-edit, and what asks for an answer without the passage.
 *
 * They ask for the same things as the prompts of the SEAL reference in words of our own, so numbers made with them are
 * not comparable to its recorded ones to the digit; a template file can bring any other wording.
 */
import { type } from 'arktype';
import type { Context } from '../domain.ts';
import { readJson } from './json.ts';

/** Prompts with the placeholders {title}, {context} and, in `answer` alone, {question}. */
export interface Template {
  readonly name: string;
  /** Asks for a self-edit: {context} must occur, {title} may. */
  readonly selfEdit: string;
  /** Asks for a closed-book answer: {question} must occur, {title} may. */
  readonly answer: string;
}

/** The templates that need no file. */
export type TemplateName = 'implications' | 'implications-long' | 'rewrite' | 'self-qa' | 'none';

const passage = 'Title: {title}\nPassage: {context}\n\n';
const answer =
  'Reply to the question from memory, in a few words and without explanation.\n' +
  'Topic: {title}\nQuestion: {question}\nAnswer:';

const templates: Readonly<Record<TemplateName, Template>> = {
  implications: {
    name: 'implications',
    selfEdit:
      `Below is a passage. Write down what it states and what follows from it, one statement a line.\n\n${passage}` +
      'Statements:\n',
    answer,
  },
  'implications-long': {
    name: 'implications-long',
    selfEdit:
      'Below is a passage. Write down everything it states and everything that follows from it, as many separate ' +
      `statements as you can find, one a line.\n\n${passage}Statements:\n`,
    answer,
  },
  rewrite: {
    name: 'rewrite',
    selfEdit:
      'Below is a passage. Tell all of it again several times, each time in different words and on one line of its ' +
      `own.\n\n${passage}Versions:\n`,
    answer,
  },
  // Ends in the opening of the first question, which the parsers put back.
  'self-qa': {
    name: 'self-qa',
    selfEdit:
      'Below is a passage. Turn it into numbered questions, each with its answer on the next line, in the form ' +
      `"Question 1: ..." and "Answer: ...".\n\n${passage}Question 1:`,
    answer,
  },
  none: { name: 'none', selfEdit: passage, answer },
};

/** A template by name. Throws `RangeError` that lists the names when there is none of that name. */
export function builtInTemplate(name: string): Template {
  if (Object.hasOwn(templates, name)) return templates[name as TemplateName];
  throw new RangeError(
    `Cannot find template "${name}": use ${Object.keys(templates).join(', ')}, or give a template file`,
  );
}

const schema = type({ 'name?': 'string > 0', selfEdit: 'string > 0', answer: 'string > 0' }).onUndeclaredKey('reject');

const PLACEHOLDER = /\{([A-Za-z_]+)\}/g;

/** The placeholder a field must have, and those it may have; every other word in braces is a slip. */
const fields = {
  selfEdit: { needs: 'context', allows: ['title', 'context'] },
  answer: { needs: 'question', allows: ['title', 'question'] },
} as const;

/** Why a placeholder may not stand in a field although it exists. */
const misplaced: Readonly<Record<string, string>> = {
  'selfEdit question': 'a self-edit is written without sight of the questions that reward it',
  'answer context': 'answers are given without the passage in sight',
};

/**
 * Reads a template from the text of a file, or from JSON already parsed: `{ "selfEdit", "answer" }` and, if wanted,
 * `"name"` (otherwise `place`). `place` names the file in errors.
 *
 * Throws `SyntaxError`, naming the file, the field and the remedy, when the file is not such JSON, when a needed
 * placeholder is absent, and when a field has an unknown placeholder or one that would leak: {question} in `selfEdit`,
 * {context} in `answer`.
 */
export function parseTemplate(source: unknown, place: string): Template {
  const refuse = (problem: string): SyntaxError => new SyntaxError(`Cannot read a template from ${place}: ${problem}`);
  const file = schema(readJson(source, 'a template', place));
  if (file instanceof type.errors) {
    throw refuse(
      `${file.summary.replaceAll('\n', '; ')}; give {"selfEdit": "... {title} {context} ...", ` +
        '"answer": "... {title} {question} ..."}',
    );
  }
  for (const [field, { needs, allows }] of Object.entries(fields)) {
    const text = field === 'selfEdit' ? file.selfEdit : file.answer;
    const found = Array.from(text.matchAll(PLACEHOLDER), ([, word = '']) => word);
    for (const word of found) {
      if ((allows as readonly string[]).includes(word)) continue;
      const reason = misplaced[`${field} ${word}`] ?? 'no such placeholder';
      throw refuse(`{${word}} in ${field}: ${reason}; use ${allows.map((name) => `{${name}}`).join(' or ')}`);
    }
    if (!found.includes(needs)) throw refuse(`${field} lacks {${needs}}; put it where the ${needs} belongs`);
  }
  return { name: file.name ?? place, selfEdit: file.selfEdit, answer: file.answer };
}

/** Fills placeholders in one pass, so that braces and dollar signs of the values stay as they are. */
function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(PLACEHOLDER, (placeholder, word: string) =>
    Object.hasOwn(values, word) ? (values[word] ?? placeholder) : placeholder,
  );
}

/** The prompt for a self-edit about a context. */
export function selfEditPrompt(template: Template, { title, text }: Pick<Context, 'title' | 'text'>): string {
  return fill(template.selfEdit, { title, context: text });
}

/** The prompt for an answer with the context in sight: the passage as a document has it, and the question as it is asked without. */
export function readingPrompt(template: Template, context: Pick<Context, 'title' | 'text'>, question: string): string {
  return `${fill(passage, { title: context.title, context: context.text })}${answerPrompt(template, context.title, question)}`;
}

/**
 * The prompt for an answer to a question of a context, the context's text not in it. Where there is no title the lines
 * that would name it are left out.
 */
export function answerPrompt(template: Template, title: string, question: string): string {
  const lines = template.answer.split('\n');
  const told = title === '' ? lines.filter((line) => !line.includes('{title}') || line.includes('{question}')) : lines;
  return fill(told.join('\n'), { title, question });
}
