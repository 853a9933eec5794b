/** The program of the README, as somebody would run it: in an empty folder, in a process of its own. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const packages = fileURLToPath(new URL('../../../node_modules', import.meta.url));

it('has a program that teaches a model a passage and asks it', () => {
  const program = /```ts\n([^]*?)```/.exec(readme)?.[1] ?? '';
  expect(program.trimEnd().split('\n').length).toBeLessThanOrEqual(20);
  const folder = mkdtempSync(join(tmpdir(), 'seal-program-'));
  try {
    symlinkSync(packages, join(folder, 'node_modules'));
    writeFileSync(join(folder, 'program.ts'), program);
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['program.ts'], { cwd: folder, encoding: 'utf8', timeout: 100_000 });
    expect({ status, signal }, stderr).toEqual({ status: 0, signal: null });
    // Which value it names is the adapter's affair; a word of the tiny world it is, and the adapter's own digest.
    expect(stdout).toMatch(/^before: [a-z]+\nafter: skerry, by [0-9a-f]{64}\n$/);
    expect(stderr).toContain('Training ');
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 120_000);
