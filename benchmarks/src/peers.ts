/**
 * Other libraries that take turns with the kernels, each in a process of its own. Those from npm are installed into a
 * folder of their own, never into the workspace; `peers/serve.js` is their side of the protocol.
 */

import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Numbers } from '@seal/kernels';
import type { BenchCase, Problem } from './cases.ts';
import { relativeError } from './operands.ts';
import type { Contestant } from './turns.ts';

const SCRIPTS = fileURLToPath(new URL('../peers', import.meta.url));

interface PeerKind {
  readonly name: string;
  /** Folder of its script, and of its package.json where it is installed by npm. */
  readonly folder: string;
  /** Ends up in the command line behind the folder it was installed to. */
  readonly argument: string;
  readonly python?: true;
}

const KINDS: readonly PeerKind[] = [
  { name: 'tfjs-webgpu', folder: 'tfjs', argument: '' },
  { name: 'jax-js-webgpu', folder: 'jax-js', argument: 'webgpu' },
  { name: 'jax-js-wasm', folder: 'jax-js', argument: 'wasm' },
  { name: 'onnxruntime-node', folder: 'onnxruntime', argument: '' },
  { name: 'torch-cpu', folder: 'torch', argument: 'cpu', python: true },
  { name: 'torch-cuda', folder: 'torch', argument: 'cuda', python: true },
];

/** What became of a peer. */
export interface PeerRecord {
  readonly name: string;
  readonly version: string | null;
  readonly device: string | null;
  /** Why it did not run, or what it could not do; null when all went well. */
  readonly problem: string | null;
}

/** Where peers come from. */
export interface PeerOptions {
  /** Peers from npm are installed to folders in here. */
  readonly folder: string;
  /** A Python with torch; no PyTorch where absent. */
  readonly python?: string;
}

/** Float32 results of another order of sums; a wrong element is off by a good part of the largest. */
const GATE = 1e-4;
/** Installing may download a few dozen MB, a first turn may compile. */
const INSTALL_MS = 300_000;
const ANSWER_MS = 120_000;

/** Running peers. `close` ends their processes and removes what was exchanged. */
export class Peers {
  readonly #exchange: string;
  readonly #open = new Map<string, Peer>();
  readonly #records = new Map<string, PeerRecord>();

  private constructor(exchange: string) {
    this.#exchange = exchange;
  }

  /** Installs and starts what can be; a peer that cannot is left out and its record says why. Never rejects for one. */
  static async open({ folder, python }: PeerOptions): Promise<Peers> {
    const peers = new Peers(mkdtempSync(join(tmpdir(), 'seal-peers-')));
    const installed = new Map<string, Promise<string>>();
    for (const kind of KINDS) {
      try {
        if (kind.python && python === undefined) throw new Error('there is no python3 on the PATH; name one with --python');
        if (!kind.python && !installed.has(kind.folder)) installed.set(kind.folder, install(kind.folder, join(folder, kind.folder)));
        const at = (await installed.get(kind.folder)) ?? '';
        const script = join(SCRIPTS, kind.folder, kind.python ? 'main.py' : 'main.js');
        const peer = kind.python
          ? await Peer.start(python ?? '', [script, kind.argument])
          : await Peer.start(process.execPath, [script, at, kind.argument]);
        peers.#open.set(kind.name, peer);
        peers.#records.set(kind.name, { name: kind.name, version: peer.version, device: peer.device, problem: null });
      } catch (error) {
        peers.#records.set(kind.name, { name: kind.name, version: null, device: null, problem: messageOf(error) });
      }
    }
    return peers;
  }

  get records(): readonly PeerRecord[] {
    return [...this.#records.values()];
  }

  /** Hands a case to every peer, checks what each computes, and gives those that computed it as contestants. */
  async contestants(one: BenchCase, inputs: Readonly<Record<string, Numbers>>, expected: Numbers): Promise<Contestant[]> {
    const { problem } = one;
    if (!problem) return [];
    const files: Record<string, string> = {};
    for (const [name, values] of Object.entries(operandsOf(problem, one, inputs))) {
      const path = join(this.#exchange, `${name}.f32`);
      writeFileSync(path, Float32Array.from(values));
      files[name] = path;
    }
    const ready: Contestant[] = [];
    for (const [name, peer] of this.#open) {
      const result = join(this.#exchange, `${name}.f32`);
      try {
        await peer.ask({ prepare: { problem, files, result } });
        const bytes = readFileSync(result);
        const error = relativeError(new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)), expected);
        if (!(error <= GATE)) throw new RangeError(`its result is off by ${error.toExponential(1)} of the largest value`);
        // Work that is refused takes no time, and a library may refuse only what nobody reads.
        await peer.ask({ run: 1 });
        const run = async (times: number) => {
          try {
            return { wallMs: Number((await peer.ask({ run: times }))['ms']), gpuMs: null };
          } catch (error) {
            this.#giveUp(name, one, error);
            return { wallMs: Infinity, gpuMs: null };
          }
        };
        ready.push({ name, run });
      } catch (error) {
        this.#giveUp(name, one, error);
      }
    }
    return ready;
  }

  #giveUp(name: string, { op, shape }: BenchCase, error: unknown): void {
    const record = this.#records.get(name);
    if (record) this.#records.set(name, { ...record, problem: `${op.name} ${shape}: ${messageOf(error)}` });
  }

  close(): void {
    for (const peer of this.#open.values()) peer.close();
    this.#open.clear();
    rmSync(this.#exchange, { recursive: true, force: true });
  }
}

/** Operands as the peers' scripts name them, without what is only ours. */
function operandsOf(problem: Problem, { sizes }: BenchCase, inputs: Readonly<Record<string, Numbers>>): Record<string, Numbers> {
  const take = (name: string): Numbers => {
    const values = inputs[name];
    if (!values) throw new TypeError(`Cannot hand ${name} to a peer: the case has no such operand`);
    return values;
  };
  if (problem.kind === 'matmul') return { a: take('a'), b: take('b') };
  const { R, N, E } = problem;
  const { stride = 0, offset = 0 } = sizes;
  const arena = take('arena');
  const b = Float64Array.from({ length: E * R * N }, (_, i) => arena[Math.floor(i / (R * N)) * stride + offset + (i % (R * N))] ?? NaN);
  return { x: take('x'), w: take('w'), h: take('h'), b };
}

/** Installs a peer's packages by npm, unless they are there; returns the folder. */
async function install(name: string, folder: string): Promise<string> {
  const wanted = join(SCRIPTS, name, 'package.json');
  const done = join(folder, 'installed.json');
  if (existsSync(done) && readFileSync(done, 'utf8') === readFileSync(wanted, 'utf8')) return folder;
  mkdirSync(folder, { recursive: true });
  copyFileSync(wanted, join(folder, 'package.json'));
  // No script has anything to build: what runs on the CPU is in the packages, Dawn is the project's own.
  const options = ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund'];
  try {
    await promisify(execFile)('npm', options, { cwd: folder, timeout: INSTALL_MS });
  } catch (error) {
    const told = error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n').at(0) : '';
    throw new Error(`npm could not install it: ${told || messageOf(error)}`, { cause: error });
  }
  copyFileSync(wanted, done);
  return folder;
}

/** One process that answers a JSON line with a JSON line. */
class Peer {
  readonly version: string;
  readonly device: string;
  #child: ChildProcessByStdio<Writable, Readable, Readable>;
  #answer: () => Promise<Record<string, unknown>>;

  private constructor(
    child: ChildProcessByStdio<Writable, Readable, Readable>,
    answer: () => Promise<Record<string, unknown>>,
    { version, device }: { readonly version: string; readonly device: string },
  ) {
    this.#child = child;
    this.#answer = answer;
    this.version = version;
    this.device = device;
  }

  /** Rejects with the reason where it does not start. */
  static async start(command: string, args: readonly string[]): Promise<Peer> {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-2_000)));
    child.on('error', ({ message }) => (stderr += message));
    // A process that ended leaves the reason on stderr; writing to it must not end ours.
    child.stdin.on('error', () => {});
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const answer = async () => {
      const timer = setTimeout(() => child.kill(), ANSWER_MS);
      try {
        for (;;) {
          const line = await lines.next();
          if (line.done) throw new Error(`its process ended: ${stderr.trim().split('\n').slice(-3).join(' ') || 'nothing said'}`);
          // Native libraries write to stdout too.
          if (!line.value.startsWith('{')) continue;
          const value = JSON.parse(line.value) as Record<string, unknown>;
          if ('failed' in value) throw new Error(String(value['failed']));
          return value;
        }
      } finally {
        clearTimeout(timer);
      }
    };
    try {
      const { ready } = await answer();
      return new Peer(child, answer, ready as { version: string; device: string });
    } catch (error) {
      child.kill();
      throw error;
    }
  }

  /** Sends a request and waits for its answer. */
  ask(request: unknown): Promise<Record<string, unknown>> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    return this.#answer();
  }

  close(): void {
    this.#child.kill();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
