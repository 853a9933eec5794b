/**
 * A chat template as Ollama writes one: in Go's text/template over `.Messages`. Jinja is not translated: what a template
 * writes around the turns of a few conversations is put into that form, and taken only where the form gives to the character
 * what the template gives, for other conversations too.
 */

import type { ChatMessage, ChatTemplate } from '@seal/tokenizer';

/** What is written before and behind a turn. */
interface Around {
  readonly before: string;
  readonly after: string;
}

/** A chat format of turns, one behind the other. */
export interface TurnFormat {
  /** The beginning where there is no system message. */
  readonly opening: string;
  /** Of a system message, which comes first; null where the format has none. It stands within the first turn where `isWithin`. */
  readonly system: (Around & { readonly isWithin: boolean }) | null;
  readonly user: Around;
  readonly assistant: Around;
  /** Behind the last turn, for the model to go on. */
  readonly answer: string;
}

const [SYSTEM, FIRST, REPLY, SECOND] = ['seal-system', 'seal-first', 'seal-reply', 'seal-second'] as const;
const say = (role: string, content: string): ChatMessage => ({ role, content });

/** Conversations that a format must give as the template does; each ends with a user's turn. */
function probes(): (readonly ChatMessage[])[] {
  const turns = [
    say('user', 'What is 2 + 2?'),
    say('assistant', 'It is 4,\n\nas ever: {{ .Content }} "four".'),
    say('user', 'Und "fünf"?\nSay <b>it</b> \\n.'),
    say('assistant', 'No.'),
    say('user', '你好 🙂'),
  ];
  const system = say('system', 'Be brief.\nBe kind.');
  return [1, 3, 5].flatMap((count) => [turns.slice(0, count), [system, ...turns.slice(0, count)]]);
}

/** The conversation in a format, up to where the model goes on: what Ollama gives for `goTemplate`. */
export function renderTurns({ opening, system, user, assistant, answer }: TurnFormat, messages: readonly ChatMessage[]): string {
  const first = messages[0]?.role === 'system' ? messages[0].content : null;
  const around = (role: string): Around => (role === 'assistant' ? assistant : user);
  const given = first === null || system === null ? '' : `${system.before}${first}${system.after}`;
  let text = first === null || system === null ? opening : system.isWithin ? '' : given;
  messages
    .filter(({ role }) => role !== 'system')
    .forEach(({ role, content }, i) => {
      const { before, after } = around(role);
      text += before + (i === 0 && system?.isWithin ? given : '') + content + after;
    });
  return text + answer;
}

/** `text` cut behind its first end and the line ends that follow; null where it has none. */
function cutBehind(text: string, ends: readonly string[]): readonly [string, string] | null {
  const places = ends.flatMap((end) => (text.includes(end) ? [text.indexOf(end) + end.length] : []));
  if (places.length === 0) return null;
  const at = Math.min(...places);
  const blank = /^\n*/.exec(text.slice(at))?.[0].length ?? 0;
  return [text.slice(0, at + blank), text.slice(at + blank)];
}

function commonStart(a: string, b: string): string {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return a.slice(0, at);
}

/** The texts around marks; null where one is not there once, in order. */
function between(text: string, marks: readonly string[]): string[] | null {
  const parts: string[] = [];
  let rest = text;
  for (const mark of marks) {
    const [before = '', behind, ...others] = rest.split(mark);
    if (behind === undefined || others.length > 0) return null;
    parts.push(before);
    rest = behind;
  }
  return [...parts, rest];
}

/**
 * The format of a chat template; null where it is none of turns. `begin` is what stands before every text by the tokenizer's own
 * rule, which Ollama puts there by itself, where the template has it and where it has not; `ends` are the texts of the tokens that end a turn.
 */
export function turnFormat(chat: Pick<ChatTemplate, 'render'>, begin: string, ends: readonly string[]): TurnFormat | null {
  const render = (messages: readonly ChatMessage[]): string | null => {
    try {
      const text = chat.render(messages, { addGenerationPrompt: true });
      return text.startsWith(begin) ? text.slice(begin.length) : text;
    } catch {
      return null;
    }
  };
  const turns = [say('user', FIRST), say('assistant', REPLY), say('user', SECOND)];
  const plain = between(render(turns) ?? '', [FIRST, REPLY, SECOND]);
  if (!plain) return null;
  const [start = '', toReply = '', toSecond = '', last = ''] = plain;
  const reply = cutBehind(toSecond, ends);
  if (!reply) return null;
  const [afterReply, beforeUser] = reply;
  if (!start.endsWith(beforeUser)) return null;
  // Where a user's turn has no end of its own, what comes before any answer is its end.
  const [afterUser] = cutBehind(toReply, ends) ?? [commonStart(toReply, last)];
  if (!last.startsWith(afterUser)) return null;
  const withSystem = between(render([say('system', SYSTEM), ...turns]) ?? '', [SYSTEM, FIRST]);
  const format: TurnFormat = {
    opening: start.slice(0, start.length - beforeUser.length),
    system: withSystem && systemOf(withSystem, beforeUser),
    user: { before: beforeUser, after: afterUser },
    assistant: { before: toReply.slice(afterUser.length), after: afterReply },
    answer: last.slice(afterUser.length),
  };
  const known = probes().filter(([first]) => format.system !== null || first?.role !== 'system');
  return known.every((messages) => render(messages) === renderTurns(format, messages)) ? format : null;
}

function systemOf([before = '', behind = '']: readonly string[], beforeUser: string): TurnFormat['system'] {
  if (behind.endsWith(beforeUser)) return { before, after: behind.slice(0, behind.length - beforeUser.length), isWithin: false };
  return before.startsWith(beforeUser) ? { before: before.slice(beforeUser.length), after: behind, isWithin: true } : null;
}

/** A format in Go's notation; null where a text of it would be read as an action. */
export function goTemplate({ opening, system, user, assistant, answer }: TurnFormat): string | null {
  const texts = [opening, system?.before, system?.after, user.before, user.after, assistant.before, assistant.after, answer];
  // A brace at the end of a text would join those of the action behind it, and quotes end the template in a Modelfile.
  if (texts.some((text) => text !== undefined && (/\{\{|\}\}|"""/.test(text) || text.endsWith('{') || text.endsWith('"') || text.startsWith('"')))) return null;
  const start = opening === '' ? '' : system === null ? opening : `{{ if not .System }}${opening}{{ end }}`;
  const within = system?.isWithin ? `{{ if and $.System (eq $i 1) }}${system.before}{{ $.System }}${system.after}{{ end }}` : '';
  const own = system && !system.isWithin ? `{{ if eq .Role "system" }}${system.before}{{ .Content }}${system.after}{{ else if eq .Role "user" }}` : '{{ if eq .Role "user" }}';
  const messages = system?.isWithin ? '$i, $_ := .Messages' : '.Messages';
  return (
    `${start}{{ range ${messages} }}${own}${user.before}${within}{{ .Content }}${user.after}` +
    `{{ else if eq .Role "assistant" }}${assistant.before}{{ .Content }}${assistant.after}{{ end }}{{ end }}${answer}`
  );
}
