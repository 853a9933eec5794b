/** Conversations as files have them. */

import { problemsOf } from '@seal/files';
import { type } from 'arktype';

/** A part of a message's content. */
export interface ContentPart {
  readonly type: string;
  readonly text?: string;
}

/** One turn of a conversation. Further keys are handed to the template as they are. */
export interface ChatMessage {
  readonly role: string;
  /** Absent or null where the assistant only calls tools. */
  readonly content?: string | readonly ContentPart[] | null;
  /** 0 keeps the loss off what the assistant says here. */
  readonly weight?: number | null;
}

/** Keys that count whatever the template reads. */
const USED = ['role', 'content', 'weight'];

const part = type({ type: "'text'", text: 'string' });
const messageSchema = type({
  role: '1 <= string <= 64',
  'content?': type('string | null').or(part.array()),
  'weight?': '0 | 1 | null',
  'name?': 'string | null',
  'tool_call_id?': 'string | null',
  'tool_calls?': type('object[]').or('null'),
}).narrow((message, context) => {
  const hasContent = message.content !== undefined && message.content !== null;
  return hasContent || (message.tool_calls?.length ?? 0) > 0 || context.mustBe('a message with content or tool_calls');
});
const messagesSchema = messageSchema.array().atLeastLength(1).atMostLength(10_000);

/** Reads a list of messages, or an object with one as `messages`. Throws SyntaxError, naming `place`, for anything but messages. */
export function parseMessages(json: unknown, place: string): ChatMessage[] {
  const isObject = typeof json === 'object' && json !== null && 'messages' in json;
  const messages = messagesSchema(isObject ? json.messages : json);
  if (messages instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: messages: ${problemsOf(messages)}`);
  return messages;
}

/** One sentence on the keys of messages that the template has no use for, null where there are none. */
export function unreadKeys(conversations: Iterable<readonly ChatMessage[]>, chat: { readonly reads: (key: string) => boolean }): string | null {
  const counts = new Map<string, number>();
  for (const messages of conversations) {
    for (const message of messages) {
      for (const key of Object.keys(message)) if (!USED.includes(key) && !chat.reads(key)) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  if (counts.size === 0) return null;
  return `Left out, as the chat template has no use for them: ${[...counts].map(([key, count]) => `${key} of ${count} ${count === 1 ? 'message' : 'messages'}`).join(', ')}`;
}
