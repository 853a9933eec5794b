/** Files and folders as people have them: what is read, what is skipped with a line, what is refused by name. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readDocuments } from './documents.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-documents-'));
afterAll(() => rmSync(base, { recursive: true }));
const at = (...names: string[]) => join(base, ...names);

/** Puts files into a folder of the test. */
function folder(name: string, files: Readonly<Record<string, string | Uint8Array>>): string {
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(join(at(name), file, '..'), { recursive: true });
    writeFileSync(at(name, file), content);
  }
  return at(name);
}

/** A PDF, written by its specification: pages of lines, each with its distance to the line above in points. */
function pdf(pages: readonly (readonly (readonly [down: number, text: string])[])[]): string {
  const escape = (text: string) => text.replaceAll(/[\\()]/g, '\\$&');
  const objects = ['<< /Type /Catalog /Pages 2 0 R >>', `<< /Type /Pages /Kids [${pages.map((_, i) => `${4 + 2 * i} 0 R`).join(' ')}] /Count ${pages.length} >>`, '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>'];
  for (const [i, lines] of pages.entries()) {
    const stream = `BT /F1 12 Tf 72 740 Td ${lines.map(([down, text]) => `0 -${down} Td (${escape(text)}) Tj`).join(' ')} ET`;
    objects.push(`<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents ${5 + 2 * i} 0 R >>`);
    objects.push(`<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`);
  }
  let file = '%PDF-1.4\n';
  const places = objects.map((object, i) => {
    const place = file.length;
    file += `${i + 1} 0 obj\n${object}\nendobj\n`;
    return `${String(place).padStart(10, '0')} 00000 n \n`;
  });
  return `${file}xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${places.join('')}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${file.length}\n%%EOF\n`;
}

async function read(...paths: string[]) {
  const notes: string[] = [];
  const documents = await readDocuments(paths, { onEvent: (event) => event.type === 'note' && notes.push(event.message) });
  return { documents, notes, names: documents.map(({ name }) => name) };
}

describe('a folder', () => {
  it('is read in order, to its depth, without hidden files, and others are counted', async () => {
    const place = folder('mixed', { 'b.txt': 'b.', 'a.MD': '# A\na', 'sub/c.markdown': 'c', '.hidden.md': 'x', '.git/d.md': 'x', 'x.docx': 'x', 'y.docx': 'x', 'z.png': 'x', README: 'x' });
    const { names, notes } = await read(place);
    expect(names).toEqual(['a.MD', 'b.txt', 'sub/c.markdown']);
    expect(notes).toEqual(['Skipped 4 files of other kinds: 1 no extension, 2 .docx, 1 .png. Markdown, text and PDF are read (.md, .markdown, .txt, .text, .pdf)']);
  });

  it('may be linked into itself, and a file may be named twice', async () => {
    const place = folder('linked', { 'a.md': 'a', 'sub/b.md': 'b' });
    symlinkSync('..', at('linked', 'sub', 'up'));
    symlinkSync('nowhere', at('linked', 'broken.md'));
    symlinkSync('../a.md', at('linked', 'sub', 'again.md'));
    expect((await read(place, at('linked', 'a.md'), place)).names).toEqual(['a.md', 'sub/b.md']);
  });

  it('tells of files without text', async () => {
    const { names, notes } = await read(folder('some', { 'a.md': 'a', 'empty.md': '', 'blank.txt': ' \n\n' }));
    expect(names).toEqual(['a.md']);
    expect(notes).toEqual([`No text in ${at('some', 'blank.txt')}, ${at('some', 'empty.md')}`]);
  });

  it('keeps files of one name apart', async () => {
    const places = [folder('one', { 'a.md': 'a' }), folder('two', { 'a.md': 'b' })];
    expect((await read(...places)).names).toEqual(['a.md', at('two', 'a.md')]);
  });
});

describe('refused', () => {
  it.each<[string, () => string, RegExp]>([
    ['a folder with nothing to read', () => folder('nothing', { 'x.docx': 'x' }), /^Cannot adapt to .*nothing: there is nothing to read there; Markdown, text and PDF/],
    ['a folder of empty files', () => folder('void', { 'x.md': '' }), /^Cannot adapt to .*void: there is no text in .*x\.md; /],
    ['a file of another kind', () => join(folder('kinds', { 'x.docx': 'x' }), 'x.docx'), /^Cannot read .*x\.docx: Markdown, text and PDF are read .*; convert it$/],
    ['a path that is not there', () => at('absent'), /^Cannot read .*absent: /],
    ['a binary file', () => folder('binary', { 'x.txt': new Uint8Array([0x50, 0x4b, 3, 4, 0, 0]) }), /^Cannot read .*x\.txt: it is a binary file and no text; leave it out$/],
    ['a text in another encoding', () => folder('latin', { 'x.txt': new Uint8Array([0x61, 0x0a, 0xe4, 0x62]) }), /^Cannot read .*x\.txt: line 2 is not UTF-8; /],
    ['UTF-16', () => folder('wide', { 'x.txt': new Uint8Array([0xff, 0xfe, 0x61, 0]) }), /^Cannot read .*x\.txt: it is UTF-16; save it as UTF-8$/],
    ['what only calls itself a PDF', () => folder('fake', { 'x.pdf': 'no pdf at all' }), /^Cannot read .*x\.pdf: it is no PDF that can be read \(.+\)$/],
    ['a PDF without text', () => folder('scan', { 'x.pdf': pdf([[], []]) }), /^Cannot read .*x\.pdf: its 2 pages hold no text; /],
  ])('%s', async (_, place, message) => {
    await expect(read(place())).rejects.toMatchObject({ kind: 'data', message: expect.stringMatching(message) as string });
  });
});

it('reads a PDF by pages and paragraphs, divided words whole again', async () => {
  // The fonts' own encoding has a closing quotation mark in the place of the straight one.
  const lines = [
    [[0, 'Skerry harbour'], [30, 'It was dredged (deep) in 1931, when Ada'], [14, "Holt ran the pilots' of-"], [14, 'fice.'], [30, 'The diary is kept.']],
    [[0, 'Page two.']],
  ] as const;
  const { documents } = await read(folder('pdf', { 'harbour.pdf': pdf(lines) }));
  expect(documents).toEqual([
    {
      name: 'harbour.pdf',
      sections: [
        { path: ['page 1'], paragraphs: ['Skerry harbour', 'It was dredged (deep) in 1931, when Ada Holt ran the pilots’ office.', 'The diary is kept.'], isPlace: true },
        { path: ['page 2'], paragraphs: ['Page two.'], isPlace: true },
      ],
    },
  ]);
});
