/** Files and folders of Markdown, plain text and PDF, as sections. */

import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, extname, join, relative } from 'node:path';
import { markdownSections, pageSections, passagesOf, textSections, type Context, type Section } from '@seal/domains';
import { Problem, problemsAs } from '@seal/files';
import { fileProblem, readText } from '@seal/files/node';
import { counted } from '@seal/report/text';
import { fitsWithin, type Lengths } from '@seal/trainer';
import { note, type Hooks } from './events.ts';
import { pdfPages } from './pdf-text.ts';
import type { Subject } from './presets/preset.ts';

/** A document that was read: `name` is its place in the folder that was named, or the name of its file. */
interface Document {
  readonly name: string;
  readonly sections: readonly Section[];
}

/** How a file is read, by how its name ends. */
const READERS: Readonly<Record<string, (bytes: Uint8Array, path: string) => readonly Section[] | Promise<readonly Section[]>>> = {
  '.md': (bytes, path) => markdownSections(textIn(bytes, path)),
  '.markdown': (bytes, path) => markdownSections(textIn(bytes, path)),
  '.txt': (bytes, path) => textSections(textIn(bytes, path)),
  '.text': (bytes, path) => textSections(textIn(bytes, path)),
  '.pdf': async (bytes, path) => pageSections(await pdfPages(bytes, path)),
};
const KINDS = `Markdown, text and PDF are read (${Object.keys(READERS).join(', ')})`;

/** A document of more is no document, and would take hours to learn. */
const MOST_BYTES = 64 * 2 ** 20;

const kindOf = (path: string) => extname(path).toLowerCase();

/** The text of a file. Throws a problem for one that holds something else, whatever its name says. */
function textIn(bytes: Uint8Array, path: string): string {
  const mark = `${bytes[0]} ${bytes[1]}`;
  if (mark === '255 254' || mark === '254 255') throw new Problem('data', `Cannot read ${path}: it is UTF-16; save it as UTF-8`, { place: path });
  if (bytes.includes(0)) throw new Problem('data', `Cannot read ${path}: it is a binary file and no text; leave it out`, { place: path });
  return readText(path, 'data');
}

/** A file to read, and what its passages are called by. */
interface Found {
  readonly path: string;
  readonly name: string;
}

/** Files below a folder in the order of their names; folders that were seen already, as a link may lead back to one, are not entered. */
function* filesBelow(folder: string, seen: Set<string>): Iterable<string> {
  const real = realpathSync(folder);
  if (seen.has(real)) return;
  seen.add(real);
  for (const entry of readdirSync(folder).sort()) {
    const path = join(folder, entry);
    if (entry.startsWith('.') || entry === 'node_modules') continue;
    const kind = statSync(path, { throwIfNoEntry: false });
    if (kind?.isDirectory()) yield* filesBelow(path, seen);
    else if (kind?.isFile()) yield path;
  }
}

/** Runs what asks the file system. Throws a problem that names the path. */
function asked<T>(path: string, ask: () => T): T {
  try {
    return ask();
  } catch (cause) {
    throw new Problem('data', `Cannot read ${path}: ${fileProblem(cause)}`, { place: path, cause });
  }
}

/**
 * Reads files, and all files below folders, links followed; hidden ones are left out. Notes say how many others were skipped,
 * and which hold no text. Throws a problem of kind `data` that names a file that cannot be read, one that was named and is of
 * another kind, and where nothing is left to read.
 */
export async function readDocuments(paths: readonly string[], hooks: Hooks = {}): Promise<Document[]> {
  const found: Found[] = [];
  const skipped = new Map<string, number>();
  const seen = new Set<string>();
  for (const path of paths) {
    if (asked(path, () => statSync(path)).isDirectory()) {
      for (const file of asked(path, () => [...filesBelow(path, seen)])) {
        const kind = kindOf(file);
        if (kind in READERS) found.push({ path: file, name: relative(path, file).replaceAll('\\', '/') });
        else skipped.set(kind || 'no extension', (skipped.get(kind || 'no extension') ?? 0) + 1);
      }
    } else if (kindOf(path) in READERS) {
      found.push({ path, name: basename(path) });
    } else {
      throw new Problem('data', `Cannot read ${path}: ${KINDS}; convert it`, { place: path });
    }
  }
  if (skipped.size > 0) {
    const total = [...skipped.values()].reduce((sum, count) => sum + count, 0);
    const kinds = [...skipped].map(([kind, count]) => `${count} ${kind}`).join(', ');
    note(hooks, `Skipped ${counted(total, 'file')} of other kinds: ${kinds}. ${KINDS}`);
  }
  const documents: Document[] = [];
  const empty: string[] = [];
  const read = new Set<string>();
  for (const { path, name } of found) {
    const real = asked(path, () => realpathSync(path));
    if (read.has(real)) continue;
    read.add(real);
    hooks.signal?.throwIfAborted();
    const { size } = asked(path, () => statSync(real));
    if (size > MOST_BYTES) throw new Problem('data', `Cannot read ${path}: it has ${size} bytes, at most ${MOST_BYTES} are read; divide it`, { place: path });
    const bytes = asked(path, () => readFileSync(real));
    const sections = size === 0 ? [] : ((await READERS[kindOf(path)]?.(new Uint8Array(bytes), path)) ?? []);
    if (sections.length > 0) documents.push({ name: documents.some((other) => other.name === name) ? path : name, sections });
    else empty.push(path);
  }
  if (documents.length === 0) {
    const place = paths.join(', ');
    const why = empty.length > 0 ? `no text in ${empty.join(', ')}` : 'nothing to read there';
    throw new Problem('data', `Cannot adapt to ${place}: there is ${why}; ${KINDS}`, { place });
  }
  if (empty.length > 0) note(hooks, `No text in ${empty.join(', ')}`);
  return documents;
}

/**
 * The passages of documents, cut and joined so that each can be learnt; a note says how many they are. One that is there
 * twice is learnt once. Throws a problem of kind `data` as `readDocuments` does, and of kind `usage` where the domain of
 * `subject` takes no texts alone.
 */
export async function documentPassages(paths: readonly string[], subject: Subject, lengths: Lengths, hooks: Hooks): Promise<readonly Context[]> {
  if (!subject.take) throw new Problem('usage', 'Cannot use `documents` with this preset: its domain takes no texts alone');
  const place = paths.join(', ');
  const documents = await readDocuments(paths, hooks);
  const fits = fitsWithin(subject.domain, subject.codec, lengths);
  const passages = await problemsAs('data', () => documents.flatMap(({ name, sections }) => passagesOf(name, sections, fits)));
  const distinct = [...new Map(passages.map((passage) => [passage.id, passage])).values()];
  note(hooks, `${counted(documents.length, 'document')} with ${counted(distinct.length, 'passage')}`);
  return subject.take(distinct, place);
}
