import { describe, expect, it } from 'vitest';
import { stream } from '@seal/files';
import { groupWithoutConflicts, select, selectAll, selectBest, selectRandom, type Candidate } from './selection.ts';

const candidate = (selfEditId: string, rewards: number[], eligible = true): Candidate => ({ selfEditId, rewards, eligible });
const random = () => stream(0, 'ties');
const first = { threshold: 'none', ties: 'first' } as const;

describe('selectBest', () => {
  it('keeps the highest mean, not the highest single reward', () => {
    const { kept, reason } = selectBest([candidate('a', [1, 0]), candidate('b', [0.6, 0.6])], first, [], random());
    expect(kept[0]?.selfEditId).toBe('b');
    expect(reason).toBe('best of 2 at 0.600');
  });

  it('breaks ties by order or by drawing, and says so', () => {
    const tied = ['a', 'b', 'c', 'd'].map((id) => candidate(id, [id === 'a' ? 0 : 0.5]));
    const { kept, reason } = selectBest(tied, first, [], random());
    expect(kept[0]?.selfEditId).toBe('b');
    expect(reason).toContain('one of 3 that tie');
    const draw = random();
    const counts = new Map<string, number>();
    for (let i = 0; i < 3_000; i++) {
      const id = selectBest(tied, { threshold: 'none', ties: 'random' }, [], draw).kept[0]?.selfEditId ?? '';
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual(['b', 'c', 'd']);
    // Four standard deviations of a binomial count of 3,000 at 1/3.
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(104);
  });

  it('sees through rounding: the same right answers in another order tie', () => {
    const tied = [candidate('a', [0.15, 0.15]), candidate('b', [0.1, 0.2])];
    expect(selectBest(tied, first, [], random()).kept[0]?.selfEditId).toBe('a');
  });

  it('never keeps what could not be trained on', () => {
    expect(selectBest([candidate('a', [1], false), candidate('b', [0.1])], first, [], random()).kept[0]?.selfEditId).toBe('b');
    const { kept, reason } = selectBest([candidate('a', [1], false)], first, [], random());
    expect(kept).toEqual([]);
    expect(reason).toBe('no self-edit could be trained on');
    expect(selectBest([], first, [], random()).kept).toEqual([]);
  });

  it('asks for more than the baselines by more than one standard error', () => {
    const rule = { threshold: 'beats-baselines', ties: 'first' } as const;
    const choose = (rewards: number[], baselines: number[]) => selectBest([candidate('a', rewards)], rule, baselines, random());
    // Variance 0.02, standard error of the mean of two 0.1: 0.6 - 0.1 against the bar.
    expect(choose([0.5, 0.7], [0.3, 0.49]).kept[0]?.selfEditId).toBe('a');
    expect(choose([0.5, 0.7], [0.3, 0.51])).toMatchObject({ kept: [], reason: expect.stringContaining('does not beat') });
    expect(choose([0.5, 0.7], [0.5]).kept).toEqual([]);
    // One repeat has no standard error.
    expect(choose([0.6], [0.59]).kept[0]?.selfEditId).toBe('a');
    expect(choose([0.6], [0.6]).kept).toEqual([]);
  });
});

describe('selectAll', () => {
  const ids = ({ kept }: { readonly kept: readonly Candidate[] }) => kept.map(({ selfEditId }) => selfEditId);
  const all = [candidate('a', [0, 0]), candidate('b', [0, 1]), candidate('c', [1, 1], false), candidate('d', [1, 1]), candidate('e', [1, 0])];

  it('keeps every reward above 0, the best first and equal ones in their order', () => {
    const choice = selectAll(all, first, []);
    expect(ids(choice)).toEqual(['d', 'b', 'e']);
    expect(choice.reason).toBe('3 of 4 with a reward above 0');
    expect(selectAll(all.slice(0, 1), first, [])).toEqual({ kept: [], reason: 'none of 1 has a reward above 0' });
  });

  it('asks each for more than the baselines by more than one standard error', () => {
    const rule = { threshold: 'beats-baselines', ties: 'first' } as const;
    // b and e are 0.5 with an error of 0.5; d has none.
    const choice = selectAll(all, rule, [0.2, 0.1]);
    expect(ids(choice)).toEqual(['d']);
    expect(choice.reason).toBe("1 of 4 with a reward that beats the baselines' 0.200");
    expect(ids(selectAll(all, rule, [1]))).toEqual([]);
    // Without a baseline, or with none above 0, the bar is 0.
    expect(ids(selectAll([candidate('a', [0]), candidate('b', [0.1])], rule, []))).toEqual(['b']);
    expect(selectAll([candidate('a', [0])], rule, [0]).reason).toBe("none of 1 has a reward that beats the baselines' 0.000");
  });

  it('never keeps what could not be trained on', () => {
    expect(selectAll(all.slice(2, 3), first, [])).toEqual({ kept: [], reason: 'no self-edit could be trained on' });
  });

  it('is what a rule that keeps all selects, and the best what any other does', () => {
    expect(ids(select(all, { ...first, keep: 'all' }, [], random()))).toEqual(['d', 'b', 'e']);
    for (const rule of [first, { ...first, keep: 'best' } as const]) expect(ids(select(all, rule, [], random()))).toEqual(['d']);
  });
});

describe('selectRandom', () => {
  it('draws from what could be trained on, blind to rewards', () => {
    const all = [candidate('a', [1], false), candidate('b', [0]), candidate('c', [1])];
    const draw = random();
    const drawn = Array.from({ length: 400 }, () => selectRandom(all, draw).kept[0]?.selfEditId);
    expect(new Set(drawn)).toEqual(new Set(['b', 'c']));
    expect(Math.abs(drawn.filter((id) => id === 'b').length - 200)).toBeLessThan(40);
    expect(selectRandom([], draw).kept).toEqual([]);
  });

  it('draws several without drawing one twice, and never more than there are', () => {
    const all = ['a', 'b', 'c', 'd'].map((id) => candidate(id, [0]));
    const draw = random();
    const counts = new Map<string, number>();
    for (let i = 0; i < 1_000; i++) {
      const { kept } = selectRandom(all, draw, 2);
      expect(new Set(kept).size).toBe(2);
      for (const { selfEditId } of kept) counts.set(selfEditId, (counts.get(selfEditId) ?? 0) + 1);
    }
    // Four standard deviations of a binomial count of 1,000 at 1/2.
    for (const { selfEditId } of all) expect(Math.abs((counts.get(selfEditId) ?? 0) - 500)).toBeLessThan(64);
    expect(selectRandom([candidate('z', [1], false), ...all], draw, 9).kept.map(({ selfEditId }) => selfEditId).toSorted()).toEqual(['a', 'b', 'c', 'd']);
  });
});

describe('groupWithoutConflicts', () => {
  it('keeps every item once, no group over its size and no conflict within one, for all conflicts of five items', () => {
    const items = [0, 1, 2, 3, 4];
    const pairs = items.flatMap((a) => items.filter((b) => b > a).map((b) => [a, b] as const));
    for (let mask = 0; mask < 2 ** pairs.length; mask++) {
      const conflicts = (a: number, b: number) =>
        pairs.some(([x, y], bit) => (mask >> bit) % 2 === 1 && ((x === a && y === b) || (x === b && y === a)));
      for (const size of [1, 2, 3]) {
        const groups = groupWithoutConflicts(items, size, conflicts);
        const ok =
          groups.flat().toSorted().join() === items.join() &&
          groups.every((group) => group.length > 0 && group.length <= size && group.every((a) => group.every((b) => a === b || !conflicts(a, b))));
        if (!ok) expect.fail(`conflicts ${mask}, size ${size}: ${JSON.stringify(groups)}`);
      }
    }
  });

  it('makes as few groups as there must be, as even as can be, where nothing conflicts', () => {
    for (let count = 0; count <= 12; count++) {
      for (const size of [1, 2, 4, 5]) {
        const groups = groupWithoutConflicts(Array.from({ length: count }, (_, i) => i), size, () => false);
        const sizes = groups.map(({ length }) => length);
        expect(groups).toHaveLength(Math.ceil(count / size));
        if (count > 0) expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        for (const group of groups) expect(group).toEqual(group.toSorted((a, b) => a - b));
      }
    }
  });
});
