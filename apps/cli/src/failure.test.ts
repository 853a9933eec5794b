import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { EXIT } from './failure.ts';

it('has the exit codes of the manual', () => {
  const manual = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const codes = Array.from(manual.matchAll(/^\| (\d+) \|/gm), ([, code]) => Number(code));
  expect(codes).toEqual(Object.values(EXIT));
});
