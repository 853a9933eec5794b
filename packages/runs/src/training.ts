/**
 * A training as a directory, that can be stopped and gone on with:
 *
 *   sft.json, pretraining.json    the settings it was begun with
 *   losses.jsonl                  the loss of every step
 *   <kind>-state.safetensors      where it stands
 *   lock                          the process that trains here now
 *   anything else                 what was trained, at the end
 *
 * The state is written whole, after the losses that led to it have reached the device: losses behind the last state are cut
 * off when the training goes on, and their steps taken again. How a state is encoded is the caller's.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { kindOf, messageOf, Problem } from '@seal/files';
import { type Disk, makeDirectory, readJson, readText, readWhole, realDisk, takeLock, TEMPORARY_SUFFIX, writeProblem, writeWhole } from '@seal/files/node';
import { type Type, type } from 'arktype';
import { type Layout, RecordDirectory } from './record-directory.ts';
import { checkBy } from './records.ts';

export type TrainingKind = 'sft' | 'pretraining';

const stepSchema = type({
  step: 'number.integer >= 0',
  loss: type('number').narrow((value, context) => Number.isFinite(value) || context.mustBe('finite')),
  'learningRate?': 'number',
}).onUndeclaredKey('reject');

/** A step's line of `losses.jsonl`. */
export type StepRecord = Readonly<typeof stepSchema.infer>;

interface TrainingRecords {
  readonly losses: StepRecord;
}

const LAYOUT: Layout<TrainingRecords> = {
  what: 'training',
  kinds: { losses: checkBy(stepSchema as unknown as Type<StepRecord>) },
  reserved: [],
  line: (record) => JSON.stringify(record),
};
const LOSSES = 'losses.jsonl';

/** What tells kinds of training apart. */
interface Kind {
  readonly begun: string;
  readonly state: string;
  /** As in "Cannot train in". */
  readonly verb: string;
  /** What has to be given again to go on. */
  readonly again: string;
  /** Files that only a finished training has. */
  readonly results: readonly string[];
  readonly keepsState: boolean;
  readonly damaged: (path: string, problem: string) => string;
  /** What settings were called in files written before they had names of their own. */
  readonly earlier: Readonly<Record<string, string>>;
}

const KINDS: Readonly<Record<TrainingKind, Kind>> = {
  sft: {
    begun: 'sft.json',
    state: 'sft-state.safetensors',
    verb: 'train',
    again: 'the same request',
    results: ['adapter_model.safetensors', 'model.safetensors'],
    keepsState: false,
    damaged: (path, problem) => `Cannot go on from ${path}: ${problem}; delete its directory and begin anew`,
    earlier: {
      model: '--model',
      weights: '--weights',
      data: '--data',
      adapterInit: '--adapter-init',
      full: '--full',
      rank: '--rank',
      alpha: '--alpha',
      targets: '--targets',
      learningRate: '--lr',
      schedule: '--schedule',
      warmUp: '--warmup',
      steps: '--steps or --epochs',
      batch: '--batch',
      seq: '--seq',
      seed: '--seed',
    },
  },
  pretraining: {
    begun: 'pretraining.json',
    state: 'pretraining-state.safetensors',
    verb: 'pretrain',
    again: 'the same seed and steps',
    results: [],
    keepsState: true,
    damaged: (_, problem) => problem,
    earlier: {},
  },
};

/** A state as the bytes of a file; `decode` throws for bytes that are none, `place` names the file in what it says. */
export interface StateCodec<State> {
  encode(state: State): Uint8Array;
  decode(bytes: Uint8Array<ArrayBuffer>, place: string): State;
}

export interface TrainingRequest<State> {
  readonly kind: TrainingKind;
  /** The settings that must be the same to go on, by the names they have in the request; values are JSON. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly codec: StateCodec<State>;
  readonly disk?: Disk;
}

/** A training that was begun or is gone on with; nobody else has it until `close`. */
export class Training<State extends { readonly step: number }> {
  /** Where it goes on from; null at the beginning. */
  readonly resumed: State | null;
  readonly #records: RecordDirectory<TrainingRecords>;
  readonly #kind: Kind;
  readonly #codec: StateCodec<State>;

  constructor(records: RecordDirectory<TrainingRecords>, kind: Kind, codec: StateCodec<State>, resumed: State | null) {
    this.#records = records;
    this.#kind = kind;
    this.#codec = codec;
    this.resumed = resumed;
  }

  /** The directory, for people. */
  get place(): string {
    return this.#records.place;
  }

  /** Losses of all steps so far. */
  async losses(): Promise<number[]> {
    return (await this.#records.records('losses')).map(({ loss }) => loss);
  }

  async record(steps: readonly StepRecord[]): Promise<void> {
    for (const step of steps) await this.#records.append('losses', step);
  }

  /** Keeps a state to go on from. */
  async save(state: State): Promise<void> {
    await this.#records.checkpoint();
    await this.#records.writeFile(this.#kind.state, this.#codec.encode(state));
  }

  /** Puts the results in place and removes what was for going on alone. */
  async finish(files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
    for (const [name, content] of Object.entries(files)) await this.#records.writeFile(name, content);
    if (!this.#kind.keepsState) await this.#records.removeFile(this.#kind.state);
  }

  close(): Promise<void> {
    return this.#records.close();
  }
}

/**
 * Begins in an empty directory, or goes on in one that was begun with the same settings.
 *
 * Rejects with a problem of kind `usage` for anything else, naming what differs; with HeldError where another process
 * trains there; with a problem of kind `data` for a damaged state or damaged losses.
 */
export async function openTraining<State extends { readonly step: number }>(
  dir: string,
  { kind: name, settings, codec, disk = realDisk }: TrainingRequest<State>,
): Promise<Training<State>> {
  const kind = KINDS[name];
  hasState(dir, kind, settings);
  try {
    makeDirectory(dir);
  } catch (cause) {
    throw writeProblem('write', dir, cause);
  }
  const lock = takeLock(dir);
  try {
    // Another process may have ended there since.
    const resumed = hasState(dir, kind, settings) ? readState(join(dir, kind.state), kind, codec) : null;
    const lines = resumed ? keptLines(join(dir, LOSSES), resumed.step) : [];
    if (!resumed) writeWhole(join(dir, kind.begun), `${JSON.stringify(settings, null, 2)}\n`, disk);
    writeWhole(join(dir, LOSSES), lines.map((line) => `${line}\n`).join(''), disk);
    try {
      return new Training(new RecordDirectory(dir, LAYOUT, lock, disk), kind, codec, resumed);
    } catch (cause) {
      if (kindOf(cause) !== 'data') throw cause;
      throw new Problem('data', `Cannot go on: a line of ${join(dir, LOSSES)} is damaged; begin anew in another directory`, { place: dir, cause });
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Whether there is a state to go on from. Throws a problem where nothing can be trained. */
function hasState(dir: string, kind: Kind, settings: Readonly<Record<string, unknown>>): boolean {
  const { verb, begun, state, again, results, earlier } = kind;
  if (dir === '') throw new Problem('usage', `Cannot ${verb}: \`out\` is empty; name a directory`);
  const place = join(dir, begun);
  if (!existsSync(place)) {
    if (!existsSync(dir)) return false;
    const isDirectory = statSync(dir).isDirectory();
    if (isDirectory && readdirSync(dir).every((entry) => entry === 'lock' || entry.endsWith(TEMPORARY_SUFFIX))) return false;
    throw new Problem('usage', `Cannot ${verb} in ${dir}: it is ${isDirectory ? 'not empty' : 'a file'}; choose another directory`, { place: dir });
  }
  const json = readJson(place, 'data');
  const before: Readonly<Record<string, unknown>> = typeof json === 'object' && json !== null ? { ...json } : {};
  const was = (name: string): unknown => before[name in before ? name : (earlier[name] ?? name)];
  const other = Object.keys(settings).filter((name) => JSON.stringify(was(name)) !== JSON.stringify(settings[name]));
  if (other.length > 0) {
    const list = other.map((name) => `${nameOf(name, kind)} (${shown(was(name))})`).join(', ');
    throw new Problem('usage', `Cannot go on in ${dir}: it was begun with other ${list}; use ${again}, or another \`out\``, { place: dir });
  }
  if (existsSync(join(dir, state))) return true;
  if (results.some((name) => existsSync(join(dir, name)))) {
    throw new Problem('usage', `Cannot ${verb} in ${dir}: its training is finished; choose another directory`, { place: dir });
  }
  return false;
}

/** The steps of a fine-tuning are given as such or as epochs. */
function nameOf(setting: string, { begun }: Kind): string {
  return setting === 'steps' && begun === KINDS.sft.begun ? '`steps` or `epochs`' : `\`${setting}\``;
}

/** A digest tells nobody anything. */
function shown(value: unknown): string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? 'another' : (JSON.stringify(value) ?? 'none');
}

function readState<State extends { readonly step: number }>(path: string, { damaged }: Kind, codec: StateCodec<State>): State {
  try {
    const state = codec.decode(readWhole(path), path);
    if (!Number.isInteger(state.step) || state.step < 1) throw new RangeError(`its step is ${state.step}`);
    return state;
  } catch (cause) {
    throw new Problem('data', damaged(path, messageOf(cause)), { place: path, cause });
  }
}

/** Lines of the steps that count: those recorded after the last state are taken again. */
function keptLines(path: string, steps: number): string[] {
  const lines = readText(path, 'data').split('\n').slice(0, -1);
  if (lines.length >= steps) return lines.slice(0, steps);
  const problem = `Cannot go on: ${path} holds ${lines.length} losses, but ${steps} steps were taken; begin anew in another directory`;
  throw new Problem('data', problem, { place: path });
}
