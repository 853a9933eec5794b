import { availableParallelism, tmpdir } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Files that lose devices, replace modules or change the process: each in a process of its own. */
const alone = [
  'packages/device/src/**/*.test.ts',
  'packages/model/src/sampling/generation-prefix.test.ts',
  'test/loop/lost-*.test.ts',
  'test/faults/**/*.test.ts',
  'benchmarks/src/peers.test.ts',
];

/**
 * Every room's tests in one run. Two processes take file after file: one compiles shaders or computes in TypeScript while
 * the other keeps the adapter busy, and more would wait for a software adapter, which uses every core. Files share their
 * process, and with it what was loaded, except those in `alone`.
 *
 * `x.full.test.ts` takes minutes: it runs with `npm run test:full` (mode `full`) only.
 */
export default defineConfig(({ mode }) => {
  const exclude = ['**/node_modules/**', '**/dist/**', ...(mode === 'full' ? [] : ['**/*.full.test.ts'])];
  return {
    test: {
      pool: 'forks',
      maxWorkers: Math.min(2, availableParallelism()),
      reporters: ['default', './scripts/slowest-files.js'],
      testTimeout: 60_000,
      hookTimeout: 60_000,
      // Some Vulkan layers complain on stderr where this is unset.
      env: { XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? tmpdir() },
      projects: [
        { extends: true, test: { name: 'alone', include: alone, exclude } },
        {
          extends: true,
          test: {
            name: 'shared',
            isolate: false,
            include: ['{kernels,packages,apps,benchmarks,test}/**/*.test.ts', 'scripts/*.test.js'],
            exclude: [...exclude, ...alone],
          },
        },
      ],
    },
  };
});
