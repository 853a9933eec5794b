/**
 * Prints the ten slowest files and then `N passed, N failed` from the file that vitest's JSON reporter wrote, and exits
 * with the status that the tests ended with: `node scripts/test-summary.js results.json 0`. A missing or unreadable file
 * is one failure, and so is a file of tests that did not load or an error outside any test.
 */

import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { slowestFiles } from './slowest-files.js';

/** Counts from the reporter's JSON text (null when there is none) and the status of the test command. */
export function summarise(text, status) {
  let passed = 0;
  let failed = 0;
  try {
    const results = JSON.parse(text ?? '');
    passed = results.numPassedTests;
    failed = results.numFailedTests;
    for (const { status: outcome, assertionResults } of results.testResults) {
      if (outcome === 'failed' && !assertionResults.some((test) => test.status === 'failed')) failed += 1;
    }
    if (!results.success || status !== 0 || passed + failed === 0) failed = Math.max(failed, 1);
  } catch {
    passed = 0;
    failed = 1;
  }
  return { line: `${passed} passed, ${failed} failed`, status: failed > 0 && status === 0 ? 1 : status };
}

/** Lines that name the slowest files of the reporter's JSON text, with paths as seen from `root`; none without results. */
export function slowest(text, root) {
  try {
    const { testResults } = JSON.parse(text ?? '');
    return slowestFiles(
      testResults.map(({ name, startTime, endTime }) => ({ path: relative(root, name), durationMs: endTime - startTime })),
    );
  } catch {
    return [];
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [path, status] = process.argv.slice(2);
  let text = null;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    // Counted as a failure below.
  }
  const summary = summarise(text, Number(status));
  for (const line of [...slowest(text, process.cwd()), summary.line]) console.log(line);
  process.exitCode = summary.status;
}
