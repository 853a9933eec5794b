/** Directories that are there whole or not at all. */

import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { writeDirectory } from './files.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-files-'));
afterAll(() => rmSync(base, { recursive: true }));

it('fills an empty directory, and keeps what somebody put there meanwhile', async () => {
  const out = join(base, 'out');
  mkdirSync(out);
  await writeDirectory(out, (temporary) => writeFileSync(join(temporary, 'first'), ''));
  expect(readdirSync(out)).toEqual(['first']);
  const second = writeDirectory(out, (temporary) => writeFileSync(join(temporary, 'second'), ''));
  await expect(second).rejects.toThrow(`Cannot write ${out}: it is not empty; choose another directory`);
  expect(readdirSync(out)).toEqual(['first']);
  expect(readdirSync(base)).toEqual(['out']);
});
