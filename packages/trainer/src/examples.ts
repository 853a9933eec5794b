/** Examples to fine-tune on, as token sequences with the loss where it belongs. */

import { brief } from '@seal/files';
import type { TokenSequence } from '@seal/model';
import { endedWith, type ChatTemplate, type Tokenizer } from '@seal/tokenizer';
import { columnsOf, type Content } from './example-columns.ts';

/** One example. */
export type Example = Content & {
  /** Where it stands in its file: a line from 1, or an item of the list from 0. */
  readonly at: string;
  /** Its columns that are no part of training. */
  readonly unused: readonly string[];
};

const LINE_FEED = 0x0a;

/**
 * The examples of a file with a JSON object a line, empty lines being none, or of one JSON list. Throws SyntaxError naming
 * the file and the line or item for what is no example, and for a file without any.
 */
export function parseExamples(bytes: Uint8Array, place: string): Example[] {
  const examples = isList(bytes) ? listed(bytes, place) : lines(bytes, place);
  if (examples.length === 0) throw new SyntaxError(`Cannot train on ${place}: there is no example in it`);
  return examples;
}

/** Whether a bracket comes first, behind a byte order mark and white space. */
function isList(bytes: Uint8Array): boolean {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  const first = bytes.subarray(start).find((byte) => ![0x20, 0x09, 0x0a, 0x0d].includes(byte));
  return first === '['.charCodeAt(0);
}

function lines(bytes: Uint8Array, place: string): Example[] {
  const examples: Example[] = [];
  for (let start = 0, line = 1; start < bytes.length; line++) {
    const feed = bytes.indexOf(LINE_FEED, start);
    const end = feed < 0 ? bytes.length : feed;
    const at = `line ${line}`;
    const text = decode(bytes.subarray(start, end), `${place}, ${at}`);
    start = end + 1;
    if (text.trim() !== '') examples.push(parseExample(parseJson(text, `${place}, ${at}`, 'every line is one JSON object'), place, at));
  }
  return examples;
}

function listed(bytes: Uint8Array, place: string): Example[] {
  const items = parseJson(decode(bytes, place), place, 'it begins with [ and is read as one list; examples may also be one JSON object a line');
  return (items as unknown[]).map((item, i) => parseExample(item, place, `item ${i}`));
}

function decode(bytes: Uint8Array, place: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SyntaxError(`Cannot read ${place}: it is not UTF-8`, { cause });
  }
}

function parseJson(text: string, place: string, expected: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError(`Cannot read ${place}: it is not JSON; ${expected}`, { cause });
  }
}

function parseExample(json: unknown, place: string, at: string): Example {
  const { content, unused } = columnsOf(json, `${place}, ${at}`);
  return { ...content, at, unused };
}

/** One sentence that counts and names the columns of examples that are no part of training, null where there are none. */
export function unusedColumns(examples: readonly Pick<Example, 'unused'>[]): string | null {
  const counts = new Map<string, number>();
  for (const { unused } of examples) for (const name of unused) counts.set(name, (counts.get(name) ?? 0) + 1);
  if (counts.size === 0) return null;
  const all = [...counts].map(([name, count]) => `${brief(name)} of ${count}`);
  const shown = all.length > MOST_NAMED ? [...all.slice(0, MOST_NAMED), `${all.length - MOST_NAMED} more`] : all;
  return `${counts.size} ${counts.size === 1 ? 'column' : 'columns'} of ${examples.length} ${examples.length === 1 ? 'example' : 'examples'} not trained on: ${shown.join(', ')}`;
}

const MOST_NAMED = 12;

/** What turns examples into tokens. */
export interface ExampleEncoder {
  readonly tokenizer: Pick<Tokenizer, 'encode'>;
  /** Tokens that every text begins with, conversations excepted: those begin as their template says. */
  readonly begin: readonly number[];
  /** Tokens that end a text: the first stands behind every completion and text that does not end in one of them. */
  readonly ends: readonly number[];
  /** Null where the model has no chat template. */
  readonly chat: Pick<ChatTemplate, 'tokenise'> | null;
}

/** Examples as documents. */
export interface EncodedExamples {
  readonly documents: readonly TokenSequence[];
  /** Documents that were longer than what fits. */
  readonly cut: number;
  /** Examples left out as what fits of them has nothing to learn: a prompt that fills all the room. */
  readonly dropped: number;
}

/**
 * Encodes examples in at most `maxTokens` tokens each. The loss is on a completion and the end token, on what the
 * assistant says, or on all of a text. Throws RangeError where nothing is left to learn, and for messages without a
 * chat template or that it refuses, naming its place.
 */
export function encodeExamples(examples: readonly Example[], encoder: ExampleEncoder, maxTokens: number, place: string): EncodedExamples {
  const documents: TokenSequence[] = [];
  let cut = 0;
  let dropped = 0;
  for (const example of examples) {
    const { tokens, targetWeights } = encodeExample(example, encoder, place);
    if (tokens.length > maxTokens) cut += 1;
    const document = { tokens: tokens.slice(0, maxTokens), targetWeights: targetWeights.slice(0, maxTokens) };
    if (document.targetWeights.some((weight, i) => i > 0 && weight > 0)) documents.push(document);
    else dropped += 1;
  }
  if (documents.length === 0) {
    throw new RangeError(`Cannot train on ${place}: within ${maxTokens} tokens no example has anything to learn; raise \`seq\``);
  }
  return { documents, cut, dropped };
}

function encodeExample(example: Example, { tokenizer, begin, ends, chat }: ExampleEncoder, place: string) {
  if ('messages' in example) {
    const here = `${place}, ${example.at}`;
    if (!chat) throw new RangeError(`Cannot train on ${here}: the model has no chat template for messages; write prompt and completion`);
    try {
      return chat.tokenise(example.messages);
    } catch (cause) {
      throw new RangeError(`Cannot train on ${here}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
  }
  if ('text' in example) {
    const tokens = endedWith([...begin, ...tokenizer.encode(example.text)], ends);
    return { tokens, targetWeights: tokens.map(() => 1) };
  }
  // Tokens depend on what stands before them: a token that spans the end of the prompt counts as completion.
  const before = [...begin, ...tokenizer.encode(example.prompt)];
  const tokens = endedWith([...begin, ...tokenizer.encode(example.prompt + example.completion)], ends);
  const differs = tokens.findIndex((token, i) => token !== before[i]);
  return { tokens, targetWeights: tokens.map((_, i) => (i < differs ? 0 : 1)) };
}
