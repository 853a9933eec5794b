/**
 * Documents without questions as passages: a document is taken apart at its headings, and its sections are cut and joined to
 * passages that can be learnt. Markdown's headings and code are found as CommonMark finds them; of plain text a short line
 * by itself without the end of a sentence is a heading.
 */
import type { Context } from '../domain.ts';
import { shorten } from '../shorten.ts';
import { passageId } from './dataset.ts';

/** What stands under one heading. */
export interface Section {
  /** The headings above it, the outermost first. */
  readonly path: readonly string[];
  readonly paragraphs: readonly string[];
  /** Whether the last of `path` is a place, such as a page, that the text does not say itself. */
  readonly isPlace?: boolean;
}

/** Titles hold headings up to here. */
const HEADING_CHARACTERS = 100;
/** Passages have at most so many characters, a little more than the longest paragraphs of SQuAD. */
const PASSAGE_CHARACTERS = 2_000;
/** A section of fewer is joined to a neighbour. */
const SHORT_CHARACTERS = 400;

function linesOf(text: string): string[] {
  return text.replace(/^\ufeff/, '').replaceAll('\f', '\n\n').split(/\r\n|\r|\n/).map((line) => line.trimEnd());
}

function headingOf(text: string): string {
  const plain = text
    .slice(0, 10 * HEADING_CHARACTERS)
    .replaceAll(/!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])/g, '$1')
    .replaceAll(/[*`]+/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return plain.length > HEADING_CHARACTERS ? `${plain.slice(0, HEADING_CHARACTERS - 1).trimEnd()}…` : plain;
}

/** Collects paragraphs under a stack of headings. */
class Outline {
  readonly sections: Section[] = [];
  #stack: { readonly level: number; readonly heading: string }[] = [];
  #paragraphs: string[] = [];

  /** Whether the innermost heading has nothing below it yet. */
  get isBare(): boolean {
    return this.#stack.length > 0 && this.#paragraphs.length === 0;
  }

  get level(): number {
    return this.#stack.at(-1)?.level ?? 0;
  }

  heading(level: number, text: string): void {
    this.close();
    this.#stack = this.#stack.filter((above) => above.level < level);
    this.#stack.push({ level, heading: headingOf(text) });
  }

  paragraph(text: string): void {
    if (text.trim() !== '') this.#paragraphs.push(text);
  }

  close(): void {
    const path = this.#stack.map(({ heading }) => heading).filter((heading) => heading !== '');
    if (this.#paragraphs.length > 0) this.sections.push({ path, paragraphs: this.#paragraphs });
    this.#paragraphs = [];
  }
}

/** Lines behind the settings that generators of pages put before a document, which are data and no text. */
function behindFrontMatter(lines: readonly string[]): readonly string[] {
  const fence = lines[0];
  if (fence !== '---' && fence !== '+++') return lines;
  const end = lines.findIndex((line, i) => i > 0 && (line === fence || (fence === '---' && line === '...')));
  const first = lines.slice(1, Math.max(1, end)).find((line) => line !== '' && !line.startsWith('#'));
  const isData = end === 1 || (first !== undefined && /^["'\w.-]+["']?\s*(:(\s|$)|=)|^\[/.test(first));
  return end > 0 && isData ? lines.slice(end + 1) : lines;
}

const ATX = /^ {0,3}(#{1,6})(?=[ \t]|$)(.*)$/;
const FENCE = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})/;
const UNDERLINE = /^ {0,3}(=+|-+)$/;
/** What begins with one of these is a list, a quotation, a table or code, which no line below makes a heading. */
const NO_HEADING = /^(?: {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)| {0,3}[>|]| {4}|\t)/;

/** The sections of a text in Markdown. */
export function markdownSections(text: string): Section[] {
  const outline = new Outline();
  let paragraph: string[] = [];
  /** What ends the code or the comment that the line is in. */
  let until: ((line: string) => boolean) | null = null;
  const end = () => {
    outline.paragraph(paragraph.join('\n'));
    paragraph = [];
  };
  for (const line of behindFrontMatter(linesOf(text))) {
    const atx = ATX.exec(line);
    const [, fence] = FENCE.exec(line) ?? [];
    const [, underline] = UNDERLINE.exec(line) ?? [];
    if (until !== null) {
      const isComment = paragraph.length === 0;
      if (!isComment) paragraph.push(line);
      if (!until(line)) continue;
      until = null;
      end();
    } else if (fence !== undefined) {
      end();
      paragraph = [line];
      const closing = new RegExp(`^ {0,3}${fence.charAt(0)}{${fence.length},}$`);
      until = (other) => closing.test(other);
    } else if (/^ {0,3}<!--/.test(line)) {
      end();
      if (!line.includes('-->')) until = (other) => other.includes('-->');
    } else if (atx) {
      end();
      outline.heading(atx[1]?.length ?? 1, (atx[2] ?? '').trim().replace(/(^|[ \t])#+$/, ''));
    } else if (underline !== undefined && paragraph.length > 0 && !NO_HEADING.test(paragraph[0] ?? '')) {
      outline.heading(underline.startsWith('=') ? 1 : 2, paragraph.join(' '));
      paragraph = [];
    } else if (line === '' || /^ {0,3}([-*_])(?:[ \t]*\1){2,}$/.test(line)) {
      end();
    } else {
      paragraph.push(line);
    }
  }
  end();
  outline.close();
  return outline.sections;
}

/** Blocks of lines with nothing but white space between them. */
function blocksOf(lines: readonly string[]): string[][] {
  const blocks: string[][] = [[]];
  for (const line of lines) {
    if (line !== '') blocks.at(-1)?.push(line);
    else if (blocks.at(-1)?.length !== 0) blocks.push([]);
  }
  return blocks.filter(({ length }) => length > 0);
}

const UNDERLINED = /^\s*(={3,}|-{3,}|~{3,}|\*{3,}|_{3,})$/;

/** The heading of a block of plain text, null where it reads as text. */
function plainHeading([line = '', below, ...more]: readonly string[]): string | null {
  if (more.length > 0 || (below !== undefined && !UNDERLINED.test(below))) return null;
  const text = line.trim();
  const isShort = text.length <= 80 && /\p{L}/u.test(text) && text.split(/\s+/).length <= 12;
  const isSentence = /[.!?…,;:。！？，；：]["'”’»)\]]*$/u.test(text) || /^(?:\p{Ll}|[-*•>"“„«'])/u.test(text);
  return isShort && !isSentence ? text : null;
}

/** The sections of a plain text. */
export function textSections(text: string): Section[] {
  const outline = new Outline();
  const blocks = blocksOf(linesOf(text));
  const headings = blocks.map(plainHeading);
  for (let i = 0; i < blocks.length; ) {
    let run = 0;
    while (i + run < blocks.length && headings[i + run] !== null) run++;
    // A title and a heading may stand in a row, with text below them; more short lines in a row are a list or a poem.
    const areHeadings = (run === 1 || run === 2) && i + run < blocks.length;
    for (let k = i; k < Math.min(blocks.length, i + run); k++) {
      const heading = headings[k] ?? '';
      const [number] = /^\d+(?:\.\d+)*/.exec(heading) ?? [];
      const level = number !== undefined ? 100 + number.split('.').length : outline.isBare ? outline.level + 1 : Math.max(1, outline.level);
      if (areHeadings) outline.heading(level, heading);
      else outline.paragraph((blocks[k] ?? []).join('\n'));
    }
    if (i + run < blocks.length) outline.paragraph((blocks[i + run] ?? []).join('\n'));
    i += run + 1;
  }
  outline.close();
  return outline.sections;
}

/** The sections of a document that is known by its pages, each with its paragraphs. */
export function pageSections(pages: readonly (readonly string[])[]): Section[] {
  return pages.flatMap((paragraphs, page) => (paragraphs.length === 0 ? [] : [{ path: [`page ${page + 1}`], paragraphs, isPlace: true }]));
}

/** A context that nothing is asked about. */
export function plainPassage(title: string, text: string): Context {
  return { id: passageId(title, text), title, text, questions: [] };
}

/** Sections that become one passage. */
type Group = readonly Section[];

function commonPath(group: Group): readonly string[] {
  const [first = [], ...others] = group.map(({ path }) => path);
  return first.slice(0, Math.min(...[first, ...others].map((path) => sharedLength(first, path))));
}

/** File and headings, so that a person finds the place: `guide.md > Setup > Install … Configure`. */
function titleOf(name: string, group: Group): string {
  const common = commonPath(group);
  const [from, to] = [group.at(0), group.at(-1)].map((section) => section?.path[common.length]);
  const last = from === undefined || to === undefined ? [] : [`${from} … ${to}`];
  return [name, ...common, ...last].join(' > ');
}

/** How many headings two paths begin with alike. */
function sharedLength(a: readonly string[], b: readonly string[]): number {
  const differs = a.findIndex((heading, i) => heading !== b[i]);
  return differs < 0 ? a.length : differs;
}

/** The texts of several sections one below the other, with those of their headings that neither title nor text has yet. */
function textOf(group: Group): string {
  const shown = group.map(({ path, paragraphs, isPlace }, i) => {
    const known = i === 0 ? commonPath(group).length : sharedLength(path, group[i - 1]?.path ?? []);
    return [...(isPlace ? [] : path.slice(known)), ...paragraphs].join('\n\n');
  });
  return shown.join('\n\n');
}

/**
 * Passages of a document: a section each where it `fits`. Longer sections are cut where a paragraph ends, a paragraph that
 * does not fit alone where a sentence ends; short neighbouring sections are joined. What has no letter or digit is left out.
 * `name` is what titles begin with. Throws RangeError where not even one character fits beside a title.
 */
export function passagesOf(name: string, sections: readonly Section[], fits: (context: Context) => boolean): Context[] {
  const holds = (title: string, text: string) => text.length <= PASSAGE_CHARACTERS && fits(plainPassage(title, text));
  const groups: Section[][] = [];
  for (const section of sections) {
    const group = groups.at(-1);
    const isShort = ({ length }: string) => length < SHORT_CHARACTERS;
    const both = [...(group ?? []), section];
    if (group && (isShort(textOf(group)) || isShort(textOf([section]))) && holds(titleOf(name, both), textOf(both))) group.push(section);
    else groups.push([section]);
  }
  return groups
    .filter((group) => /[\p{L}\p{N}]/u.test(textOf(group)))
    .flatMap((group) => {
      const title = titleOf(name, group);
      if (holds(title, textOf(group))) return [plainPassage(title, textOf(group))];
      // The longest title that a part may get decides what fits.
      const parts = cut(group.flatMap(({ paragraphs }) => paragraphs), (text) => holds(`${title} (999 of 999)`, text), title);
      return parts.map((text, i) => plainPassage(`${title} (${i + 1} of ${parts.length})`, text));
    });
}

/** Paragraphs as texts that fit, as many paragraphs in each as do. */
function cut(paragraphs: readonly string[], fits: (text: string) => boolean, title: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (const paragraph of paragraphs) {
    const more = part === '' ? paragraph : `${part}\n\n${paragraph}`;
    if (fits(more)) {
      part = more;
      continue;
    }
    if (part !== '') parts.push(part);
    let rest = paragraph;
    while (!fits(rest)) {
      const beginning = shorten(rest, fits);
      if (beginning === null || beginning === '') throw new RangeError(`Cannot learn ${title}: nothing of it fits beside its title; shorten its headings or the name of the file`);
      parts.push(beginning);
      rest = rest.slice(beginning.length).trimStart();
    }
    part = rest;
  }
  return part === '' ? parts : [...parts, part];
}
