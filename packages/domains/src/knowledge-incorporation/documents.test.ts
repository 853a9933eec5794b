/** Documents as people have them: what is a heading, what is not, and passages that a person finds again. */

import { expect, test } from 'vitest';
import { markdownSections, pageSections, passagesOf, plainPassage, textSections, type Section } from './documents.ts';

const shown = (sections: readonly Section[]) => sections.map(({ path, paragraphs }) => `${path.join(' > ')}: ${paragraphs.join(' | ')}`);
const everything = () => true;
/** Prose of about so many characters, in sentences. */
const prose = (characters: number, word = 'harbour') => Array.from({ length: Math.ceil(characters / 40) }, (_, i) => `The ${word} was dredged in the year ${1000 + i}.`).join(' ');

test.each<[string, string, string[]]>([
  ['headings inside one another', '# A\n\na\n\n## B\n\nb\n\n### C\nc\n## D\nd\n# E\ne', ['A: a', 'A > B: b', 'A > B > C: c', 'A > D: d', 'E: e']],
  ['what stands before any', 'x\n\n# A\ny', [': x', 'A: y']],
  ['levels that are left out', '### C\nc\n# A\na\n#### D\nd', ['C: c', 'A: a', 'A > D: d']],
  ['closing signs, none without a space, seven are none', '## A ##\na\n#B\n####### C\n## D#\nd', ['A: a\n#B\n####### C', 'D#: d']],
  ['an empty heading', '# A\na\n#\nb\n## #\nc', ['A: a', ': b', ': c']],
  ['underlined ones', 'A\n===\na\n\nB\nb\n---\nc', ['A: a', 'A > B b: c']],
  ['a line below a list, a quotation, a table or nothing', '- one\n---\n\n> two\n===\n\n| a |\n---\n\n---\nx', [': - one | > two\n=== | | a | | x'.replace('\n===', '\n===')]],
  ['code with signs of headings', '# A\n```sh\n# no\n\n## no\n```\nb\n~~~\n```\n# no\n~~~\nc', ['A: ```sh\n# no\n\n## no\n``` | b | ~~~\n```\n# no\n~~~ | c']],
  ['code that is not closed, or closed by fewer signs', '# A\n````\n```\n# no', ['A: ````\n```\n# no']],
  ['signs of code within a line', '# A\n``` a ` b\n# B\nb', ['A: ``` a ` b', 'B: b']],
  ['settings before the document', '---\ntitle: "T"\ndate: 2026\n---\n# A\na', ['A: a']],
  ['settings of another kind', '+++\ntitle = "T"\n+++\na', [': a']],
  ['a rule that begins a document', '---\nSome text, and\n---\nmore', ['Some text, and: more']],
  ['settings that never end', '---\ntitle: x', [': title: x']],
  ['line ends and the mark of Windows', '\ufeff# A\r\na\r\n\r\n## B\r\nb', ['A: a', 'A > B: b']],
  ['marks within a heading', '# The *big* `x` [guide](http://a/b) ![i](j.png)\na', ['The big x guide i: a']],
  ['comments', '# A\n<!-- # no\n# no -->\na <!-- b -->\n<!-- x -->\nc', ['A: a <!-- b --> | c']],
  ['nothing', '\ufeff\r\n \n', []],
  ['headings alone', '# A\n## B\n', []],
])('Markdown: %s', (_, text, sections) => {
  expect(shown(markdownSections(text))).toEqual(sections);
});

test.each<[string, string, string[]]>([
  ['short lines alone', 'The harbour\n\nIt was dredged.\n\nPeople\n\nAda Holt ran it.\nShe did.', ['The harbour: It was dredged.', 'People: Ada Holt ran it.\nShe did.']],
  ['a title above a heading', 'Skerry\n\nThe harbour\n\nIt was dredged.\n\nPeople\n\nAda.', ['Skerry > The harbour: It was dredged.', 'Skerry > People: Ada.']],
  ['underlined ones', 'The harbour\n-----------\n\nIt was dredged.', ['The harbour: It was dredged.']],
  ['numbers', '1 Harbour\n\nx.\n\n1.1 Depth\n\ny.\n\n2 People\n\nz.', ['1 Harbour: x.', '1 Harbour > 1.1 Depth: y.', '2 People: z.']],
  ['sentences, lists, quotations and what begins small', 'It was dredged.\n\n- one\n\n“Yes”\n\nand so on\n\nFor example:\n\nx', [': It was dredged. | - one | “Yes” | and so on | For example: | x']],
  ['a poem', 'Roses are red\n\nViolets are blue\n\nSugar is sweet\n\nAnd so are you.', [': Roses are red | Violets are blue | Sugar is sweet | And so are you.']],
  ['a short line at the end', 'x y z.\n\nThe end', [': x y z. | The end']],
  ['line ends of Windows, pages', '\ufeffThe harbour\r\n\r\nIt was.\fMore of it.', ['The harbour: It was. | More of it.']],
  ['a script without capitals', '港口\n\n它在1931年疏浚。', ['港口: 它在1931年疏浚。']],
  ['nothing', '\n \n', []],
])('plain text: %s', (_, text, sections) => {
  expect(shown(textSections(text))).toEqual(sections);
});

test('a hostile document is read in the time of an honest one', () => {
  const begun = performance.now();
  for (const line of [`#${' '.repeat(50_000)}x`, `# ${'['.repeat(50_000)}`, `# ${'#'.repeat(50_000)} x`, '`'.repeat(50_000), `${'- '.repeat(50_000)}x`, `${'='.repeat(50_000)}x`]) {
    markdownSections(`${line}\n${line}\n---\n`);
    textSections(`${line}\n\n${line}`);
  }
  expect(performance.now() - begun).toBeLessThan(1_000);
});

test('titles name file and headings, and every passage is a context that nothing is asked about', () => {
  const sections = markdownSections(`# Skerry\n${prose(500)}\n## Harbour\n${prose(600)}`);
  const passages = passagesOf('guide.md', sections, everything);
  expect(passages.map(({ title }) => title)).toEqual(['guide.md > Skerry', 'guide.md > Skerry > Harbour']);
  expect(passages.map(({ text }) => text)).toEqual([prose(500), prose(600)]);
  expect(passages.every(({ id, questions }) => /^[0-9a-f]{16}$/.test(id) && questions.length === 0)).toBe(true);
  expect(passagesOf('guide.md', sections, everything)).toEqual(passages);
  expect(passagesOf('other.md', sections, everything)[0]?.id).not.toBe(passages[0]?.id);
});

test('short neighbours are joined with the headings that the title lacks', () => {
  const sections = markdownSections('# Skerry\n## Harbour\nIt was dredged.\n## People\nAda Holt.\n### Work\nPilots.');
  expect(passagesOf('a.md', sections, everything).map(({ title, text }) => [title, text])).toEqual([
    ['a.md > Skerry > Harbour … People', 'Harbour\n\nIt was dredged.\n\nPeople\n\nAda Holt.\n\nWork\n\nPilots.'],
  ]);
  const intro = passagesOf('a.md', markdownSections('Before.\n# A\na'), everything);
  expect(intro.map(({ title, text }) => [title, text])).toEqual([['a.md', 'Before.\n\nA\n\na']]);
});

test('long sections are cut where paragraphs end, long paragraphs where sentences do, and nothing is lost', () => {
  const paragraphs = [prose(900), prose(900, 'pier'), prose(5_000, 'quay')];
  const passages = passagesOf('a.txt', [{ path: ['A'], paragraphs }], everything);
  expect(passages.length).toBeGreaterThan(3);
  expect(passages.map(({ title }) => title)).toEqual(passages.map((_, i) => `a.txt > A (${i + 1} of ${passages.length})`));
  expect(passages[0]?.text).toBe(`${paragraphs[0]}\n\n${paragraphs[1]}`);
  expect(passages.every(({ text }) => text.length <= 2_000 && text.endsWith('.'))).toBe(true);
  expect(passages.flatMap(({ text }) => text.split(/\s+/))).toEqual(paragraphs.flatMap((text) => text.split(/\s+/)));
});

test('what a domain allows is kept to, the title among it', () => {
  const passages = passagesOf('a.txt', [{ path: [], paragraphs: [prose(900)] }], ({ title, text }) => title.length + text.length <= 120);
  expect(passages.every(({ title, text }) => title.length + text.length <= 120)).toBe(true);
  expect(passages.map(({ text }) => text).join(' ')).toBe(prose(900));
  expect(() => passagesOf('a.txt', [{ path: ['A'], paragraphs: ['x'] }], () => false)).toThrow(/Cannot learn a\.txt > A: nothing of it fits beside its title/);
});

test('pages are places: titles name them, texts do not', () => {
  const passages = passagesOf('a.pdf', pageSections([['One.'], [], ['Two.', 'Three.']]), everything);
  expect(passages.map(({ title, text }) => [title, text])).toEqual([['a.pdf > page 1 … page 3', 'One.\n\nTwo.\n\nThree.']]);
});

test('long headings are shortened in titles, and signs without a word are no passage', () => {
  const [passage] = passagesOf('a.md', markdownSections(`# ${'word '.repeat(400)}\ntext`), everything);
  expect(passage?.title.length).toBeLessThan(120);
  expect(passage?.title).toMatch(/…$/);
  expect(passagesOf('a.md', markdownSections('***\n\n. . .\n\n!'), everything)).toEqual([]);
});

test('a plain passage is named by what it says', () => {
  expect(plainPassage('T', 'x').id).toBe(plainPassage('T', 'x').id);
  expect(plainPassage('T', 'x').id).not.toBe(plainPassage('T', 'y').id);
});
