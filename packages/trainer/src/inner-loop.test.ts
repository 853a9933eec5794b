import { describe, expect, it } from 'vitest';
import { streamOf } from '@seal/files';
import type { TokenSequence } from '@seal/model';
import { planSteps, type Adaptation, type StepSize } from './inner-loop.ts';
import type { WorkDocument } from './work.ts';

const document = (id: number): TokenSequence => ({ tokens: [id] });
const ids = (segment: readonly TokenSequence[]) => segment.map(({ tokens }) => tokens[0] ?? -1);
const adaptation = (documents: number, replay: number, steps: number, name = 'a'): Adaptation => ({
  documents: Array.from({ length: documents }, (_, i) => document(i)),
  replay: Array.from({ length: replay }, (_, i) => document(100 + i)),
  steps,
  rate: { learningRate: 1, schedule: 'constant', warmUpSteps: 0 },
  stream: [2, name],
});
const plan = (work: Adaptation, size: StepSize) => planSteps(work, size, streamOf(work.stream));
const segments = (work: Adaptation, size: StepSize) => plan(work, size).map(({ segment }) => segment);

describe('planSteps', () => {
  it('goes through every document once before any comes again', () => {
    const all = segments(adaptation(3, 0, 4), { documentsPerStep: 3, replayPerStep: 2 });
    expect(all).toHaveLength(4);
    for (const segment of all) expect(ids(segment).toSorted()).toEqual([0, 1, 2]);
    const across = segments(adaptation(5, 0, 5), { documentsPerStep: 2, replayPerStep: 0 }).flatMap(ids);
    expect(across.slice(0, 5).toSorted()).toEqual([0, 1, 2, 3, 4]);
    expect(across.slice(5).toSorted()).toEqual([0, 1, 2, 3, 4]);
  });

  it('fills a step from one document, and adds replay behind the documents', () => {
    const all = segments(adaptation(1, 3, 3), { documentsPerStep: 4, replayPerStep: 1 });
    for (const segment of all) expect(ids(segment).slice(0, 4)).toEqual([0, 0, 0, 0]);
    expect(all.map((segment) => ids(segment)[4]).toSorted()).toEqual([100, 101, 102]);
  });

  it('is the same for the same stream and another for another', () => {
    const size = { documentsPerStep: 4, replayPerStep: 2 };
    const of = (name: string) => segments(adaptation(9, 4, 6, name), size).map(ids);
    expect(of('a')).toEqual(of('a'));
    expect(of('a')).not.toEqual(of('b'));
  });

  it('refuses to adapt to nothing and takes no steps when none are asked for', () => {
    expect(() => plan(adaptation(0, 3, 1), { documentsPerStep: 1, replayPerStep: 1 })).toThrow('Cannot adapt without documents');
    expect(plan(adaptation(2, 0, 0), { documentsPerStep: 1, replayPerStep: 0 })).toEqual([]);
  });

  it('walks over each document exactly as often as was chosen for it', () => {
    const epochs = [1, 0, 4, 2];
    const documents = epochs.map((count, id): WorkDocument => ({ ...document(id), epochs: count }));
    const walked = (steps: number, documentsPerStep: number) => segments({ ...adaptation(0, 0, steps), documents }, { documentsPerStep, replayPerStep: 0 }).flatMap(ids);
    for (const size of [1, 7]) {
      const all = walked(7 / size, size);
      expect(epochs.map((_, id) => all.filter((one) => one === id).length)).toEqual(epochs);
      // Every walk is over all that still want one.
      expect(all.slice(0, 3).toSorted()).toEqual([0, 2, 3]);
      expect(all.slice(3, 5).toSorted()).toEqual([2, 3]);
    }
    // The last step is as short as what is left.
    expect(walked(2, 5)).toHaveLength(7);
    expect(() => walked(3, 5)).toThrow('Cannot take 3 steps: the documents are walked over in fewer');
  });

  it('runs a step at the mean of what its documents chose, and at none where none chose', () => {
    const rates = [0.5, undefined, 0.1];
    const documents = rates.map((learningRate, id): WorkDocument => ({ ...document(id), ...(learningRate !== undefined && { learningRate }) }));
    const size = { documentsPerStep: 3, replayPerStep: 1 };
    const work = { ...adaptation(0, 1, 3), documents };
    for (const { chosenRate } of plan(work, size)) expect(chosenRate).toBeCloseTo((0.5 + 1 + 0.1) / 3, 12);
    for (const { segment, chosenRate } of plan(work, { ...size, documentsPerStep: 1 })) {
      expect(chosenRate).toBe(rates[ids(segment)[0] ?? -1] ?? null);
    }
  });
});
