/** Puts the peers that come from npm into a folder of their own. Nothing of it is ever loaded by this process. */

import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const MANIFEST = fileURLToPath(new URL('../peers/package.json', import.meta.url));
/** Some hundred MB. */
const INSTALL_MS = 600_000;

/**
 * Installs the packages that `peers/package.json` pins into `folder` by `npm install`, with the user's npm configuration,
 * unless they are there. Throws Error with npm's reason where that fails.
 */
export async function installPeers(folder: string): Promise<void> {
  const stamp = join(folder, 'installed.json');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === readFileSync(MANIFEST, 'utf8')) return;
  mkdirSync(folder, { recursive: true });
  copyFileSync(MANIFEST, join(folder, 'package.json'));
  // Scripts would only download what runs on CUDA: everything else is in the packages.
  // A silent npm, as `npm run -s` asks for, would not say why it fails.
  const options = ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=1'];
  try {
    await promisify(execFile)('npm', options, { cwd: folder, timeout: INSTALL_MS });
  } catch (error) {
    throw new Error(`npm cannot install it: ${reasonOf(error)}`, { cause: error });
  }
  copyFileSync(MANIFEST, stamp);
}

/** npm's first lines of complaint, or why there is no npm. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'ENOENT') return 'there is no npm on the PATH; install Node.js with npm';
  const told = 'stderr' in error ? String(error.stderr) : '';
  const lines = told.split('\n').filter((line) => /^npm (error|ERR!)/.test(line) && !/log of this run/.test(line));
  return lines.slice(0, 3).map((line) => line.replace(/^npm (error|ERR!) /, '')).join('; ') || (error.message.split('\n')[0] ?? '');
}
