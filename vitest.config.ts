import { tmpdir } from 'node:os';
import { defineConfig } from 'vitest/config';

/**
 * Every room's tests in one run. GPU suites share one adapter, and a software adapter already uses every core, so test
 * files run one after another; each file has its own process, so that a lost device cannot reach the next file.
 *
 * `x.full.test.ts` takes minutes: it runs with `npm run test:full` (mode `full`) only.
 */
export default defineConfig(({ mode }) => ({
  test: {
    include: ['{kernels,packages,apps,benchmarks,test}/**/*.test.ts', 'scripts/*.test.js'],
    exclude: ['**/node_modules/**', '**/dist/**', ...(mode === 'full' ? [] : ['**/*.full.test.ts'])],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Some Vulkan layers complain on stderr where this is unset.
    env: { XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? tmpdir() },
  },
}));
