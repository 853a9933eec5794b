import { describe, expect, test } from 'vitest';
import { hashText, philox, stream } from './random.ts';

const hex = (words: readonly number[]): string => words.map((word) => word.toString(16).padStart(8, '0')).join(' ');

describe('philox', () => {
  // The known-answer vectors published with the authors' Random123 library (philox4x32, 10 rounds).
  test.each([
    [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      '408f276d 41c83b0e a20bc7c6 6d5451fd',
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    ],
  ] as const)('gives the published answer for counter %j and key %j', (counter, key, expected) => {
    expect(hex(philox(counter, key))).toBe(expected);
  });
});

describe('stream', () => {
  test('repeats itself and separates names, seeds and types of names', () => {
    const draw = (...names: (string | number)[]): number[] => {
      const random = stream(7, ...names);
      return Array.from({ length: 5 }, () => random.next());
    };
    expect(draw('a', 1)).toEqual(draw('a', 1));
    const all = [draw('a', 1), draw('a', '1'), draw('a'), draw('a', 2), draw('b', 1)].map((values) => values.join());
    expect(new Set(all).size).toBe(all.length);
    expect(stream(8, 'a', 1).next()).not.toBe(stream(7, 'a', 1).next());
  });

  test('stays what it was when it was recorded', () => {
    const random = stream(0, 'recorded');
    expect(Array.from({ length: 4 }, () => random.integer(1000))).toEqual([140, 241, 904, 951]);
  });

  test('is uniform: chi-square over 64 cells, mean, and correlation of neighbours', () => {
    const random = stream(3, 'uniform');
    const cells = new Array<number>(64).fill(0);
    const count = 64_000;
    let sum = 0;
    let products = 0;
    let before = 0;
    for (let draw = 0; draw < count; draw++) {
      const value = random.next();
      expect(value >= 0 && value < 1).toBe(true);
      cells[Math.floor(value * 64)] = (cells[Math.floor(value * 64)] ?? 0) + 1;
      sum += value;
      products += (value - 0.5) * (before - 0.5);
      before = value;
    }
    const chiSquare = cells.reduce((total, seen) => total + (seen - count / 64) ** 2 / (count / 64), 0);
    // 63 degrees of freedom: mean 63, standard deviation 11.2; bounds at five of them.
    expect(chiSquare).toBeGreaterThan(63 - 40);
    expect(chiSquare).toBeLessThan(63 + 56);
    expect(Math.abs(sum / count - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / count));
    expect(Math.abs(products / count)).toBeLessThan(5 / 12 / Math.sqrt(count));
  });

  test('normal draws have the moments of a normal distribution', () => {
    const random = stream(4, 'normal');
    const count = 40_000;
    const values = Array.from({ length: count }, () => random.normal());
    const moment = (power: number): number => values.reduce((total, value) => total + value ** power, 0) / count;
    expect(Math.abs(moment(1))).toBeLessThan(5 / Math.sqrt(count));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(5 * Math.sqrt(2 / count));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(5 * Math.sqrt(96 / count));
  });

  test('a shuffle permutes and leaves its argument alone; every place is equally likely', () => {
    const random = stream(5, 'shuffle');
    const values = [0, 1, 2, 3, 4];
    const first = new Array<number>(5).fill(0);
    for (let round = 0; round < 5000; round++) {
      const mixed = random.shuffle(values);
      expect([...mixed].sort()).toEqual([0, 1, 2, 3, 4]);
      first[mixed[0] ?? 0] = (first[mixed[0] ?? 0] ?? 0) + 1;
    }
    expect(values).toEqual([0, 1, 2, 3, 4]);
    for (const seen of first) expect(Math.abs(seen - 1000)).toBeLessThan(5 * Math.sqrt(800));
  });

  test('refuses what is not a whole number, an empty list and an impossible bound', () => {
    expect(() => stream(0.5)).toThrow(/safe whole numbers/);
    expect(() => stream(0, Number.NaN)).toThrow(/NaN/);
    expect(() => stream(0).integer(0)).toThrow(/from 1 to/);
    expect(() => stream(0).pick([])).toThrow(/empty/);
  });
});

describe('hashText', () => {
  test('tells apart texts that differ only by length of zero bytes or by order of blocks', () => {
    const texts = ['', '\0', '\0\0', 'a'.repeat(16) + 'b'.repeat(16), 'b'.repeat(16) + 'a'.repeat(16)];
    expect(new Set(texts.map((text) => hex(hashText(text)))).size).toBe(texts.length);
  });
});
