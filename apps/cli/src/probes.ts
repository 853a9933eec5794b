/** How well a model reads, remembers, and how little it knows of people it has not met. */

import { Generator, type Model } from '@seal/model';
import { tinyDomain, type Probe, type ProbeSets } from '@seal/tiny';
import type { Codec } from '@seal/trainer';

/** Accuracy by set and kind of question. */
export type ProbeAccuracy = Record<keyof ProbeSets, Record<string, number>>;

/** Greedy answers to every probe, graded exactly. */
export async function probeAccuracy(model: Model, codec: Codec, sets: ProbeSets): Promise<ProbeAccuracy> {
  const generator = new Generator(model, null, { slots: 256, length: 128, prefillTokens: 4_096 });
  try {
    const accuracy = async (probes: readonly Probe[]) => {
      const requests = probes.map(({ prompt }) => ({ prompt: codec.prompt(prompt), draws: [() => 0] }));
      const options = { temperature: 0, topP: 1, maxNewTokens: 6, stopTokens: codec.stopTokens };
      const answers = await generator.generate(requests, options);
      const judged = probes.map(({ kind, gold }, i) => ({
        kind,
        correct: tinyDomain.grade(codec.decode(answers[i]?.[0]?.tokens ?? []), gold),
      }));
      const byKind = Map.groupBy(judged, ({ kind }) => kind);
      return Object.fromEntries([...byKind].map(([kind, own]) => [kind, own.filter(({ correct }) => correct).length / own.length]));
    };
    return {
      inContext: await accuracy(sets.inContext),
      knownClosedBook: await accuracy(sets.knownClosedBook),
      heldOutClosedBook: await accuracy(sets.heldOutClosedBook),
    };
  } finally {
    generator.destroy();
  }
}
