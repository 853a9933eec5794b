/** The command as users start it: a process of its own. */

import { spawn, type ChildProcess } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const main = join(root, 'apps/cli/src/main.ts');

/** The many processes of these tests compile the sources once. */
const compileCache = join(tmpdir(), 'seal-compile-cache');

/** The model that comes with the repository. */
export const shippedModel = join(root, 'packages/tiny/checkpoint');

/** How a process ended. `stderr` is without what the driver's libraries print there. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Lines that Dawn and the Vulkan loader print by themselves. */
const FOREIGN = /^(Warning: |\s+at Check|\s*$)/;

/** Starts `seal` with arguments. `onStart` gets the process, `onStderr` sees stderr as it grows, with the process to send signals to. */
export function seal(
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly onStart?: (child: ChildProcess) => void; readonly onStderr?: (soFar: string, child: ChildProcess) => void } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], {
      cwd: root,
      env: { ...process.env, NO_COLOR: '1', NODE_COMPILE_CACHE: compileCache, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    options.onStart?.(child);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      options.onStderr?.(stderr, child);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const own = stderr.split('\n').filter((line) => !FOREIGN.test(line));
      resolve({ code, signal, stdout, stderr: own.join('\n') });
    });
  });
}
