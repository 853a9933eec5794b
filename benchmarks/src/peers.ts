/**
 * Other libraries that take turns with the kernels, each in a process of its own: TensorFlow.js and jax-js on the same
 * adapter, ONNX Runtime, jax-js' WebAssembly and PyTorch on the CPU, PyTorch on CUDA. A case's numbers go to them in files,
 * and what they compute is held to the case's reference before their time counts.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Numbers } from '@seal/kernels';
import { GATE, relativeError, type Contestant, type Sample, type Timing } from '@seal/tuner';
import type { BenchCase } from './cases.ts';
import { PeerProcess } from './peer-process.ts';
import { installPeers } from './peers-install.ts';
import { operandsFor } from './peers-operands.ts';

/** How a peer is started. */
export interface PeerCommand {
  readonly name: string;
  /** Command and arguments; rejects with the reason why there is none. */
  readonly command: () => Promise<readonly [string, ...string[]]>;
  /** Operations that it is asked for at most; all when absent. */
  readonly mostFlops?: number;
}

/** A peer at one shape. */
export interface PeerRow {
  readonly op: string;
  readonly layout: BenchCase['layout'];
  readonly shape: string;
  /** Median and interquartile range of the wall clock of one execution. */
  readonly medianMs: number;
  readonly spreadMs: number;
  readonly gflops: number;
}

/** What became of a peer. */
export interface PeerRecord {
  readonly name: string;
  /** Of the library, and what it computed on; null where it did not start. */
  readonly version: string | null;
  readonly device: string | null;
  /** Why it did not run, or what went wrong first; null when all went well. */
  readonly problem: string | null;
  /** The shapes that it computed rightly. */
  readonly rows: readonly PeerRow[];
}

/** Threads of a peer may spin for a moment after their work; whoever is next must not pay for it. */
const REST_MS = 10;

/**
 * The peers there are. Those of npm are installed to `folder` when the first one starts; PyTorch runs on `python`, and
 * where that is null its records say so.
 */
export function knownPeers(folder: string, python: string | null): PeerCommand[] {
  const script = (path: string) => fileURLToPath(new URL(`../peers/${path}`, import.meta.url));
  let installed: Promise<void> | null = null;
  const ofNpm = (path: string, ...args: string[]) => async (): Promise<readonly [string, ...string[]]> => {
    await (installed ??= installPeers(folder));
    return [process.execPath, script(path), folder, ...args];
  };
  const ofPython = (device: string) => (): Promise<readonly [string, ...string[]]> =>
    python === null
      ? Promise.reject(new Error('there is no Python with torch; name one with `python`'))
      : Promise.resolve([python, script('torch/main.py'), device]);
  return [
    { name: 'tfjs-webgpu', command: ofNpm('tfjs/main.js') },
    { name: 'jax-js-webgpu', command: ofNpm('jax-js/main.js', 'webgpu') },
    // A few GFLOP/s: the shapes of a GPU would take it minutes each.
    { name: 'jax-js-wasm', command: ofNpm('jax-js/main.js', 'wasm'), mostFlops: 2e9 },
    { name: 'onnxruntime-node', command: ofNpm('onnxruntime/main.js') },
    { name: 'torch-cpu', command: ofPython('cpu') },
    { name: 'torch-cuda', command: ofPython('cuda') },
  ];
}

interface Entry {
  readonly record: PeerRecord;
  readonly process: PeerProcess | null;
  readonly mostFlops: number;
}

/** Running peers. `close` ends their processes and removes what was exchanged with them. */
export class Peers {
  readonly #exchange = mkdtempSync(join(tmpdir(), 'seal-peers-'));
  readonly #entries = new Map<string, Entry>();
  readonly #onProblem: (message: string) => void;

  private constructor(onProblem: (message: string) => void) {
    this.#onProblem = onProblem;
  }

  /**
   * Starts what can be started, one after the other. Whatever goes wrong with a peer, now or later, is handed to
   * `onProblem` by name and kept in its record, and the others go on. `answerMs` bounds every wait for one of them.
   */
  static async open(
    commands: readonly PeerCommand[],
    onProblem: (message: string) => void = () => {},
    answerMs?: number,
  ): Promise<Peers> {
    const peers = new Peers(onProblem);
    for (const { name, command, mostFlops = Infinity } of commands) {
      const record: PeerRecord = { name, version: null, device: null, problem: null, rows: [] };
      peers.#entries.set(name, { record, process: null, mostFlops });
      try {
        const [file, ...args] = await command();
        const process = await PeerProcess.start(file, args, answerMs);
        const { version, device } = process;
        peers.#entries.set(name, { record: { ...record, version, device }, process, mostFlops });
      } catch (error) {
        peers.#fail(name, `Cannot start the peer ${name}`, error);
      }
    }
    return peers;
  }

  get records(): readonly PeerRecord[] {
    return [...this.#entries.values()].map(({ record }) => record);
  }

  /** Hands a case to every peer and gives those that compute it rightly as contestants, `expected` being what is right. */
  async contestants(one: BenchCase, inputs: Readonly<Record<string, Numbers>>, expected: Numbers): Promise<Contestant[]> {
    const { problem } = one;
    if (!problem) return [];
    const operands = operandsFor(problem, one.sizes, inputs).map(({ name, values, shape }) => {
      const path = join(this.#exchange, `${name}.f32`);
      writeFileSync(path, Float32Array.from(values));
      return { name, path, shape };
    });
    const ready: Contestant[] = [];
    for (const [name, { process, mostFlops }] of this.#entries) {
      if (!process || one.flops > mostFlops) continue;
      const label = `Cannot measure ${one.op.name} ${one.shape} with the peer ${name}`;
      const result = join(this.#exchange, `${name}.result.f32`);
      try {
        const { loaded } = await process.ask({ load: { problem, operands, result } });
        if (loaded !== true) continue;
        const error = relativeError(readFloats(result), expected);
        if (!(error <= GATE)) throw new RangeError(`its result is off by ${error.toExponential(1)} of the largest value`);
        ready.push({ name, run: (times) => this.#run(name, process, times, label) });
      } catch (error) {
        this.#fail(name, label, error);
      }
    }
    return ready;
  }

  /** Keeps a case's times of the peers; the timing of one that failed in its turns is not finite and not kept. */
  keep({ op, layout, shape, flops }: BenchCase, timings: ReadonlyMap<string, Timing>): void {
    const digits = (value: number) => Number(value.toPrecision(4));
    for (const [name, entry] of this.#entries) {
      const timing = timings.get(name);
      if (!timing || !Number.isFinite(timing.medianMs)) continue;
      const [medianMs, spreadMs, gflops] = [timing.medianMs, timing.spreadMs, flops / timing.medianMs / 1e6].map(digits);
      const row = { op: op.name, layout, shape, medianMs, spreadMs, gflops } as PeerRow;
      this.#entries.set(name, { ...entry, record: { ...entry.record, rows: [...entry.record.rows, row] } });
    }
  }

  /** A peer that fails in its turns takes forever from there on, so that the others' turns go on. */
  async #run(name: string, process: PeerProcess, times: number, label: string): Promise<Sample> {
    try {
      const { ms } = await process.ask({ run: times });
      if (typeof ms !== 'number' || !(ms > 0)) throw new TypeError(`it says that it took ${String(ms)} ms`);
      await pause(REST_MS);
      return { wallMs: ms, gpuMs: null };
    } catch (error) {
      this.#fail(name, label, error);
      return { wallMs: Infinity, gpuMs: null };
    }
  }

  #fail(name: string, label: string, error: unknown): void {
    const entry = this.#entries.get(name);
    if (!entry || entry.record.problem !== null) return;
    const problem = `${label}: ${error instanceof Error ? error.message : String(error)}`;
    this.#entries.set(name, { ...entry, record: { ...entry.record, problem } });
    this.#onProblem(problem);
  }

  close(): void {
    for (const { process } of this.#entries.values()) process?.close();
    rmSync(this.#exchange, { recursive: true, force: true });
  }
}

function readFloats(path: string): Float32Array {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}
