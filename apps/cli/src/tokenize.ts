/** `seal tokenize`: the token ids of a file's lines, or of its conversations. Needs a tokenizer and no model. */

import { readText } from '@seal/files/node';
import { Problem, problemsAs } from '@seal/files';
import { createDecodeStream, parseMessages, readTextSide, type ChatTokens, type TextSide, type Tokenizer } from '@seal/model';
import { modelDirectory } from './hub.ts';
import type { CommandOf } from './options.ts';
import { SHIPPED_MODEL } from './session.ts';
import { counted, print } from './terminal.ts';

export async function tokenize(command: CommandOf<'tokenize'>): Promise<void> {
  const { input, special, isChat } = command;
  if (isChat && special) {
    throw new Problem('usage', 'Cannot use --special with --chat: a chat template writes its special tokens itself');
  }
  const directory = await modelDirectory(command.model ?? SHIPPED_MODEL);
  const side = await problemsAs('unavailable', () => readTextSide(directory));
  const { tokenizer } = side;
  const text = readText(input, 'data', { orStdin: true });
  if (isChat) {
    const all = await problemsAs('data', () => conversationTokens(text, side, input, directory));
    if (command.json) return print(JSON.stringify({ ids: all.map(({ tokens }) => tokens), mask: all.map(({ targetWeights }) => targetWeights) }));
    return print(all.map(({ tokens, targetWeights }, i) => listing(tokenizer, `conversation ${i + 1}`, tokens, targetWeights)).join('\n\n'));
  }
  const ids = linesOf(text).map((line) => (special ? tokenizer.encodeWithSpecials(line) : tokenizer.encode(line)));
  if (command.json) return print(JSON.stringify({ ids }));
  print(ids.map((own, i) => listing(tokenizer, `line ${i + 1}`, own)).join('\n\n'));
}

/** Lines without their ends; an end behind the last line begins no other. */
function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** Reads one conversation (a list of messages, or an object with one) or one object a line, and tokenises them. */
function conversationTokens(text: string, { chat }: TextSide, input: string, directory: string): ChatTokens[] {
  if (!chat) throw new Problem('unavailable', `Cannot use --chat: ${directory} has no chat template`);
  const whole = parsed(text);
  if (whole !== undefined) return [chat.tokenise(parseMessages(whole, input))];
  return linesOf(text).flatMap((line, i) => {
    if (line.trim() === '') return [];
    const place = `${input}, line ${i + 1}`;
    const json = parsed(line);
    if (json === undefined) throw new SyntaxError(`Cannot read ${place}: it is not JSON`);
    try {
      return [chat.tokenise(parseMessages(json, place))];
    } catch (cause) {
      if (cause instanceof SyntaxError || !(cause instanceof Error)) throw cause;
      throw new RangeError(`Cannot tokenise ${place}: ${cause.message}`, { cause });
    }
  });
}

/** The value of a JSON text, undefined where it is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A table of ids with the text that is complete with each; a star marks those with a loss. */
function listing(tokenizer: Tokenizer, title: string, ids: readonly number[], mask?: readonly number[]): string {
  const stream = createDecodeStream(tokenizer, { skipSpecialTokens: false });
  const rows = ids.map((id, i) => `${mask?.[i] ? '*' : ' '}${String(id).padStart(8)}  ${JSON.stringify(stream.push(id))}`);
  return [`${title}: ${counted(ids.length, 'token')}`, ...rows].join('\n');
}
