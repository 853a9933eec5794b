/** The whole loop, once or for several seeds, with a table and a report. */

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DeviceLostError, runtimeName } from '@seal/device';
import { kindOf, messageOf, Problem, problemsAs } from '@seal/files';
import { writeWhole } from '@seal/files/node';
import type { Context } from '@seal/domains';
import { counted } from '@seal/report/text';
import {
  checkRoomForRun,
  createRun,
  deriveRunId,
  openRun,
  parseContexts,
  readRun,
  type Mode,
  type PooledDocument,
  type ResultDocument,
  type RewardRecord,
  type RunHeader,
  type RunStore,
} from '@seal/runs';
import {
  executorSettings,
  lengthsOf,
  likelihoodMeasure,
  notesOf,
  pooledDocument,
  resolveConfig,
  resultDocument,
  SealRun,
  SHORTENED,
  type Executor,
  type Lengths,
  type RunInput,
  type SealConfig,
} from '@seal/trainer';
import { type } from 'arktype';
import type { Deps, OpenedExecutor } from './deps.ts';
import { note, type Hooks } from './events.ts';
import { openExecutor } from './executor/open.ts';
import { builtInPresets } from './presets/list.ts';
import { fitted, presetOf, type Subject, type TextRequest } from './presets/preset.ts';
import { report } from './report.ts';
import { checkRequest, CONFIGURED, SEED, WORDING, type RequestOf } from './request.ts';
import { checkHostMemory, openCheckpoint } from './session.ts';

/** Where runs go unless said otherwise. */
const RUNS = 'runs';

const schema = type({
  ...CONFIGURED,
  ...WORDING,
  /** `corrected` unless given. */
  'mode?': "'paper' | 'corrected'",
  'model?': 'string',
  /** The file that a run draws its contexts from. */
  'passages?': 'string',
  /** Passages of the table, which no round sees; drawn from `passages` unless given. */
  'tablePassages?': 'string',
  /** 0 unless given. */
  'seed?': SEED,
  /** Several of them make several runs and one pooled result. */
  'seeds?': 'number[]',
  /** Directory to make for the run; `runs/ID` unless given. Several seeds go on when given again with their `out`. */
  'out?': 'string',
  /** Goes on with a stopped run, which keeps what it was begun with. */
  'resume?': 'string',
  /** Tell what the driver writes by itself. */
  'verbose?': 'boolean',
});

export type RunRequest = RequestOf<typeof schema>;

/** A run's result and where it is. */
export interface FinishedRun {
  readonly document: ResultDocument | PooledDocument;
  readonly dir: string;
  /** Every run of it by itself. */
  readonly runs: readonly { readonly document: ResultDocument; readonly report: string }[];
}

/** A run that ended before its end; what is finished is kept in `dir`. */
export class RunStopped extends Error {
  override readonly name = 'RunStopped';
  readonly kind = 'resumable';
  readonly dir: string;

  constructor(message: string, dir: string, options?: ErrorOptions) {
    super(message, options);
    this.dir = dir;
  }
}

/** Everything that is the same for all seeds of a request. */
interface Setting {
  readonly preset: string;
  readonly mode: Mode;
  readonly config: SealConfig;
  /** What messages name as the source of the configuration. */
  readonly place: string;
  readonly model: string | undefined;
  readonly subject: Subject;
  readonly lengths: Lengths;
}

interface Finished {
  readonly document: ResultDocument;
  readonly rewards: readonly RewardRecord[];
  readonly report: string;
}

/** Runs to the end, or goes on. Throws RunStopped where it is stopped: what is finished is kept. */
export async function run(request: RunRequest, deps: Deps, hooks: Hooks = {}): Promise<FinishedRun> {
  const seeds = checkedSeeds(checkRequest(schema, request));
  const { resume, out } = request;
  if (resume === undefined && out !== undefined && seeds.length === 1) await problemsAs('usage', () => checkRoomForRun(out));
  const resumed = resume === undefined ? null : await problemsAs('data', async () => (await readRun(resume)).header);
  const preset = resumed?.preset ?? request.preset ?? 'tiny';
  const mode = resumed?.mode ?? request.mode ?? 'corrected';
  const place = resume === undefined ? (request.configPlace ?? 'the configuration') : join(resume, 'run.json');
  const chosen = presetOf(deps.presets ?? builtInPresets, preset);
  const config = await problemsAs('usage', () => resolveConfig(chosen.config, mode, resumed?.config ?? request.config, place));
  const { model, passages, tablePassages, template, chat } = resumed ? { model: resumed.model, ...(resumed.domain as TextRequest | undefined) } : request;
  const checkpoint = await openCheckpoint(model, deps);
  const subject = await chosen.open(checkpoint, { model, mode, passages, tablePassages, template, chat });
  // The weights as they were loaded, those of the policy in use, and those being made from them.
  checkHostMemory(checkpoint, config.outer.rounds > 0 ? 3 : 1, deps.totalMemory);
  const lengths = await problemsAs('usage', () => lengthsOf(config, checkpoint.config.maxPositionEmbeddings, subject.promptTokens));
  const setting: Setting = { preset, mode, config, place, model, subject, lengths };
  if (!resumed) for (const seed of seeds) await drawn(setting, seed);

  let current: RunStore | null = null;
  const opened = await openExecutor(
    {
      checkpoint,
      weights: 'f32',
      verbose: request.verbose,
      settings: executorSettings(config, lengths, subject.codec, subject.baseModel),
      readAdapter: (digest) => current?.readBlob('adapters', digest) ?? Promise.reject(new RangeError(`Cannot read adapter ${digest}: no run is open`)),
    },
    deps,
    hooks,
  );
  try {
    const modelDigest = await problemsAs('unavailable', () => opened.executor.baseDigest());
    const headers = (resumed ? [resumed.seed] : seeds).map((seed) => headerOf(setting, seed, modelDigest, opened, deps));
    const several = headers.length > 1;
    const dir = resume ?? out ?? join(RUNS, `${headers[0]?.runId}${several ? '-and-more' : ''}`);
    const finished: Finished[] = [];
    for (const header of headers) {
      const store = await openStore(header, several ? join(dir, `seed-${header.seed}`) : dir, { resume: resume !== undefined, several });
      current = store;
      tellWhatDiffers(store.header, header, hooks);
      try {
        finished.push(await complete(setting, modelDigest, opened.executor, store, dir, deps, hooks));
      } finally {
        await store.close();
      }
    }
    return concluded(finished, dir, several);
  } finally {
    await opened.executor.close();
  }
}

function checkedSeeds({ resume, seeds, ...begun }: RunRequest): readonly number[] {
  for (const [name, value] of Object.entries(begun)) {
    if (resume === undefined || name === 'verbose' || value === undefined || value === false) continue;
    throw new Problem('usage', `Cannot use \`${name}\` with \`resume\`: ${resume} keeps what it was begun with; leave \`${name}\` out`);
  }
  if (seeds === undefined) return [begun.seed ?? 0];
  if (resume !== undefined) throw new Problem('usage', 'Cannot use `seeds` with `resume`: give the same `seeds` and `out` again, what is finished there is kept');
  if (begun.seed !== undefined) throw new Problem('usage', 'Cannot use `seed` with `seeds`: leave one out');
  const isSeed = (seed: number) => Number.isSafeInteger(seed) && seed >= 0;
  if (seeds.length === 0 || !seeds.every(isSeed) || new Set(seeds).size !== seeds.length) {
    throw new Problem('usage', `Cannot use \`seeds\` ${seeds.join(',')}: write different whole numbers with commas between, such as 0,1,2`);
  }
  return seeds;
}

function headerOf({ preset, mode, config, model, subject }: Setting, seed: number, modelDigest: string, { adapter, tuningDigest }: OpenedExecutor, { version, now }: Deps): RunHeader {
  const { terms } = subject.domain;
  const header = {
    createdAt: now().toISOString(),
    preset,
    mode,
    seed,
    config: { ...config },
    environment: {
      runtime: runtimeName(),
      adapter,
      packageVersion: version.package,
      ...(version.commit !== undefined && { commit: version.commit }),
      ...(tuningDigest !== null && { kernels: tuningDigest }),
    },
    modelDigest,
    ...(model !== undefined && { model }),
    ...(subject.kept !== null && { domain: { ...subject.kept } }),
    ...(terms !== undefined && { terms }),
  };
  return { runId: deriveRunId(header), ...header };
}

async function openStore(header: RunHeader, dir: string, { resume, several }: { readonly resume: boolean; readonly several: boolean }): Promise<RunStore> {
  const begun = several && existsSync(join(dir, 'run.json'));
  if (!resume && !begun) return problemsAs('usage', () => createRun(dir, header));
  const { preset, mode, config, modelDigest, domain } = header;
  const store = await problemsAs('data', () => openRun(dir, { expected: begun ? { preset, mode, config, modelDigest, ...(domain && { domain }) } : { modelDigest } }));
  try {
    // Every recorded fine-tuning needs its adapter.
    for (const { adapterDigest } of await store.records('sft')) if (adapterDigest !== null) await problemsAs('data', () => store.readBlob('adapters', adapterDigest));
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** What was begun with other kernels may end in other bits. */
function tellWhatDiffers({ environment: begun }: RunHeader, { environment: now }: RunHeader, hooks: Hooks): void {
  if (begun.kernels === now.kernels) return;
  const named = (kernels: string | undefined) => (kernels === undefined ? 'the default kernels' : `tuned kernels (${kernels.slice(0, 12)})`);
  note(hooks, `This run was begun with ${named(begun.kernels)} and goes on with ${named(now.kernels)}, which may round differently`);
}

async function complete(setting: Setting, modelDigest: string, executor: Executor, store: RunStore, dir: string, deps: Deps, hooks: Hooks): Promise<Finished> {
  const { header } = store;
  const { config, subject, lengths } = setting;
  const begun = performance.now();
  try {
    const contexts = await contextsFor(store, setting, deps, hooks);
    note(hooks, `Run ${header.runId} in ${store.place}`);
    const input: RunInput = { ...contexts, config, seed: header.seed, domain: subject.domain, codec: subject.codec, lengths, modelDigest };
    const sealRun = new SealRun(input, executor, store, {
      onProgress: (progress) => hooks.onEvent?.({ type: 'run', progress }),
      onNote: (text) => note(hooks, text),
      signal: hooks.signal,
    });
    const rewards = await problemsAs('training', () => sealRun.complete());
    const timings = { ...sealRun.timings, totalSeconds: (performance.now() - begun) / 1_000 };
    tellWhatBrokeOff(sealRun.broken, subject.codec.cutDocuments, hooks);
    const records = await readRun(store.place);
    const document = resultDocument(header, store.place, rewards, timings, notesOf(records), likelihoodMeasure(records.rewards));
    await store.writeFile('result.json', `${JSON.stringify(document, null, 2)}\n`);
    return { document, rewards, report: (await report({ run: store.place })).report };
  } catch (error) {
    if (hooks.signal?.aborted && isStop(error, hooks.signal)) {
      await store.append('events', { time: deps.now().toISOString(), type: 'stopped', message: messageOf(hooks.signal.reason), details: null });
      throw new RunStopped(`${messageOf(hooks.signal.reason)}; nothing finished is lost`, dir);
    }
    if (kindOf(error) === 'resumable') throw new RunStopped(messageOf(error), dir, { cause: error });
    if (error instanceof DeviceLostError) throw new RunStopped(`${error.message}. Nothing finished is lost`, dir, { cause: error });
    throw error;
  }
}

/** Whether work ended because of its signal, not of something else in the meantime. */
function isStop(error: unknown, { reason }: AbortSignal): boolean {
  return error === reason || (error instanceof Error && error.cause === reason);
}

/** Says how many texts were broken off or cut, once for all of them. */
export function tellWhatBrokeOff(broken: { readonly answers: number; readonly selfEdits: number }, cutDocuments: number, hooks: Hooks): void {
  const parts = [
    ...(broken.selfEdits > 0 ? [`${counted(broken.selfEdits, 'self-edit')} reached the most tokens and ended at the last whole sentence`] : []),
    ...(broken.answers > 0 ? [`${counted(broken.answers, 'answer')} reached the most tokens`] : []),
    ...(cutDocuments > 0 ? [`${counted(cutDocuments, 'training text')} did not fit whole`] : []),
  ];
  if (parts.length > 0) note(hooks, `${parts.join('; ')}.`);
}

type RunContexts = Pick<RunInput, 'rounds' | 'evaluation'>;

/** Contexts of a run by its seed, and a sentence on what they lost. Throws a problem of kind `usage` where there are too few. */
async function drawn({ subject, config, place, lengths }: Setting, seed: number): Promise<RunContexts & { readonly shortened: string | null }> {
  const { outer, evaluation } = config;
  const needed = { rounds: outer.rounds, perRound: outer.contexts, table: evaluation.contexts };
  const learnt = needed.rounds * needed.perRound;
  try {
    const { rounds, table, spare = [], source } = await subject.draw(needed, seed);
    if (!source) return { ...divided([...rounds, ...table], config), shortened: null };
    const all = subject.domain.tooLong === 'left out' ? [...rounds, ...table, ...spare] : [...rounds, ...table];
    const fit = await fitted(subject, lengths, all, source.place, all.map((context) => source.items.get(context) ?? 0));
    if (fit.contexts.length < learnt + needed.table) {
      throw new RangeError(`${source.place} holds ${fit.contexts.length} that fit, but ${learnt + needed.table} are needed; add some`);
    }
    return { ...divided(fit.contexts.slice(0, learnt + needed.table), config), shortened: fit.shortened };
  } catch (cause) {
    if (kindOf(cause) !== null || !(cause instanceof RangeError)) throw cause;
    const remedy = 'lower outer.contexts, outer.rounds or evaluation.contexts';
    throw new Problem('usage', `Cannot use ${place}: ${messageOf(cause)}; ${remedy}`, { cause });
  }
}

function divided(all: readonly Context[], { outer }: SealConfig): RunContexts {
  const learnt = outer.rounds * outer.contexts;
  const rounds = Array.from({ length: outer.rounds }, (_, round) => all.slice(round * outer.contexts, (round + 1) * outer.contexts));
  return { rounds, evaluation: all.slice(learnt) };
}

/** The contexts that a run keeps; those of a new run are drawn and kept there, with a word on what they lost. */
async function contextsFor(store: RunStore, setting: Setting, { now }: Deps, hooks: Hooks): Promise<RunContexts> {
  const { config } = setting;
  const { outer, evaluation } = config;
  const bytes = await store.readFile('contexts.json');
  if (bytes) {
    const kept = join(store.place, 'contexts.json');
    const all = parseContexts(parsed(bytes, kept), kept) as readonly Context[];
    const wanted = outer.rounds * outer.contexts + evaluation.contexts;
    if (all.length !== wanted) throw new Problem('data', `Cannot use ${kept}: it holds ${all.length} contexts, the run asks for ${wanted}`, { place: kept });
    return divided(all, config);
  }
  const contexts = await drawn(setting, store.header.seed);
  await store.writeFile('contexts.json', `${JSON.stringify([...contexts.rounds.flat(), ...contexts.evaluation], null, 1)}\n`);
  if (contexts.shortened !== null) {
    note(hooks, contexts.shortened);
    await store.append('events', { time: now().toISOString(), type: SHORTENED, message: contexts.shortened, details: null });
  }
  return contexts;
}

function parsed(bytes: Uint8Array, place: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new Problem('data', `Cannot read ${place}: it is not JSON (${messageOf(cause).replaceAll(/\s*\n\s*/g, ' ')})`, { place, cause });
  }
}

function concluded(finished: readonly Finished[], dir: string, several: boolean): FinishedRun {
  const [only] = finished;
  if (!only) throw new RangeError('Cannot conclude: there are no runs');
  const document = several ? pooledDocument(finished) : only.document;
  if (several) writeWhole(join(dir, 'result.json'), `${JSON.stringify(document, null, 2)}\n`);
  return { document, dir, runs: finished.map((one) => ({ document: one.document, report: resolve(one.report) })) };
}
