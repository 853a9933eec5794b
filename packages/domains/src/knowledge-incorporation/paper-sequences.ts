/**
 * Self-edit text to training documents exactly as the SEAL reference does it, quirks included.
 *
 * Source: a description of Continual-Intelligence/SEAL @ 4cb1e7d (`v1`, which every recorded single-passage result
 * used) and of its later tree (`v2`: the list after a chain of thought, at most 30 pieces, no blank ones). No departure
 * is meant; `parse.ts` holds the corrected way. White space and line breaks follow Python's `str.strip` and
 * `str.splitlines`, which differ from `trim` and `\s` (the separators U+001C to U+001F and U+0085 count, the byte order
 * mark does not).
 */

/** Which revision of the reference, how it cuts the text, and whether the passage comes last. */
export interface PaperOptions {
  readonly variant: 'v1' | 'v2';
  /** One document a line (single-passage runs), or the whole text as one (continued pretraining). */
  readonly split: boolean;
  readonly passage: boolean;
}

const LINE_BREAKS = '\n\r\v\f\u001c\u001d\u001e\u0085\u2028\u2029';
const WHITE_SPACE =
  `${LINE_BREAKS}\t \u001f\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a` +
  '\u202f\u205f\u3000';
const PIECES = 30;

/** The text without white space at its ends. */
export function strip(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && WHITE_SPACE.includes(text.charAt(start))) start++;
  while (end > start && WHITE_SPACE.includes(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

/** The lines of a text at every Unicode line break; a break at the end opens no further line. */
export function splitLines(text: string): string[] {
  const lines: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (!LINE_BREAKS.includes(text.charAt(at))) continue;
    lines.push(text.slice(start, at));
    if (text.startsWith('\r\n', at)) at++;
    start = at + 1;
  }
  if (start < text.length) lines.push(text.slice(start));
  return lines;
}

const filled = (text: string): boolean => strip(text) !== '';

function pieces(completion: string, split: boolean): string[] {
  const text = strip(completion);
  const parts = text.split('---').map(strip).filter(filled);
  const segments = parts.length > 0 ? parts : [text];
  if (!split) return segments;
  if (/Question\s+\p{Nd}+:/u.test(text) && /Answer\s*:/u.test(text)) {
    const [first = '', ...rest] = text.split(/\n(?=Question\s+\p{Nd}+:)/u);
    return [first.startsWith('Question') ? first : `Question 1: ${first}`, ...rest];
  }
  const lines = segments.flatMap(splitLines).map(strip).filter(filled);
  return lines[1]?.startsWith('1.') ? lines.slice(1) : lines;
}

/**
 * The documents the reference trains on for one self-edit, each `title`, a newline and a text; none is bounded in
 * length, and an empty edit may give a document with no text.
 *
 * @example
 * paperSequences('Title', 'Passage.', '1. A\n2. B', { variant: 'v1', split: true, passage: true });
 * // ['Title\n1. A', 'Title\n2. B', 'Title\nPassage.']
 */
export function paperSequences(title: string, passage: string, completion: string, options: PaperOptions): string[] {
  const marker = '\nImplications:';
  const thought = options.variant === 'v2' ? completion.indexOf(marker) : -1;
  const found = pieces(thought < 0 ? completion : completion.slice(thought + marker.length), options.split);
  const kept = options.variant === 'v2' ? found.slice(0, PIECES).filter(filled) : found;
  return [...kept, ...(options.passage ? [strip(passage)] : [])].map((text) => `${title}\n${text}`);
}
