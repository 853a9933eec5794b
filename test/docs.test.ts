/** What the documents say must be there: commands that parse, links that lead somewhere, a map that is the territory. */

import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { formatMessage } from '@optique/core/message';
import { parse } from '@optique/core/parser';
import { extractCommandNames } from '@optique/core/usage';
import { commands } from '@seal/cli';
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

test('the documents are found', () => {
  expect(documents).toEqual(expect.arrayContaining(['CONTRIBUTING.md', 'README.md', 'kernels/README.md']));
});

describe('commands', () => {
  const lines = documents.flatMap((path) => commandLines(read(path)).map((line) => [path, line] as const));

  test.each(lines)('%s: %s', (_, line) => {
    expect(refusal(line)).toBeNull();
  });

  test('every command is in the README', () => {
    const shown = new Set(commandLines(read('README.md')).map((line) => words(line)[0]));
    expect([...shown].sort()).toEqual([...extractCommandNames(commands.usage)].sort());
  });

  test.each([
    ['frob', /frob/],
    ['run --sed 3', /--sed/],
    ['run --preset huge', /huge/],
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
});

test('the map has every room and no other', () => {
  const map = read('README.md').split(/^## /m).find((section) => section.startsWith('The map')) ?? '';
  const mapped = [...map.matchAll(/^\| \[([^\]]+)\]/gm)].map(([, room]) => room);
  const rooms = Object.keys(FLOORS).filter((folder) => existsSync(join(root, folder)));
  expect(mapped.sort()).toEqual(rooms.sort());
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
