/**
 * Sequences laid one after another as the kernels read them.
 *
 * Tokens of adapter e are one segment that starts at a multiple of 8 and is filled up to a multiple of 8 with padding
 * tokens; a padding token is a sequence of its own, of length 1 and weight 0, so it changes nothing.
 */

/** One sequence to train on or to score. */
export interface TokenSequence {
  /** Token ids, at least one. */
  readonly tokens: ArrayLike<number>;
  /** Weight of predicting `tokens[i]` from what is before it; the first entry is never used. All 1 when absent. */
  readonly targetWeights?: ArrayLike<number>;
}

/** Sequences that share one adapter. */
export type Segment = readonly TokenSequence[];

/** Host copies of what a step reads, T tokens long. */
export interface PackedBatch {
  readonly tokenCount: number;
  readonly tokens: Uint32Array;
  readonly positions: Uint32Array;
  /** (T, 2): first and one-past-last token of each token's sequence. */
  readonly bounds: Uint32Array;
  readonly targets: Uint32Array;
  /** Weight of each token's loss: within a segment these add up to 1 (or are all 0). */
  readonly lossWeights: Float32Array;
  /** (T / 8): adapter of each block of 8 tokens. */
  readonly blocks: Uint32Array;
  readonly tileCount: number;
  /** (tileCount, 3): adapter, first and one-past-last token, at most 32 tokens each. */
  readonly tiles: Uint32Array;
  /** (E, 2): first and one-past-last token of each adapter. */
  readonly segments: Uint32Array;
  /** Index of the last token of every sequence, segment by segment. */
  readonly lastTokens: Uint32Array;
  /** Tokens of the sequences, padding not counted. */
  readonly contentCount: number;
}

const BLOCK = 8;
const TILE = 32;
const roundUp = (count: number, multiple: number) => Math.ceil(count / multiple) * multiple;

/** Number of tokens that a segment takes. */
export function segmentTokens(segment: Segment): number {
  return roundUp(
    segment.reduce((sum, sequence) => sum + sequence.tokens.length, 0),
    BLOCK,
  );
}

/**
 * Tokens whose results a step computes, masked ones included: every tile counts as full. Only the low-rank projections
 * work in these tiles; the other ops fill up the end of the whole batch alone, so this is the most that any op computes.
 */
export function computedTokens({ tileCount }: PackedBatch): number {
  return tileCount * TILE;
}

/**
 * Packs segment e for adapter e. Loss weights are divided by their sum over the segment: a segment's loss is the
 * weighted mean over its target tokens. With `fillTo` the last segment is padded until the batch has that many tokens, a
 * multiple of 8. Throws RangeError for an empty sequence, and when the sequences do not fit.
 */
export function packBatch(segments: readonly Segment[], fillTo?: number): PackedBatch {
  const needed = segments.reduce((sum, segment) => sum + segmentTokens(segment), 0);
  const tokenCount = fillTo ?? needed;
  if (needed > tokenCount) throw new RangeError(`Cannot pack ${needed} tokens into ${tokenCount}`);
  const tokens = new Uint32Array(tokenCount);
  const positions = new Uint32Array(tokenCount);
  const bounds = new Uint32Array(tokenCount * 2);
  const targets = new Uint32Array(tokenCount);
  const lossWeights = new Float32Array(tokenCount);
  const blocks = new Uint32Array(tokenCount / BLOCK);
  const ranges = new Uint32Array(segments.length * 2);
  const tiles: number[] = [];
  const lastTokens: number[] = [];
  let contentCount = 0;
  let at = 0;
  segments.forEach((segment, adapter) => {
    const start = at;
    let totalWeight = 0;
    for (const { tokens: own, targetWeights } of segment) {
      const length = own.length;
      if (length === 0) throw new RangeError(`Cannot pack an empty sequence for adapter ${adapter}`);
      for (let i = 0; i < length; i++) {
        const t = at + i;
        tokens[t] = own[i];
        positions[t] = i;
        bounds[t * 2] = at;
        bounds[t * 2 + 1] = at + length;
        if (i + 1 < length) {
          const weight = targetWeights ? targetWeights[i + 1] : 1;
          targets[t] = own[i + 1];
          lossWeights[t] = weight;
          totalWeight += weight;
        }
      }
      at += length;
      contentCount += length;
      lastTokens.push(at - 1);
    }
    const last = adapter === segments.length - 1;
    const end = last ? tokenCount : start + roundUp(at - start, BLOCK);
    for (; at < end; at++) {
      bounds[at * 2] = at;
      bounds[at * 2 + 1] = at + 1;
    }
    if (totalWeight > 0) for (let t = start; t < end; t++) lossWeights[t] /= totalWeight;
    ranges[adapter * 2] = start;
    ranges[adapter * 2 + 1] = end;
    blocks.fill(adapter, start / BLOCK, end / BLOCK);
    for (let t = start; t < end; t += TILE) tiles.push(adapter, t, Math.min(t + TILE, end));
  });
  return {
    tokenCount,
    tokens,
    positions,
    bounds,
    targets,
    lossWeights,
    blocks,
    tileCount: tiles.length / 3,
    tiles: Uint32Array.from(tiles),
    segments: ranges,
    lastTokens: Uint32Array.from(lastTokens),
    contentCount,
  };
}

/** Tables for `rows` single tokens with the given adapter each, in non-decreasing order of adapter: one decode step. */
export interface RowTables {
  /** Row of each request, blocks of 8 rows holding one adapter. */
  readonly rowOf: Uint32Array;
  readonly rowCount: number;
  readonly blocks: Uint32Array;
  readonly tileCount: number;
  readonly tiles: Uint32Array;
}

/** Gives every request a row such that no block of 8 rows mixes adapters. */
export function packRows(adapters: readonly number[]): RowTables {
  const rowOf = new Uint32Array(adapters.length);
  const blocks: number[] = [];
  const tiles: number[] = [];
  let row = 0;
  for (let i = 0; i < adapters.length; ) {
    const adapter = adapters[i];
    const start = row;
    for (; i < adapters.length && adapters[i] === adapter; i++) rowOf[i] = row++;
    if (i < adapters.length && adapters[i] < adapter) throw new RangeError('Cannot pack rows: adapters must not decrease');
    row = roundUp(row, BLOCK);
    for (let r = start; r < row; r += BLOCK) blocks.push(adapter);
    for (let r = start; r < row; r += TILE) tiles.push(adapter, r, Math.min(r + TILE, row));
  }
  return {
    rowOf,
    rowCount: row,
    blocks: Uint32Array.from(blocks),
    tileCount: tiles.length / 3,
    tiles: Uint32Array.from(tiles),
  };
}

/** Tiles and segments of a range of a batch's tokens. */
export interface RangeTables {
  readonly tiles: Uint32Array;
  readonly segments: Uint32Array;
}

/** What of a batch lies in tokens [start, start + tokens): its tiles and segments cut to them and counted from `start`. */
export function rangeTables(batch: Pick<PackedBatch, 'tiles' | 'segments'>, start: number, tokens: number): RangeTables {
  const within = (token: number) => Math.min(Math.max(token - start, 0), tokens);
  const tiles: number[] = [];
  for (let i = 0; i < batch.tiles.length; i += 3) {
    const [first, end] = [within(batch.tiles[i + 1]), within(batch.tiles[i + 2])];
    if (first < end) tiles.push(batch.tiles[i], first, end);
  }
  return { tiles: Uint32Array.from(tiles), segments: batch.segments.map(within) };
}
