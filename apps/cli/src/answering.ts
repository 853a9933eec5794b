/** Answers of a model, with or without an adapter; the most likely ones unless a temperature is given. */

import { problemsAs, stream } from '@seal/files';
import { type Task } from '@seal/domains';
import { Generator, LoraPack, type PeftAdapter } from '@seal/model';
import { presets, slotsFor } from '@seal/trainer';
import type { Session } from './session.ts';
import type { Subject } from './subject.ts';

const SLOTS = 64;

/** Answers and the SHA-256 of the adapter that gave them, null without one. */
export interface Answers {
  readonly answers: readonly string[];
  readonly adapterDigest: string | null;
}

/** Asks every task, with an adapter or null for none. */
export async function answerTasks(
  { model }: Session,
  subject: Subject,
  adapter: PeftAdapter | null,
  tasks: readonly Task[],
  { temperature, seed } = { temperature: 0, seed: 0 },
): Promise<Answers> {
  const { preset, codec } = subject;
  const { answering: length } = subject.lengths(presets[preset]);
  const slots = Math.min(SLOTS, slotsFor(model, length));
  const pack = adapter && new LoraPack(model.gpu.device, model.config, adapter.lora, 1);
  try {
    if (adapter) pack?.write(0, adapter.values);
    const generator = new Generator(model, pack, { slots, length, prefillTokens: 2_048 });
    try {
      const requests = tasks.map(({ prompt }, i) => {
        const random = stream(seed, 'answer', i);
        return { prompt: codec.prompt(prompt), draws: [() => random.next()] };
      });
      const options = { temperature, topP: 1, maxNewTokens: presets[preset].inner.maxAnswerTokens, stopTokens: codec.stopTokens };
      const completions = await problemsAs('data', () => generator.generate(requests, options));
      const answers = completions.map(([completion], i) => codec.decode(completion?.tokens ?? [], requests[i]?.prompt).trim());
      return { answers, adapterDigest: adapter?.digest ?? null };
    } finally {
      generator.destroy();
    }
  } finally {
    pack?.destroy();
  }
}
