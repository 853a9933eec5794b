import { describe, expect, it } from 'vitest';
import { planMemory, type Lifetime } from './memory-plan.ts';

/** Minimal standard generator: whole numbers below `below`, the same for the same seed. */
function draws(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

function randomLifetimes(seed: number): Lifetime[] {
  const draw = draws(seed);
  return Array.from({ length: 1 + draw(60) }, () => {
    const first = draw(80);
    return { byteLength: 16 * (1 + draw(8) ** 3), first, last: first + draw(12) };
  });
}

const total = (numbers: readonly number[]) => numbers.reduce((sum, value) => sum + value, 0);

describe('planMemory', () => {
  it('never lets two temporaries that are alive at the same time share, and gives each enough', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const lifetimes = randomLifetimes(seed);
      const { byteLengths, placement } = planMemory(lifetimes);
      expect(placement).toHaveLength(lifetimes.length);
      lifetimes.forEach((own, i) => {
        expect(byteLengths[placement[i]!]).toBeGreaterThanOrEqual(own.byteLength);
        lifetimes.slice(0, i).forEach((other, j) => {
          const together = own.first <= other.last && other.first <= own.last;
          if (together) expect(placement[i], `seed ${seed}: ${i} and ${j}`).not.toBe(placement[j]);
        });
      });
    }
  });

  it('takes no less than is alive at the busiest item and no more than a buffer each', () => {
    let saved = 0;
    for (let seed = 1; seed <= 300; seed++) {
      const lifetimes = randomLifetimes(seed);
      const planned = total(planMemory(lifetimes).byteLengths);
      const alive = Array.from({ length: 100 }, (_, item) =>
        total(lifetimes.filter(({ first, last }) => first <= item && item <= last).map(({ byteLength }) => byteLength)),
      );
      const separate = total(lifetimes.map(({ byteLength }) => byteLength));
      expect(planned).toBeGreaterThanOrEqual(Math.max(...alive));
      expect(planned).toBeLessThanOrEqual(separate);
      saved += 1 - planned / separate;
    }
    expect(saved / 300).toBeGreaterThan(0.3);
  });

  it('needs two buffers for a chain of any length, as large as its two largest neighbours', () => {
    const chain = Array.from({ length: 50 }, (_, i) => ({ byteLength: 64, first: i, last: i + 1 }));
    expect(planMemory(chain).byteLengths).toEqual([64, 64]);
  });

  it('plans the same lifetimes the same way', () => {
    const lifetimes = randomLifetimes(7);
    expect(planMemory(lifetimes)).toEqual(planMemory(lifetimes.map((lifetime) => ({ ...lifetime }))));
    expect(planMemory([])).toEqual({ byteLengths: [], placement: [] });
  });
});
