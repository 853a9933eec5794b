/** The facts that can be true of somebody: one for every value of the lexicon. */

import { RELATIONS } from './lexicon.ts';
import type { Relation } from './lexicon.ts';

/** A value of a relation with the category it belongs to. */
export interface Fact {
  readonly relation: Relation;
  readonly value: string;
  readonly category: string;
}

/** Every fact of every relation, in the order of `RELATIONS`: 24 each. */
export const FACTS: readonly (readonly Fact[])[] = RELATIONS.map((relation) =>
  Object.entries(relation.categories).flatMap(([category, values]) =>
    values.map((value) => ({ relation, value, category })),
  ),
);

const byValue: ReadonlyMap<string, Fact> = new Map(FACTS.flat().map((fact) => [fact.value, fact]));

/** The fact with a value, or undefined: a value belongs to one relation only. */
export function factWithValue(value: string): Fact | undefined {
  return byValue.get(value);
}
