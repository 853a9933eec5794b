/** Another library in a process of its own, asked by a JSON line and answering with one: `peers/serve.js` is its side. */

import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

type Answer = Readonly<Record<string, unknown>>;

/** Starting may load a large library, loading a case may compile, and a software adapter compiles for seconds. */
const ANSWER_MS = 120_000;

/** A running peer. `close` ends its process, and so does the end of ours. */
export class PeerProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  readonly #answerMs: number;
  #said = '';
  #version = '';
  #device = '';

  private constructor(command: string, args: readonly string[], answerMs: number) {
    this.#answerMs = answerMs;
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#said = (this.#said + text).slice(-2_000)));
    this.#child.on('error', ({ message }) => (this.#said += message));
    // A process that ended leaves the reason on stderr; writing to it must not end ours.
    this.#child.stdin.on('error', () => {});
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
    process.once('exit', this.close);
  }

  /** Rejects with the reason where it does not start or says nothing for `answerMs`. */
  static async start(command: string, args: readonly string[], answerMs: number = ANSWER_MS): Promise<PeerProcess> {
    const peer = new PeerProcess(command, args, answerMs);
    try {
      const { version, device } = (await peer.#answer())['ready'] as { readonly version: string; readonly device: string };
      peer.#version = version;
      peer.#device = device;
      return peer;
    } catch (error) {
      peer.close();
      throw error;
    }
  }

  /** Of the library. */
  get version(): string {
    return this.#version;
  }

  /** What it computes on, in its own words. */
  get device(): string {
    return this.#device;
  }

  /** Sends a request and waits for the answer. Rejects with what the peer says went wrong; a silent one is ended. */
  ask(request: unknown): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    return this.#answer();
  }

  async #answer(): Promise<Answer> {
    let silent = false;
    const timer = setTimeout(() => {
      silent = true;
      this.close();
    }, this.#answerMs);
    const line = await this.#lines.next().finally(() => clearTimeout(timer));
    if (silent) throw new Error(`it did not answer within ${this.#answerMs / 1_000} s and was ended`);
    if (line.done) throw new Error(`its process ended: ${lastWords(this.#said)}`);
    const answer = parsed(line.value);
    if ('failed' in answer) throw new Error(String(answer['failed']));
    return answer;
  }

  readonly close = (): void => {
    process.off('exit', this.close);
    // A process that hangs in native code hears nothing else.
    this.#child.kill('SIGKILL');
  };
}

/** The message of a stack trace, of Node's or of Python's, else the last line. */
function lastWords(stderr: string): string {
  const lines = stderr.trim().split('\n');
  return (lines.findLast((line) => /^\w*Error\b.*:/.test(line)) ?? lines.at(-1)) || 'it said nothing';
}

function parsed(line: string): Answer {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new SyntaxError(`it said ${line.slice(0, 200)} instead of an answer`, { cause: error });
  }
  if (typeof value !== 'object' || value === null) throw new SyntaxError(`it said ${line.slice(0, 200)} instead of an answer`);
  return value as Answer;
}
