import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { slowest, summarise } from './test-summary.js';

const results = (passed, failed, files, success = failed === 0) =>
  JSON.stringify({
    numPassedTests: passed,
    numFailedTests: failed,
    success,
    testResults: files.map((statuses) => ({
      status: statuses.length === 0 || statuses.includes('failed') ? 'failed' : 'passed',
      assertionResults: statuses.map((status) => ({ status })),
    })),
  });

test.each([
  ['all pass', results(2, 0, [['passed', 'passed']]), 0, '2 passed, 0 failed', 0],
  ['one fails', results(1, 1, [['passed', 'failed']]), 1, '1 passed, 1 failed', 1],
  ['a file that does not load', results(2, 0, [['passed', 'passed'], []], false), 1, '2 passed, 1 failed', 1],
  ['an error outside any test', results(2, 0, [['passed', 'passed']], false), 1, '2 passed, 1 failed', 1],
  ['no test at all', results(0, 0, []), 0, '0 passed, 1 failed', 1],
  ['no results', null, 134, '0 passed, 1 failed', 134],
  ['cut-off results', '{"numPassedTests": 3', 0, '0 passed, 1 failed', 1],
  ['no device', null, 4, '0 passed, 1 failed', 4],
])('%s', (_, text, status, line, expected) => {
  expect(summarise(text, status)).toEqual({ line, status: expected });
});

/** Results of files that took 1, 2, ... seconds. */
const timed = (count) =>
  JSON.stringify({
    numPassedTests: count,
    numFailedTests: 0,
    success: true,
    testResults: Array.from({ length: count }, (_, i) => ({
      name: `/house/room/${i + 1}.test.ts`,
      startTime: 1_000,
      endTime: 2_000 + 1_000 * i,
      status: 'passed',
      assertionResults: [{ status: 'passed' }],
    })),
  });

test('the ten slowest files are named, the slowest first', () => {
  const [title, ...lines] = slowest(timed(12), '/house');
  expect(title).toBe('The slowest of 12 files, which took 78 s in all:');
  expect(lines).toHaveLength(10);
  expect(lines[0]).toBe('   12.0 s  room/12.test.ts');
  expect(lines[9]).toBe('    3.0 s  room/3.test.ts');
});

test.each([['no results', null], ['cut-off results', '{"numPassedTests": 3'], ['no file', results(0, 0, [])]])('with %s none is named', (_, text) => {
  expect(slowest(text, '/house')).toEqual([]);
});

test('the counts stand alone on the last line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'seal-summary-'));
  try {
    const path = join(folder, 'results.json');
    writeFileSync(path, timed(3));
    const script = fileURLToPath(new URL('test-summary.js', import.meta.url));
    const { status, stdout } = spawnSync(process.execPath, [script, path, '0'], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(5);
    expect(stdout).toMatch(/\n3 passed, 0 failed\n$/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
