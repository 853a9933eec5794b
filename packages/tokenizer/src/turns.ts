/**
 * Which stretches of a rendered conversation the assistant says. The rendering tells: its marks say what was written while the
 * template went over a message, and what of it is from the message.
 */

import { Marked, part, textOf, type Mark, type Text } from './jinja/marked.ts';
import type { Tokenizer } from './tokenizer.ts';

/** A stretch of a text in UTF-16 offsets, and the message that it is of. */
export interface Stretch {
  readonly message: number;
  readonly start: number;
  readonly end: number;
}

/** Where a message lies in a rendered text: all that was written for it, and its own words in that, where there are any. */
interface Turn {
  readonly start: number;
  readonly end: number;
  readonly said: { readonly start: number; readonly end: number } | null;
  /** Whether the template went over the messages in a loop: what is written there is the message's. */
  readonly isLoop: boolean;
}

function marksOf(text: Text, kind: Mark['kind']): readonly Mark[] {
  return text instanceof Marked ? text.marks.filter((mark) => mark.kind === kind) : [];
}

/** The turns of all messages; those that nothing was written of are absent. */
function turnsOf(text: Text, count: number): ReadonlyMap<number, Turn> {
  const said = new Map<number, { start: number; end: number }>();
  const loops = new Map<number, Mark>();
  for (const mark of marksOf(text, 'turn')) {
    const known = loops.get(mark.message);
    if (mark.end > mark.start && mark.end - mark.start > (known ? known.end - known.start : 0)) loops.set(mark.message, mark);
  }
  for (const { message, start, end } of marksOf(text, 'said')) {
    const loop = loops.get(message);
    // What another message's turn quotes of it is not its own.
    if (loop && (start < loop.start || end > loop.end)) continue;
    const known = said.get(message);
    said.set(message, known ? { start: Math.min(known.start, start), end: Math.max(known.end, end) } : { start, end });
  }
  const turns = new Map<number, Turn>();
  let before = 0;
  for (let message = 0; message < count; message++) {
    const [loop, own] = [loops.get(message), said.get(message)];
    if (loop) turns.set(message, { start: loop.start, end: loop.end, said: own ?? null, isLoop: true });
    else if (own) turns.set(message, { start: before, end: textOf(text).length, said: own, isLoop: false });
    before = Math.max(before, loop?.end ?? own?.end ?? 0);
  }
  // Without a loop a turn ends where the words of the next begin.
  let next = textOf(text).length;
  for (let message = count - 1; message >= 0; message--) {
    const turn = turns.get(message);
    if (!turn) continue;
    if (!turn.isLoop) turns.set(message, { ...turn, end: Math.max(next, turn.said?.end ?? 0) });
    next = turn.isLoop ? turn.start : (turn.said?.start ?? next);
  }
  return turns;
}

/** What a rendering that asks for an answer has more than the one that does not, both of the same `count` messages. */
export function generationPrompt(plain: Text, asking: Text, count: number): string {
  const start = turnsOf(plain, count).get(count - 1);
  const own = start ? textOf(plain).slice(0, start.end) : textOf(plain);
  const asked = textOf(asking);
  if (start?.isLoop && asked.startsWith(own)) return asked.slice(own.length);
  const whole = textOf(plain);
  let same = 0;
  while (same < whole.length && whole.charAt(same) === asked.charAt(same)) same++;
  return asked.slice(same);
}

/** What `answersOf` needs to know. */
export interface Conversation {
  readonly text: Text;
  readonly roles: readonly string[];
  /** Messages whose answer has no loss. */
  readonly ignored: ReadonlySet<number>;
  /** What stands before an answer, empty where the template writes nothing. */
  readonly prompt: () => string;
  readonly tokenizer: Pick<Tokenizer, 'specials'>;
  /** Whether the template itself says what is generated. */
  readonly isMarked: boolean;
  readonly refuse: (message: number, problem: string) => RangeError;
}

/** What the assistant says in the text, from behind the generation prompt to the end token of each turn, in order. */
export function answersOf(conversation: Conversation): Stretch[] {
  const { text, roles, ignored, isMarked, refuse } = conversation;
  const turns = turnsOf(text, roles.length);
  if (isMarked) {
    return marksOf(text, 'generation').flatMap(({ start, end }) => {
      if (start === end) return [];
      const message = [...turns].find(([, turn]) => start >= turn.start && end <= turn.end)?.[0];
      if (message === undefined && ignored.size > 0) throw refuse([...ignored][0] ?? 0, 'does not tell which message a generation block is of');
      return message !== undefined && ignored.has(message) ? [] : [{ message: message ?? -1, start, end }];
    }).sort((a, b) => a.start - b.start);
  }
  const answers = roles.flatMap((role, message) => (role === 'assistant' && !ignored.has(message) ? [message] : []));
  const stretches = answers.map((message) => {
    const turn = turns.get(message);
    if (!turn) throw refuse(message, 'writes nothing of it');
    return { message, ...stretchOf(turn, message, conversation) };
  });
  const ordered = stretches.sort((a, b) => a.start - b.start);
  if (ordered.length > 0 && ordered.every(({ isEnded }) => !isEnded)) throw refuse(ordered.at(-1)?.message ?? 0, 'ends it without an end token');
  const overlap = ordered.find(({ start }, i) => start < (ordered[i - 1]?.end ?? 0));
  if (overlap) throw refuse(overlap.message, 'writes it within another');
  return ordered.map(({ message, start, end }) => ({ message, start, end }));
}

function stretchOf({ start, end, said, isLoop }: Turn, message: number, { text, prompt, tokenizer, refuse, roles }: Conversation) {
  const own = textOf(part(text, start, end));
  const header = behindPrompt(own, said && said.start - start, prompt());
  if (header === null) throw refuse(message, 'writes neither what it says nor what stands before an answer');
  const from = said === null ? header : Math.max(header, said.end - start);
  const specials = tokenizer.specials(own).filter((special) => special.start >= from);
  const closing = isLoop ? specials.at(-1) : specials[0];
  if (closing) return { start: start + header, end: start + closing.end, isEnded: true };
  // One end for the whole conversation stands behind its last answer.
  const rest = textOf(text).slice(end);
  const [first] = message === roles.length - 1 ? tokenizer.specials(rest) : [];
  if (first && rest.slice(0, first.start).trim() === '') return { start: start + header, end: end + first.end, isEnded: true };
  return { start: start + header, end: start + from + own.slice(from).trimEnd().length, isEnded: false };
}

/** Where in a turn's text the answer begins, null where that cannot be told. */
function behindPrompt(own: string, said: number | null, prompt: string): number | null {
  for (const wanted of [prompt, prompt.trimStart()]) {
    if (wanted === '') continue;
    if (own.startsWith(wanted)) return wanted.length;
    // Something may stand before it, such as a system turn that the template brings along.
    const at = said === null ? own.indexOf(wanted) : own.slice(0, said).lastIndexOf(wanted);
    if (at >= 0) return at + wanted.length;
  }
  return said;
}
