/** Names the test files that took longest: a reporter of vitest, and the same lines for scripts/test-summary.js. */

import { relative } from 'node:path';

/** Lines for the `count` longest of `files`, `{ path, durationMs }` each, or none where there are no files. */
export function slowestFiles(files, count = 10) {
  const longest = files.toSorted((a, b) => b.durationMs - a.durationMs).slice(0, count);
  if (longest.length === 0) return [];
  const total = files.reduce((sum, { durationMs }) => sum + durationMs, 0);
  const lines = longest.map(({ path, durationMs }) => `${(durationMs / 1000).toFixed(1).padStart(7)} s  ${path}`);
  return [`The slowest of ${files.length} files, which took ${(total / 1000).toFixed(0)} s in all:`, ...lines];
}

export default class SlowestFiles {
  #root = process.cwd();

  onInit(vitest) {
    this.#root = vitest.config.root;
  }

  onTestRunEnd(modules) {
    const files = modules.map((module) => {
      const { duration, collectDuration, setupDuration } = module.diagnostic();
      return { path: relative(this.#root, module.moduleId), durationMs: duration + collectDuration + setupDuration };
    });
    // A run of one file needs no list.
    if (files.length > 1) console.log(`${slowestFiles(files).join('\n')}\n`);
  }
}
