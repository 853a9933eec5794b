import { expect, test } from 'vitest';
import { summarise } from './test-summary.js';

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
