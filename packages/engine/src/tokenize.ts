/** The token ids of a text's lines, or of conversations. Needs a tokenizer and no model. */

import { Problem, problemsAs } from '@seal/files';
import { createDecodeStream, parseMessages, unreadKeys, type ChatMessage, type ChatTokens, type Tokenizer } from '@seal/tokenizer';
import { readTextSide, type TextSide } from '@seal/tokenizer/node';
import { type } from 'arktype';
import type { Deps } from './deps.ts';
import { note, type Hooks } from './events.ts';
import { checkRequest, TEXT_INPUT, type RequestOf } from './request.ts';
import { modelDirectory } from './session.ts';
import { textOf } from './text-input.ts';

const schema = type({
  'model?': 'string',
  input: TEXT_INPUT,
  /** With the tokens that the tokenizer puts before and behind every text. */
  'special?': 'boolean',
  /** The input is a conversation, JSON or JSONL. */
  'chat?': 'boolean',
  /** Tell of every token the text that is complete with it. */
  'pieces?': 'boolean',
});

export type TokenizeRequest = RequestOf<typeof schema>;

export interface TokenizeDocument {
  /** Of every line or conversation. */
  readonly ids: readonly (readonly number[])[];
  /** With `chat`: 1 for tokens that the assistant says, else 0. */
  readonly mask?: readonly (readonly number[])[];
  /** With `pieces`. */
  readonly pieces?: readonly (readonly string[])[];
}

export async function tokenize(request: TokenizeRequest, deps: Pick<Deps, 'hub'>, hooks: Hooks = {}): Promise<TokenizeDocument> {
  const { model, input, special = false, chat = false } = checkRequest(schema, request);
  if (chat && special) {
    throw new Problem('usage', 'Cannot use `special` with `chat`: a chat template writes its special tokens itself');
  }
  const directory = await modelDirectory(model, deps);
  const side = await problemsAs('unavailable', () => readTextSide(directory));
  const { tokenizer } = side;
  for (const message of side.notes) note(hooks, message);
  const { text, place } = textOf(input);
  const pieces = (ids: readonly (readonly number[])[]) => request.pieces && { pieces: ids.map((own) => piecesOf(tokenizer, own)) };
  if (chat) {
    const all = await problemsAs('data', () => conversationTokens(text, side, place, directory, hooks));
    const ids = all.map(({ tokens }) => tokens);
    return { ids, mask: all.map(({ targetWeights }) => targetWeights), ...pieces(ids) };
  }
  const ids = linesOf(text).map((line) => (special ? tokenizer.encodeWithSpecials(line) : tokenizer.encode(line)));
  return { ids, ...pieces(ids) };
}

/** Lines without their ends; an end behind the last line begins no other. */
function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** Reads one conversation (a list of messages, or an object with one) or one object a line, and tokenises them. */
function conversationTokens(text: string, { chat }: TextSide, input: string, directory: string, hooks: Hooks): ChatTokens[] {
  if (!chat) throw new Problem('unavailable', `Cannot use \`chat\`: ${directory} has no chat template`);
  const all: ChatMessage[][] = [];
  const tokens = (json: unknown, place: string): ChatTokens => {
    const messages = parseMessages(json, place);
    all.push(messages);
    return chat.tokenise(messages);
  };
  const whole = parsed(text);
  const conversations = whole !== undefined ? [tokens(whole, input)] : linesOf(text).flatMap((line, i) => {
    if (line.trim() === '') return [];
    const place = `${input}, line ${i + 1}`;
    const json = parsed(line);
    if (json === undefined) throw new SyntaxError(`Cannot read ${place}: it is not JSON`);
    try {
      return [tokens(json, place)];
    } catch (cause) {
      if (cause instanceof SyntaxError || !(cause instanceof Error)) throw cause;
      throw new RangeError(`Cannot tokenise ${place}: ${cause.message}`, { cause });
    }
  });
  const unread = unreadKeys(all, chat);
  if (unread !== null) note(hooks, unread);
  return conversations;
}

/** The value of a JSON text, undefined where it is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function piecesOf(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  const stream = createDecodeStream(tokenizer, { skipSpecialTokens: false });
  return ids.map((id) => stream.push(id));
}
