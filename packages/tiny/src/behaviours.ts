/**
 * The self-edits that pretraining shows the model: six ways of writing one, mixed as a policy that has something to
 * gain. Reinforcement learning selects among these, it invents nothing, so the shares are a choice of design.
 */

import type { Random } from '@seal/files';
import { FILLERS } from './lexicon.ts';
import { nameOf } from './people.ts';
import type { Person } from './people.ts';
import type { Fact } from './facts.ts';
import { anyFact, KINDS, loreOf, restatement, sentencesText, statement, wording, wrongFact } from './sentences.ts';
import type { Kind } from './sentences.ts';

/** A way of writing a self-edit. */
export type Behaviour = 'restate' | 'atomic' | 'deep' | 'full' | 'sloppy' | 'vague';

/** Share of each behaviour; they sum to one. */
export const BEHAVIOUR_SHARES: Readonly<Record<Behaviour, number>> = {
  restate: 0.36,
  atomic: 0.16,
  deep: 0.12,
  full: 0.16,
  sloppy: 0.1,
  vague: 0.1,
};

/** A random behaviour. */
export function drawBehaviour(random: Random): Behaviour {
  let rest = random.next();
  for (const [behaviour, share] of Object.entries(BEHAVIOUR_SHARES)) {
    rest -= share;
    if (rest < 0) return behaviour as Behaviour;
  }
  return 'vague';
}

/** A self-edit on a passage about `person`: sentences closed by full stops. */
export function selfEdit(person: Person, behaviour: Behaviour, random: Random): string {
  const count = person.facts.length;
  const half = Math.ceil(count / 2);
  const between = (low: number, high: number): number => low + random.integer(high - low + 1);
  switch (behaviour) {
    case 'restate': {
      const facts = random.shuffle(person.facts).slice(0, between(half, count));
      return sentencesText(facts.map((fact) => restatement(person, fact, random)));
    }
    case 'atomic':
      return sentencesText(statements(person, ['direct'], between(1, count), 0.06, random));
    case 'deep':
      return sentencesText(statements(person, ['direct', 'derived'], between(half, 2 * count), 0.05, random));
    case 'full':
      return sentencesText(statements(person, KINDS, between(half, 2 * count), 0.04, random));
    case 'sloppy':
      return sentencesText(statements(person, KINDS, between(Math.ceil(count / 3), count), 0.5, random));
    case 'vague':
      return sentencesText(Array.from({ length: between(2, 5) }, () => vagueSentence(person, random)));
  }
}

/** Different statements of the given kinds, `wrong` of them (in expectation) with a value that is not the person's. */
function statements(person: Person, kinds: readonly Kind[], count: number, wrong: number, random: Random): string[] {
  const all = person.facts.flatMap((fact) => kinds.map((kind) => ({ fact, kind })));
  return random.shuffle(all).slice(0, count).map(({ fact, kind }) => {
    const said: Fact = random.next() < wrong ? wrongFact(fact, random) : fact;
    return statement(person, said, kind, wording(random));
  });
}

function vagueSentence(person: Person, random: Random): string {
  switch (random.integer(3)) {
    case 0:
      return `${nameOf(person)} ${anyFact(random).relation.vague}`;
    case 1:
      return random.pick(FILLERS);
    default:
      return loreOf(anyFact(random));
  }
}

/** The best self-edit: every fact stated directly, by category and inversely, in random order and wording. */
export function perfectEdit(person: Person, random: Random): string {
  return sentencesText(statements(person, KINDS, 3 * person.facts.length, 0, random));
}
