/**
 * Conversations as text and as training tokens, by a model's own chat template.
 *
 * The text is what `apply_chat_template` of transformers gives, and the tokens are those of the whole text: special
 * tokens that a message contains are special tokens, there as here. Whoever takes messages from strangers must keep them
 * out (the self-edit parser does).
 */

import { valueOf } from './jinja/interpreter.ts';
import { Marked, textOf, type Text } from './jinja/marked.ts';
import type { Value } from './jinja/values.ts';
import type { ChatMessage } from './messages.ts';
import { compileTemplate } from './template.ts';
import type { Tokenizer } from './tokenizer.ts';
import { answersOf, generationPrompt } from './turns.ts';

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
  /** The token that ends an assistant's turn, null where the template writes none. */
  readonly endOfTurn: number | null;
  /** Whether the template has use for a key of messages. */
  reads(key: string): boolean;
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

/** Names that a message's thoughts go by; the first is what templates read. */
const REASONING = ['reasoning_content', 'thinking', 'reasoning'];

/** A message as transformers hands it to a template: without what is null, its thoughts under the name that templates read. */
function handed(message: ChatMessage): Record<string, unknown> {
  const entries = Object.entries(message).filter(([, value]) => value !== null && value !== undefined);
  const own: Record<string, unknown> = Object.fromEntries(entries);
  const reasoning = REASONING.map((name) => own[name]).find((value) => value !== undefined);
  return reasoning === undefined ? own : { thinking: reasoning, ...own, reasoning_content: reasoning };
}

/** The messages as a template sees them: every text but the role knows whose it is. */
function messagesValue(messages: readonly ChatMessage[]): Value {
  return messages.map((message, index) => {
    const mark = (text: string, key: string | null): Text =>
      key === 'role' ? text : new Marked(text, [{ kind: 'said', message: index, start: 0, end: text.length }]);
    return valueOf(handed(message), mark, null, index);
  });
}

/** Compiles a chat template. Throws SyntaxError when it is not Jinja. */
export function createChatTemplate(source: string, options: ChatTemplateOptions): ChatTemplate {
  const { tokenizer, specialTokens, place, date = DEFAULT_DATE } = options;
  const template = compileTemplate(source, date, place);
  const isMarked = /\{%[-+]?\s*generation\s*[-+]?%\}/.test(source);
  const write = (messages: readonly ChatMessage[], addGenerationPrompt: boolean): Text =>
    template(new Map<string, Value>([
      ...Object.entries(specialTokens),
      ['messages', messagesValue(messages)],
      ['tools', null],
      ['documents', null],
      ['add_generation_prompt', addGenerationPrompt],
    ]));
  /** What stands before an answer. The last one is asked for as it was asked for: templates may tell the two apart. */
  const promptOf = (messages: readonly ChatMessage[]): string => {
    const last = messages.findLastIndex(({ role }) => role === 'assistant');
    for (const past of last > 0 ? [messages.slice(0, last), messages] : [messages]) {
      try {
        return generationPrompt(write(past, false), write(past, true), past.length);
      } catch {
        // A template may refuse a part of a conversation.
      }
    }
    return '';
  };
  const tokenise = (messages: readonly ChatMessage[]): ChatTokens => {
    const text = write(messages, false);
    let prompt: string | null = null;
    const answers = answersOf({
      text,
      roles: messages.map(({ role }) => role),
      ignored: new Set(messages.flatMap(({ weight }, i) => (weight === 0 ? [i] : []))),
      prompt: () => (prompt ??= promptOf(messages)),
      tokenizer,
      isMarked,
      refuse: (message, problem) => new RangeError(`Cannot tell which tokens message ${message} has: the chat template of ${place} ${problem}`),
    });
    const { tokens, places } = tokenizer.locate(textOf(text), answers.flatMap(({ start, end }) => [start, end]));
    const targetWeights = tokens.map(() => 0);
    answers.forEach((_, answer) => {
      // A token that reaches into what the assistant says is the assistant's, as in transformers.
      const from = places[2 * answer]?.ended ?? 0;
      const until = places[2 * answer + 1]?.begun ?? 0;
      targetWeights.fill(1, from, until);
    });
    return { tokens, targetWeights };
  };
  let end: number | null | undefined;
  return {
    render: (messages, { addGenerationPrompt }) => textOf(write(messages, addGenerationPrompt)),
    tokenise,
    get endOfTurn() {
      if (end === undefined) end = endOfTurn();
      return end;
    },
    reads: (key) => key !== '' && source.includes(key),
  };

  function endOfTurn(): number | null {
    try {
      const { tokens, targetWeights } = tokenise([{ role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }]);
      return tokens.findLast((token, i) => targetWeights[i] === 1 && tokenizer.isSpecial(token)) ?? null;
    } catch {
      return null;
    }
  }
}
