/**
 * Texts that know where they come from: which stretches of a rendered conversation a message said, which were written while
 * the template went over that message, and which a template itself marks as generated.
 */

/** A stretch of a text, in UTF-16 offsets. It may be empty: an empty answer has a place too. */
export interface Mark {
  /** `said`: from a message's own values. `turn`: written while a loop stood at the message. `generation`: in that block. */
  readonly kind: 'said' | 'turn' | 'generation';
  /** Index of the message, -1 for `generation`. */
  readonly message: number;
  readonly start: number;
  readonly end: number;
}

/** A text with marks; one without is a string. */
export class Marked {
  readonly text: string;
  readonly marks: readonly Mark[];

  constructor(text: string, marks: readonly Mark[]) {
    this.text = text;
    this.marks = marks;
  }
}

export type Text = string | Marked;

export function isText(value: unknown): value is Text {
  return typeof value === 'string' || value instanceof Marked;
}

export function textOf(text: Text): string {
  return typeof text === 'string' ? text : text.text;
}

function marked(text: string, marks: readonly Mark[]): Text {
  return marks.length === 0 ? text : new Marked(text, marks);
}

/** The text between two UTF-16 offsets. */
export function part(text: Text, start: number, end: number): Text {
  if (typeof text === 'string') return text.slice(start, end);
  const marks = text.marks.flatMap((mark): Mark[] => {
    const from = Math.max(mark.start, start);
    const until = Math.min(mark.end, end);
    // Of marks that only touch, those stay that were empty or that nothing is left of.
    const isKept = from < until || (from === until && (mark.start === mark.end || start >= end));
    return isKept ? [{ ...mark, start: from - start, end: until - start }] : [];
  });
  return marked(text.text.slice(start, end), marks);
}

/** Texts in a row. */
export function joined(texts: readonly Text[]): Text {
  if (texts.every((text) => typeof text === 'string')) return texts.join('');
  const out = new Output();
  for (const text of texts) out.write(text);
  return out.text();
}

/** A text made of another one in a way that keeps no places, or of one letter each where it is as long. */
export function derived(text: string, from: Text): Text {
  if (typeof from === 'string') return text;
  return text.length === from.text.length ? marked(text, from.marks) : covered(text, from.marks);
}

/** A text that is in all of it what the marks tell of. */
export function covered(text: string, marks: Iterable<Mark>): Text {
  const all = new Map<string, Mark>();
  for (const { kind, message } of marks) all.set(`${kind} ${message}`, { kind, message, start: 0, end: text.length });
  return marked(text, [...all.values()]);
}

/** Text as it is written. */
export class Output {
  #parts: string[] = [];
  #marks: Mark[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  write(text: Text): void {
    const own = textOf(text);
    if (typeof text !== 'string') {
      for (const mark of text.marks) this.#marks.push({ ...mark, start: mark.start + this.#length, end: mark.end + this.#length });
    }
    this.#parts.push(own);
    this.#length += own.length;
  }

  /** Marks what was written from `start` on. */
  mark(kind: Mark['kind'], message: number, start: number): void {
    this.#marks.push({ kind, message, start, end: this.#length });
  }

  text(): Text {
    return marked(this.#parts.join(''), this.#marks);
  }
}
