/**
 * Conversations as text and as training tokens, by a model's own chat template.
 *
 * The text is what `apply_chat_template` of transformers gives, and the tokens are those of the whole text: special
 * tokens that a message contains are special tokens, there as here. Whoever takes messages from strangers must keep them
 * out (the self-edit parser does).
 */

import { problemsOf } from '@seal/files';
import { type } from 'arktype';
import { compileTemplate } from './template.ts';
import type { Tokenizer } from './tokenizer.ts';

/** One turn of a conversation. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export interface RenderOptions {
  /** Ends the text where the assistant is to go on. */
  readonly addGenerationPrompt: boolean;
}

/** A conversation's tokens with the weight of the loss on each. */
export interface ChatTokens {
  readonly tokens: number[];
  /** 1 for what the assistant says and the token that ends its turn, else 0. */
  readonly targetWeights: number[];
}

/** A model's chat format. */
export interface ChatTemplate {
  /** The text of a conversation. Throws RangeError with the template's own words when it refuses the messages. */
  render(messages: readonly ChatMessage[], options: RenderOptions): string;
  /**
   * The tokens of a whole conversation. Throws as `render`, and RangeError where it cannot be told which tokens are the
   * assistant's.
   */
  tokenise(messages: readonly ChatMessage[]): ChatTokens;
}

/** What a template is compiled with. */
export interface ChatTemplateOptions {
  readonly tokenizer: Tokenizer;
  /** Tokens by the names that templates call them, `bos_token` and so on. */
  readonly specialTokens: Readonly<Record<string, string>>;
  /** Where the template comes from. */
  readonly place: string;
  /** What `strftime_now` gives; no clock is read, so that the same messages are the same tokens. */
  readonly date?: Date;
}

/** The date that Llama's templates fall back to. */
const DEFAULT_DATE = new Date('2024-07-26T00:00:00Z');

const messagesSchema = type({ '+': 'reject', role: '1 <= string <= 64', content: 'string' }).array().atLeastLength(1).atMostLength(10_000);

/** Reads a list of messages, or an object with one as `messages`. Throws SyntaxError, naming `place`, for anything but texts with a role. */
export function parseMessages(json: unknown, place: string): ChatMessage[] {
  const isObject = typeof json === 'object' && json !== null && 'messages' in json;
  const messages = messagesSchema(isObject ? json.messages : json);
  if (messages instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: messages: ${problemsOf(messages)}`);
  return messages;
}

/** Compiles a chat template. Throws SyntaxError when it is not Jinja. */
export function createChatTemplate(source: string, options: ChatTemplateOptions): ChatTemplate {
  const { tokenizer, specialTokens, place, date = DEFAULT_DATE } = options;
  const template = compileTemplate(source, date, place);
  const render: ChatTemplate['render'] = (messages, { addGenerationPrompt }) =>
    template({
      ...specialTokens,
      messages: messages.map(({ role, content }) => ({ role, content })),
      tools: null,
      documents: null,
      add_generation_prompt: addGenerationPrompt,
    });
  return {
    render,
    tokenise(messages) {
      const text = render(messages, { addGenerationPrompt: false });
      const spans = messages.flatMap(({ role }, index) => (role === 'assistant' ? [spanOf(messages, index, text)] : []));
      const { tokens, places } = tokenizer.locate(text, spans.flat());
      const targetWeights = tokens.map(() => 0);
      spans.forEach((_, span) => {
        // A token that reaches into what the assistant says is the assistant's, as in transformers.
        const from = places[2 * span]?.ended ?? 0;
        const until = places[2 * span + 1]?.begun ?? 0;
        targetWeights.fill(1, from, until);
      });
      return { tokens, targetWeights };
    },
  };

  /**
   * Where in the whole text the assistant's message lies: from the end of the generation prompt to the end of its turn.
   * A template may write the last message otherwise than an earlier one (thoughts are dropped once they are past); then
   * its content is looked for.
   */
  function spanOf(messages: readonly ChatMessage[], index: number, text: string): [start: number, end: number] {
    const content = messages[index]?.content ?? '';
    const refuse = (problem: string): RangeError =>
      new RangeError(
        `Cannot tell which tokens message ${index} has: the chat template of ${place} ${problem}; ` +
          'train on conversations that end with it',
      );
    if (index === 0) throw refuse('has nothing before it');
    const past = messages.slice(0, index);
    const prompt = render(past, { addGenerationPrompt: true });
    const before = render(past, { addGenerationPrompt: false });
    const known = text.startsWith(prompt) ? prompt : before;
    if (!text.startsWith(known)) throw refuse('writes what is before it otherwise as a part of the conversation');
    const alone = render(messages.slice(0, index + 1), { addGenerationPrompt: false });
    const isPrompted = known.length > before.length;
    const end = endToken(alone);
    if (text.startsWith(alone) && isPrompted) return [known.length, end === null ? alone.length : alone.trimEnd().length];
    if (end === null) throw refuse('ends it without an end token');
    for (const written of [content, content.trim()]) {
      const at = text.indexOf(written + end, known.length);
      if (at >= 0) return [isPrompted ? known.length : at, at + written.length + end.length];
    }
    throw refuse('changes it as a part of the conversation');
  }

  /** The special token that ends a text; the white space behind it is nothing that a model need write. */
  function endToken(text: string): string | null {
    const last = tokenizer.encode(text.trimEnd()).at(-1);
    return last !== undefined && tokenizer.isSpecial(last) ? tokenizer.decode([last], { skipSpecialTokens: false }) : null;
  }
}
