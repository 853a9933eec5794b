import { execFileSync, type ExecFileSyncOptionsWithStringEncoding } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const root = new URL('../../../', import.meta.url);

/** Version of the product. */
export function packageVersion(): string {
  const file = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { version: string };
  return file.version;
}

/** The commit of the source, or undefined outside a repository. */
export function sourceCommit(): string | undefined {
  try {
    const options: ExecFileSyncOptionsWithStringEncoding = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], options).trim();
  } catch {
    return undefined;
  }
}

/** Version of the npm package that brings Dawn. */
export function dawnVersion(): string {
  const path = createRequire(import.meta.url).resolve('webgpu/package.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
