/** `seal run`: the whole loop, once or for several seeds, with a report. */

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readJson, writeWhole } from '@seal/files/node';
import { kindOf, messageOf, Problem, problemsAs, Stopped } from '@seal/files';
import { DeviceLostError, runtimeName } from '@seal/device';
import { renderTable } from '@seal/report';
import {
  checkRoomForRun,
  createRun,
  deriveRunId,
  openRun,
  readRun,
  type PooledDocument,
  type ResultDocument,
  type RewardRecord,
  type RunDirectory,
  type RunHeader,
} from '@seal/runs';
import {
  notesOf,
  pooledDocument,
  resolveConfig,
  resultDocument,
  SealRun,
  SHORTENED,
  Workbench,
  type Policy,
  type PresetName,
  type RunInput,
  type SealConfig,
} from '@seal/trainer';
import { EXIT, exitCodeOf } from './failure.ts';
import type { CommandOf } from './options.ts';
import { readContexts, writeReport } from './report.ts';
import { checkHostMemory, initialPolicy, openCheckpoint, openSession, SHIPPED_MODEL, type Session } from './session.ts';
import { stopSignal } from './stop.ts';
import { checkPreset, inRounds, subjectOf, templateOf, type Drawn, type Subject } from './subject.ts';
import { duration, print, ProgressDisplay, say, sayWhatBrokeOff } from './terminal.ts';
import { packageVersion, sourceCommit } from './version.ts';

/** Where runs go unless said otherwise. */
const RUNS = 'runs';

type RunCommand = CommandOf<'run'>;

/** A finished run and what its result was made from. */
interface Finished {
  readonly document: ResultDocument;
  readonly rewards: readonly RewardRecord[];
}

export async function run(command: RunCommand): Promise<void> {
  const seeds = seedsOf(command);
  const { resume, out } = command;
  if (resume === undefined && out !== undefined && seeds.length === 1) await problemsAs('usage', () => checkRoomForRun(out));
  const resumed = resume === undefined ? null : await readHeader(resume);
  const preset = (resumed?.preset ?? command.preset) as PresetName;
  const mode = resumed?.mode ?? (command.mode as RunHeader['mode']);
  const overrides = command.config === undefined ? undefined : readJson(command.config, 'usage');
  const source = command.resume === undefined ? (command.config ?? 'the configuration') : join(command.resume, 'run.json');
  const config = await problemsAs('usage', () => resolveConfig(preset, mode, resumed?.config ?? overrides, source));
  const { model = SHIPPED_MODEL, passages, template, chat = false } = resumed ? { ...resumed.source } : command;
  const checkpoint = await openCheckpoint(model);
  checkPreset(preset, checkpoint, { model: resumed?.source?.model ?? command.model, passages });
  const { rounds } = config.outer;
  checkHostMemory(checkpoint, 1 + rounds * (config.evaluation.randomSelection ? 2 : 1));
  const subject = await subjectOf(checkpoint, model, { template, chat, mode, passages });
  if (!resumed) for (const seed of seeds) await drawn(subject, config, seed, source);
  const origin = passages === undefined ? {} : { source: { model, passages, template: await templateOf(template), chat } };
  const { signal, dispose } = stopSignal(command.maxTime);
  const session = await openSession(model, checkpoint, { weights: 'f32' });
  const bench = await problemsAs('usage', () => new Workbench(session.model, subject.codec, config, subject.lengths(config)));
  try {
    const initial = await initialPolicy(session);
    const headers = (resumed ? [resumed.seed] : seeds).map((seed) => headerOf(session, initial, { preset, mode, seed, config, ...origin }));
    const place = placeOf(command, headers);
    const finished: Finished[] = [];
    for (const header of headers) {
      const store = await openStore(command, header, place);
      sayWhatDiffers(store.header, header);
      const contexts = await orClose(store, () => contextsFor(store, subject, config, source));
      finished.push(await complete(initial, subject, bench, store, { config, ...contexts }, signal, place.goOn));
    }
    conclude(command, finished, place);
  } finally {
    dispose();
    bench.destroy();
    session.close();
  }
}

function seedsOf({ seed, seeds, resume, config, out, model, passages, template, chat }: RunCommand): number[] {
  for (const [name, value] of Object.entries({ config, out, model, passages, template, chat })) {
    if (resume === undefined || value === undefined || value === false) continue;
    throw new Problem('usage', `Cannot use --${name} with --resume: ${resume} keeps what it was begun with; leave --${name} out`);
  }
  if (seeds === undefined) return [seed];
  if (resume !== undefined) throw new Problem('usage', 'Cannot use --seeds with --resume: give the same --seeds and --out again, what is finished there is kept');
  const list = seeds.split(',').map((text) => (/^\s*\d{1,9}\s*$/.test(text) ? Number(text) : NaN));
  if (list.some(Number.isNaN) || new Set(list).size !== list.length) {
    throw new Problem('usage', `Cannot use --seeds ${seeds}: write different whole numbers with commas between, such as 0,1,2`);
  }
  return list;
}

async function readHeader(dir: string): Promise<RunHeader> {
  return problemsAs('data', () => readRun(dir).header);
}

function headerOf(
  session: Session,
  initial: Policy,
  what: Pick<RunHeader, 'preset' | 'mode' | 'seed' | 'source'> & { readonly config: SealConfig },
): RunHeader {
  const commit = sourceCommit();
  const header = {
    createdAt: new Date().toISOString(),
    ...what,
    config: { ...what.config },
    environment: {
      runtime: runtimeName(),
      adapter: session.gpu.description.description,
      packageVersion: packageVersion(),
      ...(commit !== undefined && { commit }),
      ...(session.tuningDigest !== null && { kernels: session.tuningDigest }),
    },
    modelDigest: initial.digest,
  };
  return { runId: deriveRunId(header), ...header };
}

/** Where the runs of a command go, and the command that goes on with them. */
interface Place {
  readonly dir: string;
  /** Several seeds share a directory: each has its own in it, and the pooled result lies beside them. */
  readonly several: boolean;
  readonly goOn: string;
}

function placeOf(command: RunCommand, headers: readonly RunHeader[]): Place {
  const [first] = headers;
  const several = headers.length > 1;
  const dir = command.resume ?? command.out ?? join(RUNS, `${first?.runId}${several ? '-and-more' : ''}`);
  if (!several) return { dir, several, goOn: `npm run -s seal -- run --resume ${dir}` };
  const { preset, mode, seeds, model, passages, template, chat, config } = command;
  const options = Object.entries({ model, passages, template, config }).filter(([, value]) => value !== undefined);
  const given = options.map(([name, value]) => ` --${name} ${value}`).join('');
  return { dir, several, goOn: `npm run -s seal -- run --preset ${preset} --mode ${mode}${given}${chat ? ' --chat' : ''} --seeds ${seeds} --out ${dir}` };
}

async function openStore(command: RunCommand, header: RunHeader, { dir, several }: Place): Promise<RunDirectory> {
  const own = several ? join(dir, `seed-${header.seed}`) : dir;
  const begun = several && existsSync(join(own, 'run.json'));
  if (command.resume === undefined && !begun) return problemsAs('usage', () => createRun(own, header));
  const { preset, mode, config, modelDigest } = header;
  const expected = begun ? { preset, mode, config, modelDigest } : { modelDigest };
  const store = await problemsAs('data', () => openRun(own, { expected }));
  await orClose(store, () => problemsAs('data', () => checkPolicies(store)));
  return store;
}

/** What `work` throws leaves no lock behind. */
async function orClose<T>(store: RunDirectory, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    store.close();
    throw error;
  }
}

/** What was begun with other kernels may end in other bits. */
function sayWhatDiffers({ environment: begun }: RunHeader, { environment: now }: RunHeader): void {
  if (begun.kernels === now.kernels) return;
  const named = (kernels: string | undefined) => (kernels === undefined ? 'the default kernels' : `tuned kernels (${kernels.slice(0, 12)})`);
  say(`This run was begun with ${named(begun.kernels)} and goes on with ${named(now.kernels)}, which may round differently`);
}

/** Every recorded fine-tuning needs its adapter: throws when one is gone or damaged. */
function checkPolicies(store: RunDirectory): void {
  for (const { adapterDigest } of store.records('sft')) if (adapterDigest !== null) store.readBlob('adapters', adapterDigest);
}

async function complete(
  initial: Policy,
  { domain, baseModel }: Subject,
  bench: Workbench,
  store: RunDirectory,
  what: Pick<RunInput, 'config' | 'rounds' | 'evaluation'>,
  signal: AbortSignal,
  goOn: string,
): Promise<Finished> {
  const { header, dir } = store;
  const begun = performance.now();
  say(`Run ${header.runId} in ${dir}`);
  const display = new ProgressDisplay();
  try {
    const input: RunInput = {
      ...what,
      seed: header.seed,
      domain,
      initial,
      baseModel,
    };
    const sealRun = new SealRun(input, bench, store, { onProgress: (progress) => display.show(progress), onNote: say, signal });
    const rewards = await problemsAs('training', () => sealRun.complete());
    display.close();
    const timings = { ...sealRun.timings, totalSeconds: (performance.now() - begun) / 1_000 };
    sayWhatBrokeOff(bench);
    const document = resultDocument(header, dir, rewards, timings, notesOf(readRun(dir)));
    store.writeFile('result.json', `${JSON.stringify(document, null, 2)}\n`);
    writeReport(dir);
    return { document, rewards };
  } catch (error) {
    display.close();
    if (signal.aborted) {
      const time = new Date().toISOString();
      store.append('events', { time, type: 'stopped', message: String(signal.reason), details: null });
      throw new Stopped(`${messageOf(signal.reason)}; nothing finished is lost. Go on with: ${goOn}`);
    }
    if (error instanceof DeviceLostError) {
      throw new Problem('training', `${error.message}. Nothing finished is lost. Go on with: ${goOn}`, { cause: error });
    }
    if (exitCodeOf(error) === EXIT.resumable) {
      throw new Problem('resumable', `${messageOf(error)}. Go on with: ${goOn}`, { cause: error });
    }
    throw error;
  } finally {
    store.close();
  }
}

/** Contexts of a run by its seed. Ends with exit code 2 where there are too few; `place` is what asks for so many. */
async function drawn(subject: Subject, config: SealConfig, seed: number, place: string): Promise<Drawn> {
  try {
    return await subject.draw(config, seed);
  } catch (cause) {
    if (kindOf(cause) !== null) throw cause;
    const remedy = 'lower outer.contexts, outer.rounds or evaluation.contexts';
    throw new Problem('usage', `Cannot use ${place}: ${messageOf(cause)}; ${remedy}`, { cause });
  }
}

/** The contexts that a run's directory keeps; those of a new run are drawn and kept there, with a word on what they lost. */
async function contextsFor(
  store: RunDirectory,
  subject: Subject,
  config: SealConfig,
  place: string,
): Promise<Pick<RunInput, 'rounds' | 'evaluation'>> {
  const kept = join(store.dir, 'contexts.json');
  const { outer, evaluation } = config;
  if (existsSync(kept)) {
    const all = readContexts(kept);
    const learnt = outer.rounds * outer.contexts;
    if (all.length !== learnt + evaluation.contexts) {
      throw new Problem('data', `Cannot use ${kept}: it holds ${all.length} contexts, the run asks for ${learnt + evaluation.contexts}`);
    }
    return { rounds: inRounds(all.slice(0, learnt), outer), evaluation: all.slice(learnt) };
  }
  const contexts = await drawn(subject, config, store.header.seed, place);
  store.writeFile('contexts.json', `${JSON.stringify([...contexts.rounds.flat(), ...contexts.evaluation], null, 1)}\n`);
  if (contexts.shortened !== null) {
    say(contexts.shortened);
    store.append('events', { time: new Date().toISOString(), type: SHORTENED, message: contexts.shortened, details: null });
  }
  return contexts;
}

function conclude(command: RunCommand, finished: readonly Finished[], { dir, several }: Place): void {
  const [only] = finished;
  if (!only) return;
  const document: ResultDocument | PooledDocument = finished.length === 1 ? only.document : pooledDocument(finished);
  if (several) writeWhole(join(dir, 'result.json'), `${JSON.stringify(document, null, 2)}\n`);
  if (command.json) return print(JSON.stringify(document));
  print(renderTable(document));
  for (const { document: own } of finished) {
    const report = resolve(own.dir, 'report.html');
    if (existsSync(report)) print(`Report: ${report} (${duration(own.timings.totalSeconds)})`);
  }
}
