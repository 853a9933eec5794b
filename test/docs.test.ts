/** What the documents say must be there: commands that parse, links that lead somewhere, a map that is the territory. */

import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { formatMessage } from '@optique/core/message';
import { parse } from '@optique/core/parser';
import { extractCommandNames, extractOptionNames } from '@optique/core/usage';
import { commands } from '@seal/cli/options';
import { builtInPresets } from '@seal/engine';
import { FLOORS } from './layers.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const documents = globSync('{*.md,{kernels,packages,apps,benchmarks,test}/**/*.md}', { cwd: root })
  .filter((path) => !/(^|\/)(node_modules|dist)\//.test(path))
  .sort();

/** Command lines of `seal` in a document without what starts them; a message that mentions one is not one. */
function commandLines(text: string): string[] {
  const starts = /(?<!; )(?:npm run -s seal -- |(?:tsx|bun run|deno run -A) apps\/cli\/src\/main\.ts )([^`\n]+)/g;
  return [...text.matchAll(starts)].map(([, line = '']) => line.trim());
}

/** Words of a command line as a shell splits them, where double quotes are the only quotes. */
function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}

/** Why the CLI's own parser refuses a command line, or null. */
function refusal(line: string): string | null {
  const result = parse(commands, words(line));
  return result.success ? null : formatMessage(result.error);
}

/** What GitHub calls the headings of a document, one after another. */
function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>();
  const headings = text.replaceAll(/^```[^]*?^```/gm, '').matchAll(/^#{1,6} (.+)$/gm);
  return Array.from(headings, ([, heading = '']) => {
    const plain = heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
    const before = seen.get(plain) ?? 0;
    seen.set(plain, before + 1);
    return before === 0 ? plain : `${plain}-${before}`;
  });
}

test('the documents are found', () => {
  expect(documents).toEqual(expect.arrayContaining(['CONTRIBUTING.md', 'README.md', 'kernels/README.md']));
});

describe('commands', () => {
  const lines = documents.flatMap((path) => commandLines(read(path)).map((line) => [path, line] as const));

  test.each(lines)('%s: %s', (_, line) => {
    expect(refusal(line)).toBeNull();
  });

  test('the presets that they name are there', () => {
    const named = lines.flatMap(([, line]) => /--preset (\S+)/.exec(line)?.[1] ?? []);
    expect(named.length).toBeGreaterThan(3);
    expect(Object.keys(builtInPresets)).toEqual(expect.arrayContaining([...new Set(named)]));
  });

  test('every command is in the manual', () => {
    const shown = new Set(commandLines(read('apps/cli/README.md')).map((line) => words(line)[0]));
    expect([...shown].sort()).toEqual([...extractCommandNames(commands.usage)].sort());
  });

  test('every option is in the manual', () => {
    const manual = read('apps/cli/README.md');
    const missing = [...extractOptionNames(commands.usage)].filter((option) => !new RegExp(`${option}(?![\\w-])`).test(manual));
    expect(missing).toEqual([]);
  });

  test.each([
    ['frob', /frob/],
    ['run --sed 3', /--sed/],
    ['adapt --passages FILE', /--out/],
    ['ask who plays the theremin ?', /./],
  ])('%s would be noticed', (line, reason) => {
    expect(refusal(line)).toMatch(reason);
  });

  test('scripts that the documents name exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = documents.flatMap((path) => [...read(path).matchAll(/(?:^|`)npm (?:run (?:-s )?)?([a-z]+(?::[a-z]+)*)/gm)]);
    const npmOwn = new Set(['install', 'ci', 'run']);
    const missing = named.map(([, name = '']) => name).filter((name) => !npmOwn.has(name) && !(name in scripts));
    expect(missing).toEqual([]);
  });
});

describe('links', () => {
  const links = documents.flatMap((path) =>
    [...read(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => [path, target] as const),
  );

  test('relative ones lead to files and folders of the repository', () => {
    const relative = links.filter(([, target]) => !/^[a-z]+:|^#/.test(target));
    expect(relative.length).toBeGreaterThan(10);
    const broken = relative.filter(([path, target]) => {
      const place = normalize(join(dirname(path), target.replace(/#.*$/, '')));
      return place.startsWith('..') || !existsSync(join(root, place));
    });
    expect(broken).toEqual([]);
  });

  test('those into a document lead to a heading of it', () => {
    const inside = links.filter(([, target]) => !/^[a-z]+:/.test(target) && target.includes('#'));
    expect(inside.length).toBeGreaterThan(10);
    const broken = inside.filter(([path, target]) => {
      const [file = '', anchor = ''] = target.split('#');
      const place = file === '' ? path : normalize(join(dirname(path), file));
      return !place.endsWith('.md') || !anchorsOf(read(place)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  test('anchors are those that GitHub makes', () => {
    expect(anchorsOf('# The `seal` command\n\n## On Node, Deno and Bun\n```\n# not one\n```\n## The room\n## The room\n')).toEqual([
      'the-seal-command', 'on-node-deno-and-bun', 'the-room', 'the-room-1',
    ]);
  });
});

const rooms = Object.keys(FLOORS).filter((folder) => existsSync(join(root, folder)));

test('the map has every room on its floor and no other', () => {
  const map = read('README.md').split(/^## /m).find((section) => section.startsWith('The map')) ?? '';
  const mapped = [...map.matchAll(/^\| \[([^\]]+)\]\(([^)]+)\) \| (\d+) \|/gm)].map(([, room, page, floor]) => [room, page, Number(floor)]);
  expect(mapped.sort()).toEqual(rooms.map((room) => [room, `${room}/README.md`, FLOORS[room]]).sort());
});

test('the README is a door', () => {
  expect(read('README.md').split('\n').length).toBeLessThanOrEqual(150);
});

/** Rooms that have more to explain than a page holds. */
const LONG = ['kernels', 'packages/model', 'benchmarks', 'apps/cli'];

test.each(rooms)('%s has a README of a page', (room) => {
  const lines = read(`${room}/README.md`).trimEnd().split('\n').length;
  expect(lines).toBeGreaterThan(5);
  if (!LONG.includes(room)) expect(lines).toBeLessThanOrEqual(60);
});

test('the example of kernels/README.md prints what it says', () => {
  const example = /```ts\n([^]*?)```/.exec(read('kernels/README.md'))?.[1] ?? '';
  const expected = /console\.log\(.*\/\/ (.+)$/m.exec(example)?.[1];
  const output = execFileSync(process.execPath, ['--input-type=module-typescript', '--eval', example], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  expect(expected).toBeDefined();
  expect(output.trim()).toBe(expected);
});
