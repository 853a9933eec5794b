import { describe, expect, it } from 'vitest';
import { packBatch, packRows, segmentTokens, type Segment } from './batch.ts';
import { uniform } from './fixture.ts';

/** Random segments, some of them empty; every token id is used once. */
function randomSegments(seed: number): { segments: Segment[]; tokens: number } {
  const draw = uniform(seed);
  const upTo = (n: number) => Math.floor(draw() * (n + 1));
  let next = 1;
  const segments = Array.from({ length: 1 + upTo(4) }, () =>
    Array.from({ length: upTo(4) }, () => {
      const tokens = Array.from({ length: 1 + upTo(20) }, () => next++);
      return upTo(1) === 0 ? { tokens } : { tokens, targetWeights: tokens.map(() => upTo(2)) };
    }),
  );
  return { segments, tokens: next - 1 };
}

describe('packBatch', () => {
  it.each(Array.from({ length: 60 }, (_, seed) => seed))('keeps its promises for random segments %i', (seed) => {
    const { segments, tokens } = randomSegments(seed);
    const fillTo = seed % 3 === 0 ? segments.reduce((sum, s) => sum + segmentTokens(s), 0) + 8 * (seed % 5) : undefined;
    const batch = packBatch(segments, fillTo);
    const T = batch.tokenCount;
    expect(T % 8).toBe(0);
    if (fillTo !== undefined) expect(T).toBe(fillTo);
    expect(batch.contentCount).toBe(tokens);

    // Every token is placed once, in order, within its adapter's segment; the rest is padding of weight 0.
    const starts = segments.map((_, e) => batch.segments[e * 2]);
    const ends = segments.map((_, e) => batch.segments[e * 2 + 1]);
    expect(starts[0]).toBe(0);
    expect(ends.at(-1)).toBe(T);
    let sequence = 0;
    segments.forEach((segment, e) => {
      expect(starts[e] % 8).toBe(0);
      if (e > 0) expect(starts[e]).toBe(ends[e - 1]);
      let at = starts[e];
      for (const { tokens: own, targetWeights } of segment) {
        for (let i = 0; i < own.length; i++, at++) {
          expect(batch.tokens[at]).toBe(own[i]);
          expect(batch.positions[at]).toBe(i);
          expect([...batch.bounds.subarray(at * 2, at * 2 + 2)]).toEqual([at - i, at - i + own.length]);
          if (i + 1 === own.length) expect(batch.lossWeights[at]).toBe(0);
          else {
            expect(batch.targets[at]).toBe(own[i + 1]);
            expect(batch.lossWeights[at] > 0).toBe((targetWeights ? targetWeights[i + 1] : 1) > 0);
          }
        }
        expect(batch.lastTokens[sequence++]).toBe(at - 1);
      }
      for (; at < ends[e]; at++) {
        expect([...batch.bounds.subarray(at * 2, at * 2 + 2)]).toEqual([at, at + 1]);
        expect(batch.lossWeights[at]).toBe(0);
      }
      const weight = batch.lossWeights.subarray(starts[e], ends[e]).reduce((sum, w) => sum + w, 0);
      if (weight !== 0) expect(weight).toBeCloseTo(1, 5);
      for (let block = starts[e] / 8; block < ends[e] / 8; block++) expect(batch.blocks[block]).toBe(e);
    });
    expect(batch.lastTokens).toHaveLength(sequence);

    // Tiles cover every token once, in order, none longer than 32 nor across adapters.
    let covered = 0;
    for (let tile = 0; tile < batch.tileCount; tile++) {
      const [adapter, start, end] = batch.tiles.subarray(tile * 3, tile * 3 + 3);
      expect(start).toBe(covered);
      expect(end - start).toBeLessThanOrEqual(32);
      expect(end).toBeLessThanOrEqual(ends[adapter]);
      expect(start).toBeGreaterThanOrEqual(starts[adapter]);
      covered = end;
    }
    expect(covered).toBe(T);
  });

  it('weighs targets in proportion', () => {
    const { lossWeights } = packBatch([[{ tokens: [1, 2, 3], targetWeights: [9, 1, 3] }]]);
    expect([...lossWeights.subarray(0, 3)]).toEqual([0.25, 0.75, 0]);
  });

  it('refuses empty sequences and too little room', () => {
    expect(() => packBatch([[{ tokens: [1] }], [{ tokens: [] }]])).toThrow('Cannot pack an empty sequence for adapter 1');
    expect(() => packBatch([[{ tokens: [1, 2, 3, 4, 5, 6, 7, 8, 9] }]], 8)).toThrow('Cannot pack 16 tokens into 8');
  });
});

describe('packRows', () => {
  it.each(Array.from({ length: 30 }, (_, seed) => seed))('gives rows of their own in blocks of one adapter %i', (seed) => {
    const draw = uniform(seed);
    const adapters = Array.from({ length: Math.floor(draw() * 40) }, () => Math.floor(draw() * 5)).toSorted((a, b) => a - b);
    const table = packRows(adapters);
    expect(table.rowCount % 8).toBe(0);
    expect(table.rowCount).toBeLessThanOrEqual(adapters.length + 7 * 5);
    expect(new Set(table.rowOf).size).toBe(adapters.length);
    adapters.forEach((adapter, i) => expect(table.blocks[Math.floor(table.rowOf[i] / 8)]).toBe(adapter));
    let covered = 0;
    for (let tile = 0; tile < table.tileCount; tile++) {
      const [adapter, start, end] = table.tiles.subarray(tile * 3, tile * 3 + 3);
      expect(start).toBe(covered);
      expect(end - start).toBeLessThanOrEqual(32);
      expect(table.blocks.subarray(start / 8, end / 8).every((own) => own === adapter)).toBe(true);
      covered = end;
    }
    expect(covered).toBe(table.rowCount);
  });

  it('refuses adapters out of order', () => {
    expect(() => packRows([1, 0])).toThrow('adapters must not decrease');
  });
});
