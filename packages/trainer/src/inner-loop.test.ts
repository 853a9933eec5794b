import { describe, expect, it } from 'vitest';
import { stream } from '@seal/files';
import type { TokenSequence } from '@seal/model';
import { planSteps, type Adaptation } from './inner-loop.ts';

const document = (id: number): TokenSequence => ({ tokens: [id] });
const ids = (segment: readonly TokenSequence[]) => segment.map(({ tokens }) => tokens[0] ?? -1);
const adaptation = (documents: number, replay: number, steps: number, name = 'a'): Adaptation => ({
  documents: Array.from({ length: documents }, (_, i) => document(i)),
  replay: Array.from({ length: replay }, (_, i) => document(100 + i)),
  steps,
  learningRate: 1,
  random: stream(2, name),
});

describe('planSteps', () => {
  it('goes through every document once before any comes again', () => {
    const plan = planSteps(adaptation(3, 0, 4), { documentsPerStep: 3, replayPerStep: 2 });
    expect(plan).toHaveLength(4);
    for (const segment of plan) expect(ids(segment).toSorted()).toEqual([0, 1, 2]);
    const across = planSteps(adaptation(5, 0, 5), { documentsPerStep: 2, replayPerStep: 0 }).flatMap(ids);
    expect(across.slice(0, 5).toSorted()).toEqual([0, 1, 2, 3, 4]);
    expect(across.slice(5).toSorted()).toEqual([0, 1, 2, 3, 4]);
  });

  it('fills a step from one document, and adds replay behind the documents', () => {
    const plan = planSteps(adaptation(1, 3, 3), { documentsPerStep: 4, replayPerStep: 1 });
    for (const segment of plan) expect(ids(segment).slice(0, 4)).toEqual([0, 0, 0, 0]);
    expect(plan.map((segment) => ids(segment)[4]).toSorted()).toEqual([100, 101, 102]);
  });

  it('is the same for the same stream and another for another', () => {
    const size = { documentsPerStep: 4, replayPerStep: 2 };
    const plan = (name: string) => planSteps(adaptation(9, 4, 6, name), size).map(ids);
    expect(plan('a')).toEqual(plan('a'));
    expect(plan('a')).not.toEqual(plan('b'));
  });

  it('refuses to adapt to nothing and takes no steps when none are asked for', () => {
    expect(() => planSteps(adaptation(0, 3, 1), { documentsPerStep: 1, replayPerStep: 1 })).toThrow('Cannot adapt without documents');
    expect(planSteps(adaptation(2, 0, 0), { documentsPerStep: 1, replayPerStep: 0 })).toEqual([]);
  });
});
