/** Whole files, and directories that are there whole or not at all. */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readWhole, writeDirectory, writeWhole } from './whole.ts';

const root = mkdtempSync(join(tmpdir(), 'seal-files-'));
afterAll(() => rmSync(root, { recursive: true }));

it('writes a whole file and reads it back, an empty one too', () => {
  for (const text of ['', 'ä\n', 'x'.repeat(100_000)]) {
    writeWhole(join(root, 'own', 'file'), text);
    expect(readFileSync(join(root, 'own', 'file'), 'utf8')).toBe(text);
    expect(Buffer.from(readWhole(join(root, 'own', 'file'))).toString()).toBe(text);
  }
  expect(readdirSync(join(root, 'own'))).toEqual(['file']);
});

it('puts a directory into the place of an empty one', async () => {
  const path = join(root, 'empty');
  mkdirSync(path);
  await writeDirectory(path, (temporary) => writeFileSync(join(temporary, 'file'), 'new'));
  expect(readFileSync(join(path, 'file'), 'utf8')).toBe('new');
});

it('keeps what another process wrote into the place meanwhile', async () => {
  const path = join(root, 'raced');
  const written = writeDirectory(path, (temporary) => {
    writeFileSync(join(temporary, 'file'), 'late');
    mkdirSync(path);
    writeFileSync(join(path, 'file'), 'first');
  });
  await expect(written).rejects.toMatchObject({ kind: 'usage', message: `Cannot write ${path}: it is not empty; choose another directory` });
  expect(readFileSync(join(path, 'file'), 'utf8')).toBe('first');
  expect(readdirSync(root).filter((name) => name.startsWith('raced'))).toEqual(['raced']);
  expect(existsSync(`${path}.${process.pid}.partial`)).toBe(false);
});
