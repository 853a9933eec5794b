/**
 * Writes the TypeScript project references from the dependencies that each room's package.json declares, so that
 * `tsc -b` checks the rooms in order and every room under its own options. Run it after adding a room or a dependency
 * between rooms: `npm run references`. With --check it only says what is out of date.
 */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const check = process.argv.includes('--check');

const folders = ['kernels', ...under('packages'), ...under('apps'), 'benchmarks', 'test'].filter((folder) =>
  existsSync(join(root, folder, 'package.json')),
);
const rooms = new Map(folders.map((folder) => [read(join(folder, 'package.json')).name, folder]));

const stale = [];
for (const folder of rooms.values()) {
  const { dependencies, devDependencies } = read(join(folder, 'package.json'));
  const names = Object.keys({ ...dependencies, ...devDependencies }).filter((name) => rooms.has(name));
  write(folder, names.map((name) => rooms.get(name)), [folder === 'test' ? '**/*.ts' : 'src/**/*.ts']);
}
write('', [...rooms.values()], ['*.ts']);

if (check && stale.length > 0) {
  console.error(`Out of date: ${stale.join(', ')}. Run \`npm run references\``);
  process.exitCode = 1;
}

function under(parent) {
  if (!existsSync(join(root, parent))) return [];
  return readdirSync(join(root, parent)).sort().map((name) => `${parent}/${name}`);
}

function read(path) {
  return JSON.parse(readFileSync(join(root, path), 'utf8'));
}

/** Replaces the references of one tsconfig and keeps whatever else it says. */
function write(folder, targets, include) {
  const path = join(folder, 'tsconfig.json');
  const before = existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : '{}';
  const base = relative(join(root, folder), join(root, 'tsconfig.base.json'));
  const config = {
    extends: base.startsWith('.') ? base : `./${base}`,
    include,
    ...JSON.parse(before),
    references: targets.map((target) => ({ path: relative(join(root, folder), join(root, target)) })),
  };
  if (config.references.length === 0) delete config.references;
  else config.references = config.references.map(({ path }) => ({ path: path.startsWith('.') ? path : `./${path}` }));
  const after = `${JSON.stringify(config, null, 2)}\n`;
  const had = JSON.parse(before);
  if (Object.keys({ ...had, ...config }).every((key) => JSON.stringify(had[key]) === JSON.stringify(config[key]))) return;
  stale.push(path);
  if (!check) writeFileSync(join(root, path), after);
}
