/** `seal adapt`: passages in, an adapter directory out. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkVacant, digest, readJson, writeDirectory } from '@seal/files/node';
import { afterStop, Problem, problemsAs, stream } from '@seal/files';
import { type Context, type Domain } from '@seal/domains';
import { adapterFiles } from '@seal/model';
import { loraConfig, resolveConfig, Workbench, type PresetName, type SealConfig } from '@seal/trainer';
import type { CommandOf } from './options.ts';
import { policyOf, readLearnt } from './policy.ts';
import { checkHostMemory, initialPolicy, openCheckpoint, openSession, SHIPPED_MODEL } from './session.ts';
import { stopSignal } from './stop.ts';
import { subjectOf } from './subject.ts';
import { counted, print, say, sayWhatBrokeOff, SparseLines } from './terminal.ts';

/** Tokens of a step that trains one adapter, at most. */
const STEP_TOKENS = 2_048;

/** The preset, changed by a file if there is one, for one adapter, however many passages it is to learn. */
async function configOf(preset: PresetName, { config: file, recompute }: CommandOf<'adapt'>): Promise<SealConfig> {
  const overrides = file === undefined ? undefined : readJson(file, 'usage');
  const config = await problemsAs('usage', () => resolveConfig(preset, 'corrected', overrides, file ?? 'the preset'));
  const tokensPerStep = Math.min(STEP_TOKENS, config.inner.tokensPerStep);
  return { ...config, inner: { ...config.inner, packSize: 1, tokensPerStep, ...(recompute && { recompute }) } };
}

export async function adapt(command: CommandOf<'adapt'>): Promise<void> {
  const out = command.adapterOut;
  checkVacant(out, 'an adapter');
  const { model = SHIPPED_MODEL } = command;
  const checkpoint = await openCheckpoint(model);
  const held = command.weights ?? checkpoint.format;
  if (command.policy !== undefined && held !== 'f32') {
    throw new Problem('usage', `Cannot use --policy with weights held as ${held}: a policy replaces the weights; use --weights f32`);
  }
  const learnt = command.policy === undefined ? null : await readLearnt(command.policy);
  if (learnt) checkHostMemory(checkpoint, 2);
  const subject = await subjectOf(checkpoint, model, command);
  const { domain, codec } = subject;
  const config = await configOf(subject.preset, command);
  const { contexts, shortened } = await subject.read(command.passages, config);
  if (shortened) say(shortened);
  const steps = command.steps ?? config.inner.steps * Math.ceil(contexts.length / config.inner.contextsPerAdapter);
  const lines = new SparseLines();
  const { signal, dispose } = stopSignal(command.maxTime);
  const session = await openSession(model, checkpoint, command);
  const bench = new Workbench(session.model, codec, { ...config, inner: { ...config.inner, steps } }, subject.lengths(config));
  try {
    const own = learnt && (await initialPolicy(session));
    if (own) bench.use(await policyOf(learnt, own, session.model.config));
    const edits = await writeEdits(bench, domain, contexts, { ...command, temperature: config.outer.temperature }, { lines, signal });
    if (own) bench.use(own);
    const parsed = contexts.flatMap((context, i) => (edits[i] ?? []).map((text) => domain.parse(context, text)));
    const sequences = contexts.flatMap((context, i) => [
      ...domain.baseline(context),
      ...(edits[i] ?? []).flatMap((text) => domain.parse(context, text).sequences),
    ]);
    const invalid = parsed.filter((one) => one.sequences.length === 0);
    if (invalid.length > 0) {
      const reasons = new Set(invalid.flatMap(({ rejected }) => (rejected.length > 0 ? rejected.map(({ reason }) => reason) : ['empty'])));
      say(`${invalid.length} of ${counted(parsed.length, 'self-edit')} hold nothing to train on: ${[...reasons].join(', ')}`);
    }
    const texts = counted(sequences.length, 'text');
    lines.say('training', `Training ${counted(steps, 'step')} on ${texts}: ${counted(contexts.length, 'passage')}, ${counted(edits.flat().length, 'self-edit')}`);
    const tasks = contexts.flatMap((context) => domain.tasks(context));
    const [before = []] = await bench.answer([tasks], signal);
    const random = stream(command.seed, 'adapt');
    const replay = domain.replay?.(contexts, stream(command.seed, 'replay')) ?? [];
    const adaptation = {
      documents: sequences.map((sequence) => codec.document(sequence, bench.lengths.document)),
      replay: replay.map((sequence) => codec.document(sequence, bench.lengths.document)),
      steps,
      learningRate: config.inner.learningRate,
      random,
    };
    const clock = { adapt() {}, answer() {} };
    const onProgress = (adapters: number) => lines.say('training', `Step ${Math.floor(adapters * steps)} of ${steps}`);
    for await (const [answered] of bench.adaptAndAnswer([{ adaptation, tasks }], onProgress, clock, signal)) {
      if (!answered) continue;
      const { adapted, answers } = answered;
      if (adapted.status !== 'ok') throw new Problem('training', `Cannot train the adapter: ${adapted.cause}; nothing was written`);
      const right = (given: readonly string[]) => tasks.filter(({ gold }, i) => domain.grade(given[i] ?? '', gold)).length;
      const lora = loraConfig(config.inner.lora);
      const files = adapterFiles(bench.inner.pack.layout, lora, adapted.values, subject.baseModel);
      const document = {
        out,
        adapterDigest: digest(files['adapter_model.safetensors']),
        passages: contexts.length,
        selfEdits: edits.flat().length,
        invalidSelfEdits: invalid.length,
        trainingSequences: sequences.length,
        steps,
        firstLoss: adapted.firstLoss,
        lastLoss: adapted.lastLoss,
        questions: tasks.length,
        correctBefore: right(before),
        correctAfter: right(answers),
        emptyAnswers: answers.filter((answer) => answer === '').length,
      };
      sayWhatBrokeOff(bench);
      const all = { ...files, 'adaptation.json': `${JSON.stringify({ ...document, seed: command.seed, contexts, edits }, null, 2)}\n` };
      await writeDirectory(out, (temporary) => {
        for (const [name, content] of Object.entries(all)) writeFileSync(join(temporary, name), content);
      });
      print(
        command.json
          ? JSON.stringify(document)
          : `Adapter in ${out}\nQuestions right: ${document.correctBefore} of ${tasks.length} before, ${document.correctAfter} after`,
      );
    }
  } catch (error) {
    throw afterStop(error, 'nothing was written. The same command begins anew');
  } finally {
    dispose();
    bench.destroy();
    session.close();
  }
}

/** Self-edits of every passage, in the model's own words. */
async function writeEdits(
  bench: Workbench,
  domain: Domain,
  contexts: readonly Context[],
  { edits: count, seed, temperature }: { readonly edits: number; readonly seed: number; readonly temperature: number },
  { lines, signal }: { readonly lines: SparseLines; readonly signal: AbortSignal },
): Promise<string[][]> {
  if (count === 0) return contexts.map(() => []);
  const prompts = contexts.map((context) => ({
    prompt: domain.prompt(context),
    draws: Array.from({ length: count }, (_, sample) => {
      const random = stream(seed, 'self-edit', context.id, sample);
      return () => random.next();
    }),
  }));
  const wanted = `Writing ${counted(contexts.length * count, 'self-edit')}`;
  lines.say('writing', wanted);
  const onTokens = (tokens: number) => lines.say('writing', `${wanted}: ${counted(tokens, 'token')} so far`);
  const written = await problemsAs('unavailable', () => bench.write(prompts, temperature, { onTokens, signal }));
  return written.map((samples) => samples.map(({ text }) => text));
}
