/** The directory of a fine-tuning: what it was begun with, its losses, where it stands, and in the end what was trained. */

import { appendFileSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DiskFullError, HeldError, makeDirectory, readJson, readText, readWhole, takeLock, writeProblem, writeWhole } from '@seal/files/node';
import { messageOf, Problem } from '@seal/files';
import { parseSafetensors, toFloat32, writeSafetensors, type OptimiserState } from '@seal/model';

const BEGUN = 'sft.json';
/** In a directory of its own it is that of a training that was ended before it wrote anything else. */
export const LOCK = 'lock';
const STATE = 'sft-state.safetensors';
const LOSSES = 'losses.jsonl';
const RESULTS = ['adapter_model.safetensors', 'model.safetensors'];

/** Where a training stands after `step` steps. */
export interface TrainingState {
  readonly step: number;
  readonly optimiser: OptimiserState;
  /** What is trained, by name. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

/** A step's line of `losses.jsonl`. */
export interface StepRecord {
  readonly step: number;
  readonly loss: number;
  readonly learningRate: number;
}

/** A training that was begun or is gone on with; nobody else has it until `close`. */
export interface TrainingDirectory {
  /** Null at the beginning. */
  readonly resumed: TrainingState | null;
  /** Losses of all steps so far. */
  readonly losses: readonly number[];
  record(steps: readonly StepRecord[]): void;
  save(state: TrainingState): void;
  /** Puts the results in place and removes what was for going on alone. */
  finish(files: Readonly<Record<string, string | Uint8Array>>): void;
  close(): void;
}

/**
 * Begins in an empty directory, or goes on in one that was begun with the same `options`, named as on the command line.
 * Ends with exit code 2 for anything else, naming what differs, and where another process trains there; with 3 for a
 * damaged state.
 */
export function openTraining(out: string, options: Readonly<Record<string, unknown>>): TrainingDirectory {
  begun(out, options);
  const release = lockDirectory(out);
  try {
    // Another process may have ended there since.
    return locked(out, begun(out, options), options, release);
  } catch (error) {
    release();
    throw error;
  }
}

function locked(out: string, hasState: boolean, options: Readonly<Record<string, unknown>>, release: () => void): TrainingDirectory {
  const resumed = hasState ? readState(join(out, STATE)) : null;
  const path = join(out, LOSSES);
  const lines = resumed ? keptLines(path, resumed.step) : [];
  const losses = lines.map((line) => lossOf(line, path));
  if (!resumed) writeWhole(join(out, BEGUN), `${JSON.stringify(options, null, 2)}\n`);
  writeWhole(path, lines.map((line) => `${line}\n`).join(''));
  return {
    resumed,
    losses,
    record(steps) {
      try {
        appendFileSync(path, steps.map((step) => `${JSON.stringify(step)}\n`).join(''));
      } catch (cause) {
        throw writeProblem('write', path, cause);
      }
      losses.push(...steps.map(({ loss }) => loss));
    },
    save: (state) => writeWhole(join(out, STATE), stateFile(state)),
    finish(files) {
      for (const [name, content] of Object.entries(files)) writeWhole(join(out, name), content);
      rmSync(join(out, STATE), { force: true });
    },
    close: release,
  };
}

/**
 * Takes a directory, making it where it is missing; returns what gives it back. Ends with exit code 2 where another process
 * trains there.
 */
export function lockDirectory(out: string): () => void {
  try {
    makeDirectory(out);
  } catch (cause) {
    throw writeProblem('write', out, cause);
  }
  try {
    return takeLock(out).release;
  } catch (cause) {
    if (cause instanceof HeldError || cause instanceof DiskFullError) throw cause;
    throw new Problem('usage', messageOf(cause), { cause });
  }
}

/** Whether there is a state to go on from. */
function begun(out: string, options: Readonly<Record<string, unknown>>): boolean {
  if (out === '') throw new Problem('usage', 'Cannot train: --out is empty; name a directory');
  const place = join(out, BEGUN);
  if (!existsSync(place)) {
    const isDirectory = existsSync(out) && statSync(out).isDirectory();
    if (existsSync(out) && (!isDirectory || readdirSync(out).some((name) => name !== LOCK))) {
      throw new Problem('usage', `Cannot train in ${out}: it is ${isDirectory ? 'not empty' : 'a file'}; choose another directory`);
    }
    return false;
  }
  const json = readJson(place, 'data');
  const before: Readonly<Record<string, unknown>> = typeof json === 'object' && json !== null ? { ...json } : {};
  const other = Object.keys(options).filter((name) => JSON.stringify(before[name]) !== JSON.stringify(options[name]));
  if (other.length > 0) {
    const was = other.map((name) => `${name} (${shown(before[name])})`).join(', ');
    throw new Problem('usage', `Cannot go on in ${out}: it was begun with other ${was}; use the same command, or another --out`);
  }
  const hasState = existsSync(join(out, STATE));
  if (!hasState && RESULTS.some((name) => existsSync(join(out, name)))) {
    throw new Problem('usage', `Cannot train in ${out}: its training is finished; choose another directory`);
  }
  return hasState;
}

/** A digest tells nobody anything. */
function shown(value: unknown): string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? 'another' : (JSON.stringify(value) ?? 'none');
}

function stateFile({ step, optimiser: { m, v }, tensors }: TrainingState): Uint8Array {
  const vectors = { m, v, step: Float32Array.of(step) };
  return writeSafetensors([
    ...Object.entries(vectors).map(([name, data]) => [name, { shape: [data.length], data }] as const),
    ...[...tensors].map(([name, data]) => [`trained.${name}`, { shape: [data.length], data }] as const),
  ]);
}

function readState(path: string): TrainingState {
  try {
    const stored = parseSafetensors(readWhole(path), path);
    const tensor = (name: string): Float32Array => {
      const found = stored.get(name);
      if (!found) throw new RangeError(`tensor ${name} is missing`);
      return toFloat32(found, name);
    };
    const [step = NaN] = tensor('step');
    if (!Number.isInteger(step) || step < 1) throw new RangeError(`its step is ${step}`);
    const names = [...stored.keys()].filter((name) => name.startsWith('trained.'));
    const tensors = new Map(names.map((name) => [name.slice('trained.'.length), tensor(name)]));
    return { step, optimiser: { m: tensor('m'), v: tensor('v'), steps: step }, tensors };
  } catch (cause) {
    throw new Problem('data', `Cannot go on from ${path}: ${messageOf(cause)}; delete its directory and begin anew`, { cause });
  }
}

/** Lines of the steps that count: those recorded after the last state are taken again. */
function keptLines(path: string, steps: number): string[] {
  const lines = readText(path, 'data').split('\n').slice(0, -1);
  if (lines.length >= steps) return lines.slice(0, steps);
  throw new Problem('data', `Cannot go on: ${path} holds ${lines.length} losses, but ${steps} steps were taken; begin anew in another directory`);
}

function lossOf(line: string, path: string): number {
  try {
    const row: unknown = JSON.parse(line);
    if (typeof row === 'object' && row !== null && 'loss' in row && typeof row.loss === 'number') return row.loss;
  } catch {
    // A line that is not JSON is refused as one without a loss.
  }
  throw new Problem('data', `Cannot go on: a line of ${path} is damaged; begin anew in another directory`);
}
