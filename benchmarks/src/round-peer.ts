/** The PyTorch side of `seal bench round --peers`: a Python process that is asked for adapters and answers with times. */

import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { AdapterValues } from '@seal/model';

const SCRIPT = fileURLToPath(new URL('../peers/peft/round.py', import.meta.url));
const NEEDED = ['torch', 'transformers', 'peft'];

/** Adapters that a peer trained and asked, in the order they were named. */
export interface PeerAdapters {
  readonly adaptSeconds: number;
  readonly answerSeconds: number;
  /** [adapter][step] */
  readonly losses: readonly (readonly number[])[];
  /** [adapter][question][token], without the stop token. */
  readonly answers: readonly (readonly (readonly number[])[])[];
  readonly values: readonly AdapterValues[];
}

/** `peft`: one adapter after the other. `batched`: all that are named at once, by plain PyTorch. */
export type PeerWay = 'peft' | 'batched';

/** The first of `candidates` that has the modules that are needed. Throws Error that says why each has not. */
export async function findPython(candidates: readonly string[], needed: readonly string[] = NEEDED): Promise<string> {
  const reasons: string[] = [];
  for (const python of candidates) {
    try {
      await promisify(execFile)(python, ['-c', `import ${needed.join(', ')}`]);
      return python;
    } catch (error) {
      const told = error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n').at(-1) : '';
      reasons.push(`${python}: ${told || (error instanceof Error ? error.message : String(error))}`);
    }
  }
  throw new Error(
    `Cannot run PyTorch${needed.includes('peft') ? ' and PEFT' : ''}: ${reasons.join('; ') || 'there is no python3 on the PATH'}. ` +
      `Install ${needed.join(', ')} for a Python and name it with \`python\``,
  );
}

/** A running peer over one exported folder. `close` ends it. */
export class RoundPeer {
  readonly versions: Readonly<Record<string, string>>;
  #folder: string;
  #stride: number;
  #child: ChildProcessByStdio<Writable, Readable, Readable>;
  #lines: AsyncIterator<string>;
  #complaint: () => string;

  private constructor(
    folder: string,
    stride: number,
    child: ChildProcessByStdio<Writable, Readable, Readable>,
    lines: AsyncIterator<string>,
    complaint: () => string,
    versions: Readonly<Record<string, string>>,
  ) {
    this.#folder = folder;
    this.#stride = stride;
    this.#child = child;
    this.#lines = lines;
    this.#complaint = complaint;
    this.versions = versions;
  }

  /** Starts `python` over a folder that `exportJobs` wrote. Rejects with what Python said where it does not start. */
  static async open(python: string, folder: string, stride: number): Promise<RoundPeer> {
    const child = spawn(python, [SCRIPT, folder], { stdio: ['pipe', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-2_000)));
    child.on('error', ({ message }) => (stderr += message));
    // A process that ended leaves the reason on stderr; writing to it must not end ours.
    child.stdin.on('error', () => {});
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const complaint = () => stderr.trim().split('\n').slice(-3).join(' ');
    const versions = (await nextLine(lines, complaint)) as Record<string, string>;
    return new RoundPeer(folder, stride, child, lines, complaint, versions);
  }

  /** Trains and asks the exported adapters with these indices. */
  async run(way: PeerWay, adapters: readonly number[]): Promise<PeerAdapters> {
    this.#child.stdin.write(`${JSON.stringify({ way, adapters })}\n`);
    const reply = (await nextLine(this.#lines, this.#complaint)) as Omit<PeerAdapters, 'values'>;
    const bytes = readFileSync(join(this.#folder, 'trained.f32'));
    const all = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    const values = adapters.map((_, e) => all.slice(e * this.#stride, (e + 1) * this.#stride));
    return { ...reply, values };
  }

  close(): void {
    this.#child.kill();
  }
}

async function nextLine(lines: AsyncIterator<string>, complaint: () => string): Promise<unknown> {
  const line = await lines.next();
  if (line.done) throw new Error(`Cannot go on with the PyTorch baseline: it ended with ${complaint() || 'nothing said'}`);
  return JSON.parse(line.value) as unknown;
}
