/** `seal adapt`: passages in, an adapter directory out. */

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stream, type Context } from '@seal/domains';
import { adapterFiles } from '@seal/model';
import { digest } from '@seal/runs';
import { tinyDomain } from '@seal/tiny';
import { loraConfig, presets, QUESTION_TOKENS, Workbench, type SealConfig } from '@seal/trainer';
import { EXIT, Failure, orExit } from './failure.ts';
import { cannotWrite } from './files.ts';
import type { CommandOf } from './options.ts';
import { checkQuestions, readPassages } from './passages.ts';
import { policyOf } from './policy.ts';
import { initialPolicy, openSession } from './session.ts';
import { stopSignal } from './stop.ts';
import { counted, print, say } from './terminal.ts';

/** One adapter at a time, however many passages it is to learn. */
const config: SealConfig = { ...presets.tiny, inner: { ...presets.tiny.inner, packSize: 1, tokensPerStep: 2_048 } };

export async function adapt(command: CommandOf<'adapt'>): Promise<void> {
  const out = command.adapterOut;
  if (existsSync(out) && (!statSync(out).isDirectory() || readdirSync(out).length > 0)) {
    const what = statSync(out).isDirectory() ? 'it is not empty' : 'it is a file';
    throw new Failure(EXIT.usage, `Cannot write an adapter to ${out}: ${what}; choose another directory`);
  }
  const contexts = await readPassages(command.passages);
  const steps = command.steps ?? config.inner.steps * Math.ceil(contexts.length / config.inner.contextsPerAdapter);
  const { signal, dispose } = stopSignal(command.maxTime);
  const session = await openSession(command.model);
  const bench = new Workbench(session.model, session.codec, { ...config, inner: { ...config.inner, steps } });
  try {
    checkLengths(bench, contexts, command.passages);
    checkQuestions(bench.codec, contexts, command.passages);
    const own = await initialPolicy(session);
    bench.use(command.policy === undefined ? own : await policyOf(command.policy, own, session.model.config));
    const edits = await writeEdits(bench, contexts, command.edits, command.seed);
    bench.use(own);
    const sequences = contexts.flatMap((context, i) => [
      ...tinyDomain.baseline(context),
      ...(edits[i] ?? []).flatMap((text) => tinyDomain.parse(context, text).sequences),
    ]);
    const texts = counted(sequences.length, 'text');
    say(`Training ${steps} steps on ${texts}: ${counted(contexts.length, 'passage')}, ${counted(edits.flat().length, 'self-edit')}`);
    const tasks = contexts.flatMap((context) => tinyDomain.tasks(context));
    const [before = []] = await bench.answer([tasks]);
    const random = stream(command.seed, 'adapt');
    const replay = tinyDomain.replay?.(contexts, stream(command.seed, 'replay')) ?? [];
    const adaptation = {
      documents: sequences.map((sequence) => session.codec.document(sequence)),
      replay: replay.map((sequence) => session.codec.document(sequence)),
      steps,
      learningRate: config.inner.learningRate,
      random,
    };
    const clock = { adapt() {}, answer() {} };
    for await (const [answered] of bench.adaptAndAnswer([{ adaptation, tasks }], () => {}, clock, signal)) {
      if (!answered) continue;
      const { adapted, answers } = answered;
      if (adapted.status !== 'ok') throw new Failure(EXIT.training, `Cannot train the adapter: ${adapted.cause}; nothing was written`);
      const right = (given: readonly string[]) => tasks.filter(({ gold }, i) => tinyDomain.grade(given[i] ?? '', gold)).length;
      const lora = loraConfig(config.inner.lora);
      const files = adapterFiles(bench.inner.pack.layout, lora, adapted.values, 'seal-tiny');
      const document = {
        out,
        adapterDigest: digest(files['adapter_model.safetensors']),
        passages: contexts.length,
        selfEdits: edits.flat().length,
        trainingSequences: sequences.length,
        steps,
        firstLoss: adapted.firstLoss,
        lastLoss: adapted.lastLoss,
        questions: tasks.length,
        correctBefore: right(before),
        correctAfter: right(answers),
      };
      writeDirectory(out, {
        ...files,
        'adaptation.json': `${JSON.stringify({ ...document, seed: command.seed, contexts, edits }, null, 2)}\n`,
      });
      print(
        command.json
          ? JSON.stringify(document)
          : `Adapter in ${out}\nQuestions right: ${document.correctBefore} of ${tasks.length} before, ${document.correctAfter} after`,
      );
    }
  } finally {
    dispose();
    bench.destroy();
    session.close();
  }
}

/** A passage must leave room for what is written about it. */
function checkLengths(bench: Workbench, contexts: readonly Context[], place: string): void {
  contexts.forEach((context, index) => {
    const length = bench.codec.prompt(tinyDomain.prompt(context)).length;
    if (length > QUESTION_TOKENS) {
      throw new Failure(
        EXIT.data,
        `Cannot learn item ${index} of ${place}: it is ${length} tokens long, at most ${QUESTION_TOKENS} fit; make two passages of it`,
      );
    }
  });
}

/** Self-edits of every passage, in the model's own words. */
async function writeEdits(bench: Workbench, contexts: readonly Context[], count: number, seed: number): Promise<string[][]> {
  if (count === 0) return contexts.map(() => []);
  const prompts = contexts.map((context) => ({
    prompt: tinyDomain.prompt(context),
    draws: Array.from({ length: count }, (_, sample) => {
      const random = stream(seed, 'self-edit', context.id, sample);
      return () => random.next();
    }),
  }));
  const written = await orExit(EXIT.unavailable, () => bench.write(prompts, config.outer.temperature));
  return written.map((samples) => samples.map(({ text }) => text));
}

/** Writes a directory beside its place and moves it there: it is there whole or not at all. */
function writeDirectory(path: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(temporary, { recursive: true });
    for (const [name, content] of Object.entries(files)) writeFileSync(join(temporary, name), content);
    mkdirSync(dirname(path), { recursive: true });
    if (existsSync(path)) rmSync(path, { recursive: true });
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { recursive: true, force: true });
    throw cannotWrite(path, cause);
  }
}

