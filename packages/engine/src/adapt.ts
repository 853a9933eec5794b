/** Contexts in, an adapter directory out. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterStop, Problem, problemsAs, type StreamName } from '@seal/files';
import { checkVacant, writeDirectory } from '@seal/files/node';
import type { Context } from '@seal/domains';
import { holdingName } from '@seal/model';
import { counted, duration } from '@seal/report/text';
import { PASSAGE_TERMS, pluralOf } from '@seal/runs';
import {
  adaptationOf,
  BASE_POLICY,
  executorSettings,
  expectedTokens,
  lengthsOf,
  selfEditReader,
  type AdaptResult,
  type Executor,
  type Lengths,
  type Sampled,
  type SealConfig,
} from '@seal/trainer';
import { type } from 'arktype';
import type { Deps } from './deps.ts';
import { documentPassages } from './documents.ts';
import { note, type Hooks } from './events.ts';
import { foretellMemory } from './executor/memory.ts';
import { openExecutor } from './executor/open.ts';
import { learntOf, meanLosses, passageTexts, type LearntPassage, type MeanLosses } from './learnt.ts';
import { readLearnt, type Learnt } from './policy.ts';
import { builtInPresets } from './presets/list.ts';
import { fitted, presetFor, type Subject } from './presets/preset.ts';
import { checkRequest, CONFIGURED, LOADING, SEED, WORDING, type RequestOf } from './request.ts';
import { tellWhatBrokeOff } from './run.ts';
import { checkHostMemory, openCheckpoint } from './session.ts';
import { configFor } from './settings.ts';

/** Tokens of a step that trains one adapter, where the configuration does not say it. */
const STEP_TOKENS = 2_048;

/** Of a configuration, what says how one adapter is trained and asked, and how its self-edits are written. */
const ADAPTING = [
  'inner.lora',
  'inner.learningRate',
  'inner.schedule',
  'inner.warmUpSteps',
  'inner.steps',
  'inner.documentsPerStep',
  'inner.replayPerStep',
  'inner.contextsPerAdapter',
  'inner.tokensPerStep',
  'inner.recompute',
  'inner.trainOnPadding',
  'inner.maxAnswerTokens',
  'outer.temperature',
  'outer.topP',
  'outer.maxSelfEditTokens',
];

const schema = type({
  ...LOADING,
  ...CONFIGURED,
  ...WORDING,
  /** A file of passages with questions; either this or `documents`. */
  'passages?': 'string',
  /** Markdown, text and PDF without questions: files, and folders of them. */
  'documents?': 'string[]',
  /** Directory to make for the adapter. */
  out: 'string',
  /** Directory of a run whose model after the last round writes the self-edits. */
  'policy?': 'string',
  /** Self-edits that are written for every context: 8 unless given; 0 trains on the contexts alone. */
  'edits?': '0 <= number.integer <= 64',
  /** Training steps; those of the configuration, for as many adapters as it has contexts share, unless given. */
  'steps?': '1 <= number.integer <= 100000',
  'recompute?': 'boolean',
  'seed?': SEED,
});

/** Its preset is `tiny` where no model is named, else `squad`, unless given. */
export type AdaptRequest = RequestOf<typeof schema>;

export interface AdaptDocument {
  readonly out: string;
  readonly adapterDigest: string;
  readonly passages: number;
  /** Of the device, weights included. */
  readonly memoryBytes: number;
  readonly selfEdits: number;
  readonly invalidSelfEdits: number;
  readonly trainingSequences: number;
  readonly steps: number;
  readonly trainedTokens: number;
  readonly trainingSeconds: number;
  readonly firstLoss: number | null;
  readonly lastLoss: number | null;
  /** How likely the passages themselves have become: mean losses in nats a token, of each and of all their tokens. */
  readonly learnt: readonly LearntPassage[];
  readonly meanLearnt: MeanLosses;
  readonly questions: number;
  readonly correctBefore: number;
  readonly correctAfter: number;
  readonly emptyAnswers: number;
}

/** Where contexts are from. Throws a problem of kind `usage` where that is not said once. */
function placeOf({ passages, documents }: AdaptRequest): string {
  if ((passages === undefined) === (documents === undefined)) throw new Problem('usage', 'Cannot tell what to learn: give either `passages`, a file with questions, or `documents` without');
  return passages ?? documents?.join(', ') ?? '';
}

/** Contexts as long as they may be. Of documents the passages are cut so that nothing is lost. */
async function contextsOf({ passages, documents = [] }: AdaptRequest, subject: Subject, lengths: Lengths, hooks: Hooks): Promise<readonly Context[]> {
  if (passages === undefined) return documentPassages(documents, subject, lengths, hooks);
  const { contexts, shortened } = await fitted(subject, lengths, await subject.read(passages), passages);
  if (shortened !== null) note(hooks, shortened);
  return contexts;
}

/**
 * Writes self-edits about the contexts, trains one adapter on both, asks before and after, and how likely the passages are.
 * Nothing is written unless all of it succeeds.
 */
export async function adapt(request: AdaptRequest, deps: Deps, hooks: Hooks = {}): Promise<AdaptDocument> {
  const { out, model, template, chat, weights, policy } = checkRequest(schema, request);
  const place = placeOf(request);
  checkVacant(out, 'an adapter');
  const { preset } = presetFor(deps.presets ?? builtInPresets, request);
  const checkpoint = await openCheckpoint(model, deps);
  const held = weights ?? checkpoint.format;
  if (policy !== undefined && held !== 'f32') {
    throw new Problem('usage', `Cannot use \`policy\` with weights held as ${holdingName(held)}: a policy replaces the weights; use \`weights\` f32`);
  }
  const learnt = policy === undefined ? null : await readLearnt(policy);
  if (learnt) checkHostMemory(checkpoint, 3, deps.totalMemory);
  const subject = await preset.open(checkpoint, { model, mode: 'corrected', template, chat });
  const config = await configOf(request, await configFor(preset, request, 'adapting', ADAPTING));
  const lengths = await problemsAs('usage', () => lengthsOf(config, checkpoint.config.maxPositionEmbeddings, subject.promptTokens));
  const contexts = await contextsOf(request, subject, lengths, hooks);
  const steps = request.steps ?? config.inner.steps * Math.ceil(contexts.length / config.inner.contextsPerAdapter);
  const settings = executorSettings(config, lengths, subject.codec, subject.baseModel);
  const memoryBytes = await foretellMemory(checkpoint.config, held, settings, deps, hooks);
  const opened = await openExecutor(
    {
      checkpoint,
      weights,
      verbose: request.verbose,
      settings,
      readAdapter: learnt?.readAdapter ?? ((digest) => Promise.reject(new RangeError(`Cannot read adapter ${digest}: no policy was given`))),
    },
    deps,
    hooks,
  );
  try {
    const asked = { ...request, place, contexts, steps, learnt, memoryBytes, longest: lengths.document };
    return await adaptWith(opened.executor, subject, config, asked, hooks);
  } catch (error) {
    throw afterStop(error, 'nothing was written. Begin anew with the same request');
  } finally {
    await opened.executor.close();
  }
}

/** One adapter, however many contexts it is to learn. */
async function configOf({ recompute, config: overrides }: AdaptRequest, config: SealConfig): Promise<SealConfig> {
  const given = (overrides as { readonly inner?: { readonly tokensPerStep?: unknown } } | undefined)?.inner?.tokensPerStep !== undefined;
  const tokensPerStep = given ? config.inner.tokensPerStep : Math.min(STEP_TOKENS, config.inner.tokensPerStep);
  return { ...config, inner: { ...config.inner, packSize: 1, tokensPerStep, ...(recompute && { recompute }) } };
}

interface Asked extends AdaptRequest {
  readonly contexts: readonly Context[];
  readonly steps: number;
  readonly learnt: Learnt | null;
  readonly memoryBytes: number;
  /** Where the contexts are from. */
  readonly place: string;
  /** Most tokens of a document. */
  readonly longest: number;
}

async function adaptWith(executor: Executor, subject: Subject, config: SealConfig, asked: Asked, hooks: Hooks): Promise<AdaptDocument> {
  const { domain, codec } = subject;
  const { contexts, steps, out, seed = 0, longest, place, memoryBytes } = asked;
  const broken = { answers: 0, selfEdits: 0 };
  const edits = await writeEdits(executor, subject, config, asked, broken, hooks);
  const read = selfEditReader(domain, codec, longest);
  const parsed = contexts.map((context, i) => ({ context, edits: (edits[i] ?? []).map((text) => read(context, text)), beside: 'always' as const }));
  const all = parsed.flatMap((one) => one.edits);
  const invalid = all.filter(({ sequences }) => sequences.length === 0);
  if (invalid.length > 0) {
    const reasons = new Set(invalid.flatMap(({ rejected }) => (rejected.length > 0 ? rejected.map(({ reason }) => reason) : ['empty'])));
    note(hooks, `${invalid.length} of ${counted(all.length, 'self-edit')} hold nothing to train on: ${[...reasons].join(', ')}`);
  }
  const adaptation = await problemsAs('data', () => adaptationOf(domain, codec, parsed, { inner: config.inner, steps, longest, replay: [seed, 'replay'] }));
  if (!adaptation) throw new Problem('data', `Cannot adapt to ${place}: there is nothing to train on`, { place });
  const noun = (domain.terms ?? PASSAGE_TERMS).context;
  const tokens = expectedTokens(adaptation, config.inner);
  const texts = `${counted(adaptation.documents.length, 'text')}, ${counted(Math.round(tokens), 'token')} in all`;
  const progress = (subject_: string, message: string) => hooks.onEvent?.({ type: 'progress', subject: subject_, message });
  const ofContexts = `${contexts.length} ${contexts.length === 1 ? noun : pluralOf(noun)}`;
  progress('training', `Training ${counted(adaptation.steps, 'step')} on ${texts}: ${ofContexts}, ${counted(all.length, 'self-edit')}; how long it takes is measured at its first steps`);
  const prompts = contexts.flatMap((context) => domain.tasks(context).map(({ prompt }) => codec.prompt(prompt)));
  const judgedOf = (answers: readonly Sampled[]) => judged(subject, contexts, answers, broken);
  const plain = passageTexts(contexts, codec);
  const score = plain.flatMap(({ text }) => text ?? []);
  const [before = []] = prompts.length === 0 ? [] : await problemsAs('training', () => executor.answer([{ policy: BASE_POLICY, ask: prompts }], hooks));
  const [likelyBefore = []] = await problemsAs('training', () => executor.score([{ policy: BASE_POLICY, score }], hooks));
  const work = { ...adaptation, policy: BASE_POLICY, stream: [seed, 'adapt'] as const, ask: prompts, score, keep: true };
  const begun = performance.now();
  let trainingSeconds = 0;
  const tellStep = stepTeller(adaptation.steps, tokens, progress);
  const onProgress: NonNullable<Parameters<Executor['adapt']>[1]>['onProgress'] = (event) => {
    if (event.type === 'trained') trainingSeconds = (performance.now() - begun) / 1_000;
    if (event.type === 'trained' && event.underWay > 0) tellStep(event.steps, event.tokens);
  };
  const { adapted, answers, scores } = await problemsAs('training', async () => {
    let result: AdaptResult | null = null;
    for await (const [done] of executor.adapt([work], { onProgress, signal: hooks.signal })) result = done ?? result;
    return { ...(result as AdaptResult | null) };
  });
  if (!adapted || !answers || !scores || adapted.status !== 'ok' || !adapted.files) {
    throw new Problem('training', `Cannot train the adapter: ${adapted?.cause ?? 'no adapter came back'}; nothing was written`);
  }
  const judgedBefore = judgedOf(before);
  const judgedAfter = judgedOf(answers);
  const learnt = learntOf(plain, likelyBefore, scores);
  const document: AdaptDocument = {
    out,
    adapterDigest: adapted.digest,
    passages: contexts.length,
    memoryBytes,
    selfEdits: all.length,
    invalidSelfEdits: invalid.length,
    trainingSequences: adaptation.documents.length,
    steps: adapted.steps,
    trainedTokens: adapted.trainedTokens,
    trainingSeconds,
    firstLoss: adapted.firstLoss,
    lastLoss: adapted.lastLoss,
    learnt,
    meanLearnt: meanLosses(plain, learnt),
    questions: judgedAfter.length,
    correctBefore: judgedBefore.filter(({ correct }) => correct).length,
    correctAfter: judgedAfter.filter(({ correct }) => correct).length,
    emptyAnswers: judgedAfter.filter(({ answer }) => answer === '').length,
  };
  tellWhatBrokeOff(broken, codec.cutDocuments, hooks);
  const settings = parsed.map((one) => one.edits.map((edit) => edit.settings ?? null));
  const chosen = settings.flat().some((one) => one !== null) ? { settings } : {};
  const files = { ...adapted.files, 'adaptation.json': `${JSON.stringify({ ...document, seed, contexts, edits, ...chosen }, null, 2)}\n` };
  await writeDirectory(out, (temporary) => {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(temporary, name), content);
  });
  return document;
}

/** Tells how far a training is and, as soon as steps were measured, how long the others will take at that pace. */
function stepTeller(steps: number, tokens: number, tell: (subject: string, message: string) => void): (stepsDone: number, tokensDone: number) => void {
  let first: { readonly at: number; readonly tokens: number } | null = null;
  return (stepsDone, tokensDone) => {
    const at = performance.now();
    // What came before may have been preparation: the first steps only start the clock.
    first ??= { at, tokens: tokensDone };
    const measured = tokensDone - first.tokens;
    const left = measured > 0 ? (Math.max(0, tokens - tokensDone) * (at - first.at)) / measured / 1_000 : null;
    const done = `Step ${stepsDone} of ${steps}`;
    if (left === null) tell('training', `${done}, measuring how long it takes`);
    else tell('training, measured', `${done}, about ${duration(left)} left`);
  };
}

/** Judged answers of all contexts to their tasks. */
function judged({ domain, codec }: Subject, contexts: readonly Context[], answers: readonly Sampled[], broken: { answers: number }) {
  let next = 0;
  return contexts.flatMap((context) => {
    const texts = domain.tasks(context).map(({ prompt }) => {
      const { tokens, broken: isBroken } = answers[next++] ?? { tokens: [], broken: false };
      if (isBroken) broken.answers += 1;
      return codec.decode(tokens, codec.prompt(prompt)).trim();
    });
    return domain.judge(context, texts);
  });
}

/** Self-edits of every context, in the words of the model or of a policy. */
async function writeEdits(
  executor: Executor,
  { domain, codec }: Subject,
  { outer }: SealConfig,
  { contexts, edits: count = 8, seed = 0, learnt, policy }: Asked,
  broken: { selfEdits: number },
  { onEvent, signal }: Hooks,
): Promise<string[][]> {
  if (learnt && learnt.modelDigest !== (await executor.baseDigest())) {
    throw new Problem('usage', `Cannot use the policy of ${policy}: that run started from another model`);
  }
  if (count === 0) return contexts.map(() => []);
  const work = contexts.map((context) => ({
    policy: learnt?.policy ?? BASE_POLICY,
    prompt: codec.prompt(domain.prompt(context)),
    streams: Array.from({ length: count }, (_, sample): StreamName => [seed, 'self-edit', context.id, sample]),
    temperature: outer.temperature,
  }));
  const wanted = `Writing ${counted(contexts.length * count, 'self-edit')}`;
  const progress = (message: string) => onEvent?.({ type: 'progress', subject: 'writing', message });
  progress(wanted);
  const written: string[][] = [];
  const hooks = {
    signal,
    onProgress: (event: { readonly type: string; readonly tokens?: number }) => {
      if (event.type === 'written') progress(`${wanted}: ${counted(event.tokens ?? 0, 'token')} so far`);
    },
  };
  await problemsAs('unavailable', async () => {
    for await (const group of executor.write(work, hooks)) {
      for (const samples of group) {
        const prompt = work[written.length]?.prompt;
        broken.selfEdits += samples.filter((one) => one.broken).length;
        written.push(samples.map(({ tokens, broken: isBroken }) => codec.decode(tokens, prompt, isBroken)));
      }
    }
  });
  return written;
}
