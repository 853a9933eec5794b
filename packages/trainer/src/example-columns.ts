/**
 * The columns that examples have in data sets, and what is trained of them.
 *
 * `messages`, or `prompt` and `completion` as texts or as lists of messages, or `text`, as TRL has them; `conversations` of turns
 * with `from` and `value`, as ShareGPT; `instruction`, `input` and `output`, as Alpaca. A column that is null is absent, as
 * in tables that were joined.
 */

import { problemsOf, quoted } from '@seal/files';
import { parseMessages, type ChatMessage } from '@seal/tokenizer';
import { type } from 'arktype';

/** What is trained of an example. */
export type Content =
  | { readonly messages: readonly ChatMessage[] }
  | { readonly prompt: string; readonly completion: string }
  | { readonly text: string };

/** An example's content, and the names of its columns that are no part of it. */
export interface Columns {
  readonly content: Content;
  readonly unused: readonly string[];
}

/** Columns that are read together. The first that are all there count: what data sets add beside them comes later. */
const LAYOUTS = [['messages'], ['conversations'], ['prompt', 'completion'], ['instruction', 'output'], ['text']] as const;
type Layout = (typeof LAYOUTS)[number][0];
const OPTIONAL: Partial<Record<Layout, readonly string[]>> = { instruction: ['input'] };
const KNOWN = LAYOUTS.map((columns) => `{${columns.map((name) => `"${name}"`).join(', ')}}`).join(', ');

/** Who speaks in a turn of `conversations`, by the names that such files have. */
const ROLES: Readonly<Record<string, string>> = {
  human: 'user', user: 'user', gpt: 'assistant', assistant: 'assistant', system: 'system', tool: 'tool', observation: 'tool',
};
const turnSchema = type({ from: 'string', value: 'string', 'weight?': '0 | 1 | null' });
const turnsSchema = turnSchema.array().atLeastLength(1).atMostLength(10_000);

const instructionSchema = type({ instruction: 'string > 0', 'input?': 'string', output: 'string' });
const promptSchema = type({ prompt: 'string', completion: 'string' });
const textSchema = type({ text: 'string > 0' });

/** Reads the columns of one example. Throws SyntaxError, naming `place`, for what is none. */
export function columnsOf(json: unknown, place: string): Columns {
  const isObject = typeof json === 'object' && json !== null && !Array.isArray(json);
  const row: Readonly<Record<string, unknown>> = isObject ? Object.fromEntries(Object.entries(json).filter(([, value]) => value !== null)) : {};
  // A half of a pair is one too, if nothing else is there: the message says which column is missing.
  const used = LAYOUTS.find((columns) => columns.every((name) => name in row)) ?? LAYOUTS.find(([first]) => first in row);
  if (used === undefined) {
    const names = Object.keys(row);
    const found = names.length === 0 ? '' : `; its columns are ${names.slice(0, 12).map(quoted).join(', ')}: rename those to train on`;
    throw new SyntaxError(`Cannot read ${place}: it is none of ${KNOWN}${found}`);
  }
  const [layout] = used;
  const read = [...used, ...(OPTIONAL[layout] ?? [])] as readonly string[];
  return { content: READERS[layout](row, place), unused: Object.keys(row).filter((name) => !read.includes(name)) };
}

function checked<T>(result: T | type.errors, place: string): T {
  if (result instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: ${problemsOf(result)}`);
  return result;
}

const READERS: Readonly<Record<Layout, (row: Readonly<Record<string, unknown>>, place: string) => Content>> = {
  messages: ({ messages }, place) => ({ messages: parseMessages(messages, place) }),
  conversations: ({ conversations }, place) => ({ messages: turnsOf(conversations, place) }),
  prompt: promptAndCompletion,
  instruction(row, place) {
    const { instruction, input = '', output } = checked(instructionSchema(row), place);
    const asked = input === '' ? instruction : `${instruction}\n${input}`;
    return { messages: [{ role: 'user', content: asked }, { role: 'assistant', content: output }] };
  },
  text: (row, place) => ({ text: checked(textSchema(row), place).text }),
};

/** Two texts, or two lists of messages: what the assistant says in the prompt is not trained then. */
function promptAndCompletion(row: Readonly<Record<string, unknown>>, place: string): Content {
  const { prompt, completion } = row;
  if (Array.isArray(prompt) !== Array.isArray(completion) && completion !== undefined) {
    throw new SyntaxError(`Cannot read ${place}: of prompt and completion one is a list of messages and the other is not; write both as texts or both as lists`);
  }
  if (!Array.isArray(prompt)) {
    const texts = checked(promptSchema(row), place);
    return { prompt: texts.prompt, completion: texts.completion };
  }
  const before = parseMessages(prompt, `${place}, prompt`).map((message) => (message.role === 'assistant' ? { ...message, weight: 0 } : message));
  return { messages: [...before, ...parseMessages(completion, `${place}, completion`)] };
}

/** Turns with `from` and `value`; those with `role` and `content` are messages under another name. */
function turnsOf(json: unknown, place: string): ChatMessage[] {
  const [first] = Array.isArray(json) ? (json as unknown[]) : [];
  if (typeof first === 'object' && first !== null && 'role' in first) return parseMessages(json, `${place}, conversations`);
  const turns = checked(turnsSchema(json), `${place}, conversations`);
  return turns.map(({ from, value, weight }, i) => {
    const role = Object.hasOwn(ROLES, from) ? ROLES[from] : undefined;
    if (role === undefined) {
      const known = Object.keys(ROLES).join(', ');
      throw new SyntaxError(`Cannot read ${place}: conversations[${i}].from is ${quoted(from)}, known are ${known}; rename it, or write "messages"`);
    }
    return { role, content: value, ...(weight !== undefined && { weight }) };
  });
}
