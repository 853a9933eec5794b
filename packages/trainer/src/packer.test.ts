import { describe, expect, it } from 'vitest';
import { stream } from '@seal/files';
import { Packer, type Part } from './packer.ts';

const limits = { slots: 3, tokensPerStep: 100 };

/** All packed steps of a table of jobs. */
function pack(table: readonly (readonly number[])[], own = limits): Part[][] {
  const packer = new Packer([...table.keys()], (job) => table[job] ?? [], own);
  const steps: Part[][] = [];
  for (let parts = packer.next(); parts.length > 0; parts = packer.next()) steps.push(parts);
  return steps;
}

/** Jobs with 1 to 12 steps of 8 to 64 tokens. */
function randomJobs(seed: number): number[][] {
  const random = stream(1, 'packer', seed);
  return Array.from({ length: random.integer(20) }, () =>
    Array.from({ length: 1 + random.integer(12) }, () => 8 * (1 + random.integer(8))),
  );
}

describe('Packer', () => {
  it.each(Array.from({ length: 40 }, (_, seed) => seed))('keeps its promises for random jobs %i', (seed) => {
    const table = randomJobs(seed);
    const steps = pack(table);
    const seen = table.map(() => 0);
    const slotOf = new Map<number, number>();
    const holderOf = new Map<number, number>();
    for (const parts of steps) {
      expect(parts.reduce((sum, { job, step }) => sum + table[job]![step]!, 0)).toBeLessThanOrEqual(limits.tokensPerStep);
      expect(parts.map(({ slot }) => slot)).toEqual([...new Set(parts.map(({ slot }) => slot))].toSorted((a, b) => a - b));
      for (const { job, slot, step, last } of parts) {
        // Every step of a job once and in order, all in the same slot, which nobody else has meanwhile.
        expect(step).toBe(seen[job]!++);
        expect(slot).toBeLessThan(limits.slots);
        if (step === 0) {
          expect(holderOf.has(slot)).toBe(false);
          slotOf.set(job, slot);
          holderOf.set(slot, job);
        }
        expect(slotOf.get(job)).toBe(slot);
        expect(holderOf.get(slot)).toBe(job);
        expect(last).toBe(step === table[job]!.length - 1);
      }
      for (const { slot, last } of parts) if (last) holderOf.delete(slot);
    }
    expect(seen).toEqual(table.map(({ length }) => length));
  });

  it('fills a slot again in the step after its job’s last', () => {
    const steps = pack([[40], [40, 40, 40], [40, 40], [40]], { slots: 2, tokensPerStep: 80 });
    expect(steps.map((parts) => parts.map(({ job, slot }) => [job, slot]))).toEqual([
      [[0, 0], [1, 1]],
      [[2, 0], [1, 1]],
      [[2, 0], [1, 1]],
      [[3, 0]],
    ]);
  });

  it('keeps steps nearly full while jobs wait, however different they are', () => {
    const random = stream(1, 'full');
    const table = Array.from({ length: 60 }, () => Array.from({ length: 5 + random.integer(60) }, () => 8 * (4 + random.integer(16))));
    const order = [...table.keys()].sort((a, b) => table[b]!.length - table[a]!.length);
    const steps = pack(order.map((job) => table[job]!), { slots: 32, tokensPerStep: 1_024 });
    const all = table.flat().reduce((sum, tokens) => sum + tokens, 0);
    // No schedule has fewer steps than the tokens need.
    expect(all / (steps.length * 1_024)).toBeGreaterThan(0.9);
  });

  it('asks for a plan when its job’s turn has come', () => {
    const asked: number[] = [];
    const packer = new Packer([0, 1, 2, 3], (job) => (asked.push(job), [60, 60]), { slots: 1, tokensPerStep: 100 });
    packer.next();
    expect(asked).toEqual([0]);
    packer.next();
    packer.next();
    expect(asked).toEqual([0, 1]);
  });

  it('frees the slot of a job that is stopped, and puts an added one in front', () => {
    const tokens = [[50, 50, 50, 50], [50, 50], [50], [50]];
    const packer = new Packer([0, 1, 2], (job) => tokens[job] ?? [], { slots: 2, tokensPerStep: 100 });
    const jobs = () => packer.next().map(({ job, slot, step }) => [job, slot, step]);
    expect(jobs()).toEqual([[0, 0, 0], [1, 1, 0]]);
    packer.stop(0);
    packer.add(3);
    expect(jobs()).toEqual([[3, 0, 0], [1, 1, 1]]);
    packer.stop(3);
    expect(jobs()).toEqual([[2, 0, 0]]);
    expect(jobs()).toEqual([]);
  });

  it('refuses a job with a step that fits nowhere', () => {
    expect(() => pack([[8], [8, 104]])).toThrow('Cannot train an adapter on 104 tokens a step: tokensPerStep is 100');
  });
});
