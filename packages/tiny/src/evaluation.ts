/** Probes of a checkpoint: does it read, does it remember, and does it know nothing of people it has not met. */

import { stream } from '@seal/files';
import { questionPrompt } from './formats.ts';
import { knownPeople, people } from './people.ts';
import type { Person } from './people.ts';
import { KINDS, passageOf, questionOf, wording } from './sentences.ts';
import type { Kind } from './sentences.ts';

/** A prompt with the answer it should get. */
export interface Probe {
  readonly prompt: string;
  readonly gold: string;
  readonly kind: Kind;
}

/** The three sets: held-out people with their passage, known people without, held-out people without (near chance). */
export interface ProbeSets {
  readonly inContext: readonly Probe[];
  readonly knownClosedBook: readonly Probe[];
  readonly heldOutClosedBook: readonly Probe[];
}

/** Probes about `heldOut` people of the dev split and all known people: one question of each kind about every fact. */
export function probeSets(seed: number, heldOut = 32): ProbeSets {
  const random = stream(seed, 'probes');
  const unmet = people('dev', heldOut, random);
  const about = (person: Person, passage?: string): Probe[] =>
    person.facts.flatMap((fact) =>
      KINDS.map((kind) => {
        const { question, answer } = questionOf(person, fact, kind, wording(random));
        return { prompt: questionPrompt(question, passage), gold: answer, kind };
      }),
    );
  return {
    inContext: unmet.flatMap((person) => about(person, passageOf(person, random))),
    knownClosedBook: knownPeople().flatMap((person) => about(person)),
    heldOutClosedBook: unmet.flatMap((person) => about(person)),
  };
}
