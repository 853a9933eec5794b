import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { circles, FLOORS, violations, type Room, type SourceFile } from './layers.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const LONG = 600;

const rooms: Room[] = Object.keys(FLOORS).flatMap((folder) => {
  const manifest = join(root, folder, 'package.json');
  if (!existsSync(manifest)) return [];
  const { name, dependencies, devDependencies } = JSON.parse(readFileSync(manifest, 'utf8')) as Record<string, object>;
  return [{ folder, name: String(name), dependencies: Object.keys({ ...dependencies, ...devDependencies }) }];
});

const files: SourceFile[] = globSync('{kernels,packages,apps,benchmarks,test}/**/*.ts', {
  cwd: root,
  exclude: (name) => ['node_modules', 'dist'].includes(name.split('/').at(-1) ?? ''),
})
  .filter((path) => !/(^|\/)(node_modules|dist)\//.test(path))
  .sort()
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

test('the source files are found', () => {
  expect(files.length).toBeGreaterThan(20);
  expect(files.map(({ path }) => path)).toContain('packages/device/src/open.ts');
});

test('no file breaks a rule of the house', () => {
  expect(files.flatMap((file) => violations(file, rooms))).toEqual([]);
});

test('no files and no rooms import one another around, types included', () => {
  expect(circles(files, rooms)).toEqual([]);
});

test('long files are named', () => {
  const long = files.filter(({ text }) => text.split('\n').length > LONG).map(({ path }) => path);
  if (long.length > 0) console.warn(`Longer than ${LONG} lines: ${long.join(', ')}`);
});

test('every room is private to the repository, named after its folder, and has one barrel', () => {
  for (const { folder, name } of rooms) {
    if (folder === 'benchmarks') continue;
    const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Record<string, unknown>;
    expect(name, folder).toBe(`@seal/${folder.split('/').at(-1)}`);
    expect(manifest, folder).toMatchObject({ type: 'module', private: true, license: 'MIT' });
    if (FLOORS[folder] < 7) expect(manifest.exports, folder).toMatchObject({ '.': './src/index.ts' });
  }
});

test('every room checks and tests itself, for turbo to run and to remember', () => {
  for (const { folder } of rooms) {
    const { scripts } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Record<string, unknown>;
    const up = folder.includes('/') ? '../..' : '..';
    const tests = folder === 'test' ? 'test/ scripts/' : `${folder}/ --passWithNoTests`;
    expect(scripts, folder).toMatchObject({
      check: 'tsc -b && oxlint --type-aware --deny-warnings',
      test: `cd ${up} && vitest run ${tests}`,
    });
  }
});

test('the tests that span rooms run again after a change in any room', () => {
  const own = rooms.find(({ folder }) => folder === 'test');
  const others = rooms.filter(({ folder }) => folder !== 'test').map(({ name }) => name);
  expect(own?.dependencies).toEqual(expect.arrayContaining(others));
});

test('the project references agree with the declared dependencies', () => {
  execFileSync(process.execPath, [join(root, 'scripts', 'references.js'), '--check'], { stdio: 'pipe' });
});

describe('planted violations are found', () => {
  const world: Room[] = [
    { folder: 'kernels', name: '@seal/kernels', dependencies: ['@seal/device', '@seal/model'] },
    { folder: 'packages/device', name: '@seal/device', dependencies: [] },
    { folder: 'packages/model', name: '@seal/model', dependencies: ['@seal/kernels', '@seal/tiny', '@seal/hub'] },
    { folder: 'packages/hub', name: '@seal/hub', dependencies: [] },
    { folder: 'packages/tiny', name: '@seal/tiny', dependencies: [] },
    { folder: 'packages/trainer', name: '@seal/trainer', dependencies: ['@seal/tiny', '@seal/model'] },
    { folder: 'apps/cli', name: '@seal/cli', dependencies: ['@seal/trainer'] },
  ];

  test.each([
    ['kernels/src/a.ts', `import { openGpu } from '@seal/device';`, /floor 0\) from floor 0/],
    ['kernels/src/a.ts', `import type { Model } from '@seal/model';`, /only downward/],
    ['kernels/src/a.ts', `export * from '@seal/model';`, /only downward/],
    ['kernels/src/a.ts', `export const load = () => import('@seal/model');`, /only downward/],
    ['kernels/src/a.ts', `export type M = import('@seal/model').Model;`, /only downward/],
    ['kernels/src/a.test.ts', `import { x } from '@seal/model';`, /only downward/],
    ['packages/model/src/a.ts', `import { world } from '@seal/tiny';`, /floor 4\) from floor 3/],
    ['packages/tiny/src/a.ts', `import { x } from '@seal/kernels';`, /does not declare/],
    ['packages/trainer/src/a.ts', `import { x } from '@seal/tiny';`, /only by their interface/],
    ['packages/model/src/a.ts', `import { x } from '@seal/nothing';`, /is no room/],
    ['packages/model/src/a.ts', `import { x } from '@seal/model';`, /its own room/],
    ['packages/model/src/a.ts', `import { x } from '../../tiny/src/x.ts';`, /leaves the room/],
    ['packages/model/src/a.ts', `import { x } from './x';`, /without its extension/],
    ['kernels/src/a/a.wgsl.ts', 'const n = 1; export default `const N = ${n};`;', /without `\$\{\}`/],
    ['packages/model/src/a.ts', `export const key = process.env['HOME'];`, /process\.env/],
    ['packages/model/src/a.ts', `export const key = process['env'];`, /computed property/],
    ['packages/model/src/a.ts', `import { env } from 'node:process';`, /only apps touch the process \(env\)/],
    ['packages/model/src/a.ts', `if (1) process.exit(1);`, /process\.exit/],
    ['packages/model/src/a.ts', `console.log(1);`, /only apps print/],
    ['packages/model/src/a.ts', `enum A { B }`, /no enums/],
    ['packages/model/src/a.ts', `class A extends Map {}`, /no inheritance/],
    ['packages/model/src/a.ts', `throw new Error('Cannot train: load it with --weights f32');`, /only apps know flags \(Cannot train/],
    ['packages/model/src/a.ts', 'export const say = (n: number) => `Cannot use ${n}; raise --seq`;', /only apps know flags \(; raise --seq\)/],
    ['packages/model/src/a.ts', `export const remedy = '--dtype bf16 or f32';`, /only apps know flags/],
    ['packages/model/src/a.ts', "export const help = 'Run `npm run seal`';", /only apps know commands/],
    ['packages/hub/src/a.ts', 'export const help = (name: string) => `npm run -s seal -- pull ${name}`;', /only apps know commands/],
    ['packages/model/src/a.ts', `export const place = new URL('../../tiny/checkpoint', import.meta.url);`, /leads into packages\/tiny/],
    ['apps/cli/src/a.ts', `export const place = new URL('../../../packages/tiny/checkpoint', import.meta.url);`, /leads into packages\/tiny/],
    ['apps/cli/src/a.ts', 'import { join } from "node:path"; export const place = (name: string) => join(import.meta.dirname, `../../../kernels/${name}`);', /leads into kernels/],
    ['packages/model/src/a.ts', `const = ;`, /does not parse/],
    ['packages/stranger/src/a.ts', ``, /in no room/],
  ])('%s: %s', (path, text, expected) => {
    const found = violations({ path, text }, world);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  test.each([
    ['kernels/src/a.test.ts', `import { openGpu } from '@seal/device'; console.log(process.env);`],
    ['kernels/src/a.ts', `const words = 'console.log(process.env), import("@seal/model")'; // process.exit()`],
    ['kernels/src/a/a.wgsl.ts', 'export default `fn main() {}`;'],
    ['packages/model/src/a.ts', `import { x } from '@seal/kernels'; import { y } from './y.ts';`],
    ['packages/model/src/a.ts', `export class OddError extends Error {}; export const p = process.platform;`],
    ['packages/model/src/a.ts', `import process from 'node:process'; export const { pid } = process;`],
    ['apps/cli/src/a.ts', `import { x } from '@seal/trainer'; console.log(process.env);`],
    ['apps/cli/src/a.ts', `export const root = new URL('../../../', import.meta.url); export const help = 'npm run -s seal -- run --resume DIR';`],
    ['packages/model/src/a.ts', "export const text = 'use `weights` f32; a -- b'; export const css = 'a { color: var(--ink); } :root { --ink: #000; }';"],
    ['packages/model/src/files/a.ts', `export const own = new URL('../tables/x.json', import.meta.url);`],
    ['packages/model/src/a.test.ts', `export const golden = new URL('../../../test/golden/x.json', import.meta.url); const flag = 'use --seq 3';`],
  ])('while %s: %s is fine', (path, text) => {
    expect(violations({ path, text }, world)).toEqual([]);
  });

  test('circles are found, types included, and told once', () => {
    const file = (name: string, text: string): SourceFile => ({ path: `packages/${name}.ts`, text });
    const found = circles(
      [
        file('model/src/a', `import type { B } from './b.ts';`),
        file('model/src/b', `export * from './c.ts';`),
        file('model/src/c', `export type A = import('./a.ts').A; import { x } from './d.ts';`),
        file('model/src/d', `import { y } from '@seal/tiny';`),
        file('model/src/d.test', `import { a } from './a.ts';`),
        file('tiny/src/a', `import type { Model } from '@seal/model';`),
      ],
      world,
    );
    expect(found).toEqual([
      'packages/model/src/a.ts -> packages/model/src/b.ts -> packages/model/src/c.ts -> packages/model/src/a.ts',
      'packages/model -> packages/tiny -> packages/model',
    ]);
  });
});
