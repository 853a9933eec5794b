/**
 * Records the kernel benchmark and makes the documents from it: `npm run bench:record`, with options of
 * `seal bench kernels` behind `--`. `npm run bench:record -- --documents` makes the documents of the record that is there.
 */

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kernelFigure } from '../benchmarks/src/kernel-figure.ts';
import { kernelTables, withSection } from '../benchmarks/src/kernel-tables.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const benchmarks = join(root, 'benchmarks');
const record = 'results/kernels-lavapipe.json';
const options = process.argv.slice(2);

if (!options.includes('--documents')) {
  const command = [join(root, 'apps/cli/src/main.ts'), 'bench', 'kernels', '--peers', '--out', join(benchmarks, record), ...options];
  const { status } = spawnSync(process.execPath, command, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
const benchmark = JSON.parse(readFileSync(join(benchmarks, record), 'utf8'));
const readme = join(benchmarks, 'README.md');
writeFileSync(readme, withSection(readFileSync(readme, 'utf8'), kernelTables(benchmark, record)));
writeFileSync(join(benchmarks, 'results/kernels-lavapipe.svg'), kernelFigure(benchmark));
