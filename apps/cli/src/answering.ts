/** Answers of a model, with or without an adapter directory; the most likely ones unless a temperature is given. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stream, type Task } from '@seal/domains';
import { Generator, LoraPack, readAdapter } from '@seal/model';
import { presets, slotsFor } from '@seal/trainer';
import { EXIT, Failure, orExit } from './failure.ts';
import { readJson } from './files.ts';
import type { Session } from './session.ts';
import type { Subject } from './subject.ts';

const SLOTS = 64;

/** Answers and the SHA-256 of the adapter that gave them, null without one. */
export interface Answers {
  readonly answers: readonly string[];
  readonly adapterDigest: string | null;
}

/** Asks every task; an adapter directory that cannot be used ends with exit code 3. */
export async function answerTasks(
  session: Session,
  subject: Subject,
  adapterDir: string | undefined,
  tasks: readonly Task[],
  { temperature, seed } = { temperature: 0, seed: 0 },
): Promise<Answers> {
  const { model } = session;
  const { preset, codec } = subject;
  const { answering: length } = subject.lengths(presets[preset]);
  const adapter = adapterDir === undefined ? null : await loadAdapter(session, adapterDir);
  const slots = Math.min(SLOTS, slotsFor(model, length));
  const generator = new Generator(model, adapter?.pack ?? null, { slots, length, prefillTokens: 2_048 });
  try {
    const requests = tasks.map(({ prompt }, i) => {
      const random = stream(seed, 'answer', i);
      return { prompt: codec.prompt(prompt), draws: [() => random.next()] };
    });
    const options = { temperature, topP: 1, maxNewTokens: presets[preset].inner.maxAnswerTokens, stopTokens: codec.stopTokens };
    const completions = await orExit(EXIT.data, () => generator.generate(requests, options));
    const answers = completions.map(([completion], i) => codec.decode(completion?.tokens ?? [], requests[i]?.prompt).trim());
    return { answers, adapterDigest: adapter?.digest ?? null };
  } finally {
    generator.destroy();
    adapter?.pack.destroy();
  }
}

async function loadAdapter({ model }: Session, directory: string): Promise<{ pack: LoraPack; digest: string }> {
  const weightsPath = join(directory, 'adapter_model.safetensors');
  const configPath = join(directory, 'adapter_config.json');
  for (const path of [configPath, weightsPath]) {
    if (!existsSync(path)) throw new Failure(EXIT.data, `Cannot use the adapter in ${directory}: ${path} is missing`);
  }
  return orExit(EXIT.data, () => {
    const config = { json: readJson(configPath, EXIT.data), place: configPath };
    const weights = { bytes: new Uint8Array(readFileSync(weightsPath)), place: weightsPath };
    const adapter = readAdapter(config, weights, model.config);
    const pack = new LoraPack(model.gpu.device, model.config, adapter.lora, 1);
    pack.write(0, adapter.values);
    return { pack, digest: adapter.digest };
  });
}
