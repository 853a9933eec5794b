/** Sizes of the attention tiles of the family `workgroup` by head size, and the prelude of `workgroup-tile.wgsl.ts`. */

/** What a kernel's tile owns: `rows` tokens, `kept` weights for each pair of a row and a column. */
interface AttentionTile {
  readonly rows: number;
  readonly kept: number;
}

/** Queries against their keys: scores and one sum over the keys. */
export const queryTile: AttentionTile = { rows: 64, kept: 1 };
/** Keys against their queries: two sums over the queries, so half the rows. */
export const keyTile: AttentionTile = { rows: 32, kept: 2 };

const COLUMNS = 32;
/** vec4s of a head that are staged for the scores. */
const CHUNK = 4;
/** 8 KiB: with the kept weights' 8 KiB all that WebGPU grants by default. */
const STAGED_VEC4S = 512;

function sizesOf({ rows, kept }: AttentionTile, D: number) {
  const vec4s = D / 4;
  const rowGroups = rows / 4;
  // Twice the invocations for wide heads, whose sums would not fit registers.
  const invocations = D > 128 ? 256 : 128;
  const columnGroups = invocations / rowGroups;
  let values = COLUMNS;
  while (values * vec4s > STAGED_VEC4S) values /= 2;
  return {
    D4: vec4s,
    ROW_GROUPS: rowGroups,
    COLUMN_GROUPS: columnGroups,
    INVOCATIONS: invocations,
    ROWS: rows,
    COLUMNS,
    SCORES: COLUMNS / columnGroups,
    PARTS: Math.ceil(vec4s / columnGroups),
    VALUES: values,
    CHUNK,
    STAGED: Math.max(CHUNK * (rows + 1 + COLUMNS + 1), values * vec4s),
    WEIGHTS: kept * COLUMNS * rowGroups,
  };
}

/** Bytes of workgroup memory that a tile takes at a head size. */
export function attentionTileBytes(tile: AttentionTile, D: number): number {
  const { STAGED, WEIGHTS } = sizesOf(tile, D);
  return 16 * (STAGED + WEIGHTS);
}

/** The tile's sizes as WGSL constants. */
export function attentionTilePrelude(tile: AttentionTile, D: number): string {
  return Object.entries(sizesOf(tile, D))
    .map(([name, count]) => `const ${name} = ${count}u;\n`)
    .join('');
}
