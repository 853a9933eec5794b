/**
 * Builds the room it is started in for those who do not run TypeScript: `dist/package` is what `npm publish` takes, with
 * JavaScript and declarations for Node, bundlers and browsers. Fails when a module imports anything but its neighbours,
 * or when the entry does not load in Node with type stripping switched off.
 */

import { execFileSync } from 'node:child_process';
import { copyFileSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(process.cwd(), 'dist', 'package');

rmSync(out, { recursive: true, force: true });
execFileSync(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
});

const { name, version, description, license, type } = JSON.parse(readFileSync('package.json', 'utf8'));
const manifest = {
  name,
  version,
  description,
  license,
  type,
  sideEffects: false,
  exports: { '.': { types: './index.d.ts', default: './index.js' } },
};
writeFileSync(join(out, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
copyFileSync('README.md', join(out, 'README.md'));
copyFileSync(join(root, 'LICENSE'), join(out, 'LICENSE'));

const modules = globSync('**/*.js', { cwd: out });
for (const path of modules) {
  const text = readFileSync(join(out, path), 'utf8');
  for (const [, specifier] of text.matchAll(/^(?:import|export)\b[^'"`]*?['"]([^'"]+)['"];$/gm)) {
    if (!/^\.\.?\/.*\.js$/.test(specifier)) throw new Error(`${path} imports ${specifier}: a browser could not load it`);
  }
}
const entry = JSON.stringify(pathToFileURL(join(out, 'index.js')).href);
const count = `process.stdout.write(String(Object.keys(await import(${entry})).length))`;
const exported = execFileSync(process.execPath, ['--no-experimental-strip-types', '--input-type=module', '--eval', count], {
  encoding: 'utf8',
});
console.log(`${name} ${version}: ${modules.length} modules, ${exported} exports in ${out}`);
