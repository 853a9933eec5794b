/** Contexts in, an adapter directory out. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterStop, Problem, problemsAs, type StreamName } from '@seal/files';
import { checkVacant, writeDirectory } from '@seal/files/node';
import type { Context } from '@seal/domains';
import { holdingName } from '@seal/model';
import { counted } from '@seal/report/text';
import { PASSAGE_TERMS, pluralOf } from '@seal/runs';
import { adaptationOf, BASE_POLICY, executorSettings, lengthsOf, selfEditReader, type AdaptResult, type Executor, type Sampled, type SealConfig } from '@seal/trainer';
import { type } from 'arktype';
import type { Deps } from './deps.ts';
import { note, type Hooks } from './events.ts';
import { openExecutor } from './executor/open.ts';
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
  passages: 'string',
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
  readonly selfEdits: number;
  readonly invalidSelfEdits: number;
  readonly trainingSequences: number;
  readonly steps: number;
  readonly firstLoss: number | null;
  readonly lastLoss: number | null;
  readonly questions: number;
  readonly correctBefore: number;
  readonly correctAfter: number;
  readonly emptyAnswers: number;
}

/** Writes self-edits about the contexts, trains one adapter on both, asks before and after. Nothing is written unless all of it succeeds. */
export async function adapt(request: AdaptRequest, deps: Deps, hooks: Hooks = {}): Promise<AdaptDocument> {
  const { out, model, passages, template, chat, weights, policy } = checkRequest(schema, request);
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
  const { contexts, shortened } = await fitted(subject, lengths, await subject.read(passages), passages);
  if (shortened !== null) note(hooks, shortened);
  const steps = request.steps ?? config.inner.steps * Math.ceil(contexts.length / config.inner.contextsPerAdapter);
  const opened = await openExecutor(
    {
      checkpoint,
      weights,
      verbose: request.verbose,
      settings: executorSettings(config, lengths, subject.codec, subject.baseModel),
      readAdapter: learnt?.readAdapter ?? ((digest) => Promise.reject(new RangeError(`Cannot read adapter ${digest}: no policy was given`))),
    },
    deps,
    hooks,
  );
  try {
    const asked = { ...request, contexts, steps, learnt, longest: lengths.document };
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
  /** Most tokens of a document. */
  readonly longest: number;
}

async function adaptWith(executor: Executor, subject: Subject, config: SealConfig, asked: Asked, hooks: Hooks): Promise<AdaptDocument> {
  const { domain, codec } = subject;
  const { contexts, steps, out, seed = 0, longest } = asked;
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
  if (!adaptation) throw new Problem('data', `Cannot adapt to ${asked.passages}: there is nothing to train on`, { place: asked.passages });
  const noun = (domain.terms ?? PASSAGE_TERMS).context;
  const texts = counted(adaptation.documents.length, 'text');
  const progress = (message: string) => hooks.onEvent?.({ type: 'progress', subject: 'training', message });
  const ofContexts = `${contexts.length} ${contexts.length === 1 ? noun : pluralOf(noun)}`;
  progress(`Training ${counted(adaptation.steps, 'step')} on ${texts}: ${ofContexts}, ${counted(all.length, 'self-edit')}`);
  const prompts = contexts.flatMap((context) => domain.tasks(context).map(({ prompt }) => codec.prompt(prompt)));
  const judgedOf = (answers: readonly Sampled[]) => judged(subject, contexts, answers, broken);
  const [before = []] = await problemsAs('training', () => executor.answer([{ policy: BASE_POLICY, ask: prompts }], hooks));
  const work = { ...adaptation, policy: BASE_POLICY, stream: [seed, 'adapt'] as const, ask: prompts, keep: true };
  const onProgress: NonNullable<Parameters<Executor['adapt']>[1]>['onProgress'] = (event) => {
    if (event.type === 'trained' && event.underWay > 0) progress(`Step ${event.steps} of ${adaptation.steps}`);
  };
  const { adapted, answers } = await problemsAs('training', async () => {
    let result: AdaptResult | null = null;
    for await (const [done] of executor.adapt([work], { onProgress, signal: hooks.signal })) result = done ?? result;
    return { ...(result as AdaptResult | null) };
  });
  if (!adapted || !answers || adapted.status !== 'ok' || !adapted.files) {
    throw new Problem('training', `Cannot train the adapter: ${adapted?.cause ?? 'no adapter came back'}; nothing was written`);
  }
  const judgedBefore = judgedOf(before);
  const judgedAfter = judgedOf(answers);
  const document: AdaptDocument = {
    out,
    adapterDigest: adapted.digest,
    passages: contexts.length,
    selfEdits: all.length,
    invalidSelfEdits: invalid.length,
    trainingSequences: adaptation.documents.length,
    steps: adapted.steps,
    firstLoss: adapted.firstLoss,
    lastLoss: adapted.lastLoss,
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
