/** The command as users start it, in a process of its own where it is watched, else in one that is there already. */

import { fork, spawn, type ChildProcess } from 'node:child_process';
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

function withoutForeign(stderr: string): string {
  return stderr.split('\n').filter((line) => !FOREIGN.test(line)).join('\n');
}

/** Processes that run one command line after another, by what they have in the environment. */
const residents = new Map<string, Resident>();

/** Starting a process costs more than most commands of these tests do: this one stays. */
class Resident {
  #child: ChildProcess;
  #waiting: ((ended: Ended) => void)[] = [];

  constructor(env: NodeJS.ProcessEnv, onExit: () => void) {
    this.#child = fork(join(root, 'test/cli/resident.ts'), { cwd: root, env, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    this.#child.on('message', (ended) => this.#waiting.shift()?.(ended as Ended));
    this.#child.on('exit', (code, signal) => {
      onExit();
      for (const end of this.#waiting.splice(0)) end({ code, signal, stdout: '', stderr: 'the process of the tests ended' });
    });
    // It ends with the process of the tests, which does not wait for it.
    this.#child.unref();
    this.#child.channel?.unref();
  }

  run(args: readonly string[]): Promise<Ended> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#child.send(args);
    });
  }
}

/**
 * Runs `seal` with arguments. `onStart` gets the process, `onStderr` sees stderr as it grows, with the process to send signals
 * to: who gives one of them or an input, or asks for it by `own`, gets a process that was started for this command line.
 */
export function seal(args: readonly string[], options: Options = {}): Promise<Ended> {
  const env = { ...process.env, NO_COLOR: '1', NODE_COMPILE_CACHE: compileCache, ...options.env };
  if (options.own || options.input !== undefined || options.onStart || options.onStderr) return started(args, env, options);
  const key = JSON.stringify(options.env ?? {});
  const resident = residents.get(key) ?? new Resident(env, () => residents.delete(key));
  residents.set(key, resident);
  return resident.run(args).then((ended) => ({ ...ended, stderr: withoutForeign(ended.stderr) }));
}

interface Options {
  readonly own?: boolean;
  /** What its standard input has; nothing unless given. */
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly onStart?: (child: ChildProcess) => void;
  readonly onStderr?: (soFar: string, child: ChildProcess) => void;
}

function started(args: readonly string[], env: NodeJS.ProcessEnv, options: Options): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], {
      cwd: root,
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    // Who ends before all is read has read enough.
    child.stdin.on('error', () => undefined).end(options.input);
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
      resolve({ code, signal, stdout, stderr: withoutForeign(stderr) });
    });
  });
}
