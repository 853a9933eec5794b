/** The text of a PDF, through pdf.js, which is loaded where there is a PDF to read. */

import { messageOf, Problem } from '@seal/files';

/** A piece of a line as pdf.js gives it: its text, where it stands on the page, and whether it ends the line. */
interface Piece {
  readonly str: string;
  /** The last two numbers are the place of its beginning, in points from the lower left corner. */
  readonly transform: readonly number[];
  readonly height: number;
  readonly hasEOL: boolean;
}

interface Line {
  text: string;
  readonly y: number;
  height: number;
}

/** Lines farther apart than this times their height belong to different paragraphs. */
const GAP = 1.7;

function linesOf(pieces: readonly Piece[]): Line[] {
  const lines: Line[] = [];
  let line: Line | null = null;
  for (const { str, transform, height, hasEOL } of pieces) {
    if (str !== '' && line === null) lines.push((line = { text: '', y: transform[5] ?? 0, height: 0 }));
    if (line) {
      line.text += str;
      line.height = Math.max(line.height, height);
    }
    if (hasEOL) line = null;
  }
  return lines.filter(({ text }) => text.trim() !== '');
}

/** Lines of one paragraph as one text; a word that was divided at the end of a line is whole again. */
function joined(lines: readonly Line[]): string {
  return lines.reduce((text, { text: more }) => {
    const next = more.trim();
    if (text === '') return next;
    return /\p{L}-$/u.test(text) && /^\p{Ll}/u.test(next) ? `${text.slice(0, -1)}${next}` : `${text} ${next}`;
  }, '');
}

function paragraphsOf(pieces: readonly Piece[]): string[] {
  const paragraphs: Line[][] = [];
  let before: Line | null = null;
  for (const line of linesOf(pieces)) {
    const distance: number = before === null ? 0 : before.y - line.y;
    const isNext = before !== null && distance >= 0 && distance <= GAP * Math.max(before.height, line.height, 1);
    if (isNext) paragraphs.at(-1)?.push(line);
    else paragraphs.push([line]);
    before = line;
  }
  return paragraphs.map(joined);
}

/** The paragraphs of every page. Throws a problem of kind `data` for a PDF that cannot be read, and for one without text. */
export async function pdfPages(bytes: Uint8Array, place: string): Promise<string[][]> {
  const { getDocumentProxy } = await import('unpdf');
  const pages: string[][] = [];
  try {
    // What pdf.js finds odd in a file it would print.
    const document = await getDocumentProxy(bytes, { verbosity: 0 });
    try {
      for (let number = 1; number <= document.numPages; number++) {
        const page = await document.getPage(number);
        const { items } = await page.getTextContent();
        pages.push(paragraphsOf(items.flatMap((item) => ('str' in item ? [item] : []))));
        page.cleanup();
      }
    } finally {
      await document.loadingTask.destroy();
    }
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'PasswordException') throw new Problem('data', `Cannot read ${place}: the PDF is encrypted; save it without a password`, { place, cause });
    throw new Problem('data', `Cannot read ${place}: it is no PDF that can be read (${messageOf(cause)})`, { place, cause });
  }
  if (pages.every(({ length }) => length === 0)) {
    throw new Problem('data', `Cannot read ${place}: its ${pages.length === 1 ? 'page holds' : `${pages.length} pages hold`} no text; where they are pictures, have their text recognised first`, { place });
  }
  return pages;
}
