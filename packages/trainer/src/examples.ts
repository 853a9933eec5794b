/** Examples to fine-tune on: one JSON document a line, as token sequences with the loss where it belongs. */

import { problemsOf } from '@seal/files';
import type { TokenSequence } from '@seal/model';
import { endedWith, parseMessages, type ChatMessage, type ChatTemplate, type Tokenizer } from '@seal/tokenizer';
import { type } from 'arktype';

/** What a line may be. */
const schemas = {
  messages: type({ messages: 'unknown' }).onUndeclaredKey('reject'),
  prompt: type({ prompt: 'string', completion: 'string' }).onUndeclaredKey('reject'),
  text: type({ text: 'string > 0' }).onUndeclaredKey('reject'),
};

type Content = { readonly messages: readonly ChatMessage[] } | (typeof schemas)['prompt' | 'text']['infer'];

/** One example and where it stands in its file, from 1. */
export type Example = Content & { readonly line: number };

const LINE_FEED = 0x0a;

/**
 * The examples of a JSONL file; empty lines are none. Throws SyntaxError naming file and line for a line that is no
 * example, and for a file without any.
 */
export function parseExamples(bytes: Uint8Array, place: string): Example[] {
  const examples: Example[] = [];
  for (let start = 0, line = 1; start < bytes.length; line++) {
    const feed = bytes.indexOf(LINE_FEED, start);
    const end = feed < 0 ? bytes.length : feed;
    const here = `${place}, line ${line}`;
    const text = decode(bytes.subarray(start, end), here);
    start = end + 1;
    if (text.trim() !== '') examples.push({ ...parseExample(text, here), line });
  }
  if (examples.length === 0) throw new SyntaxError(`Cannot train on ${place}: there is no example in it`);
  return examples;
}

function decode(bytes: Uint8Array, place: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SyntaxError(`Cannot read ${place}: it is not UTF-8`, { cause });
  }
}

function parseExample(text: string, place: string): Content {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError(`Cannot read ${place}: it is not JSON; every line is one JSON object`, { cause });
  }
  const kind = (['messages', 'prompt', 'text'] as const).find((key) => typeof json === 'object' && json !== null && key in json);
  if (kind === undefined) {
    throw new SyntaxError(`Cannot read ${place}: it is none of {"prompt", "completion"}, {"messages"} and {"text"}`);
  }
  const content = schemas[kind](json);
  if (content instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: ${problemsOf(content)}`);
  return 'messages' in content ? { messages: parseMessages(content.messages, place) } : content;
}

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
 * chat template or that it refuses, naming the line.
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
    const here = `${place}, line ${example.line}`;
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
