import { defineConfig } from 'vitest/config';

/**
 * Every room's tests in one run. GPU suites share one adapter, and a software adapter already uses every core, so test
 * files run one after another; each file has its own process, so that a lost device cannot reach the next file.
 */
export default defineConfig({
  test: {
    include: ['{kernels,packages,apps,benchmarks,test}/**/*.test.ts', 'scripts/*.test.js'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
