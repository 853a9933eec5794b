/** Sizes of the product tiles of the family `workgroup` and the prelude that `workgroup-tile.wgsl.ts` takes. */

/** ROW_GROUPS x COLUMN_GROUPS invocations with ROW_BLOCKS x COLUMN_BLOCKS blocks of 4 x 4 sums each, `step` of k at once. */
export interface TileShape {
  readonly rowGroups: number;
  readonly columnGroups: number;
  readonly rowBlocks: number;
  readonly columnBlocks: number;
  /** A multiple of 4. */
  readonly step: number;
}

/** How the operands of one product lie. */
export interface TileOperands {
  /** Whether neighbours in memory are neighbours in k; else they are neighbouring rows (columns). */
  readonly leftAlongK: boolean;
  readonly rightAlongK: boolean;
  /** Whether operands are staged as f16. */
  readonly half: boolean;
}

/** 128 x 128 sums: the most reuse, for products that fill a GPU with such tiles. */
export const largeTile: TileShape = { rowGroups: 16, columnGroups: 16, rowBlocks: 2, columnBlocks: 2, step: 8 };
/** 64 x 64 sums. */
export const smallTile: TileShape = { rowGroups: 16, columnGroups: 16, rowBlocks: 1, columnBlocks: 1, step: 16 };
/** 16 x 64 sums, for the few rows of a decoding step. */
export const thinTile: TileShape = { rowGroups: 4, columnGroups: 16, rowBlocks: 1, columnBlocks: 1, step: 32 };
/** 32 tokens by 32 ranks of a low-rank projection. */
export const projectionTile: TileShape = { rowGroups: 8, columnGroups: 8, rowBlocks: 1, columnBlocks: 1, step: 32 };
/** 32 ranks by 64 columns of a low-rank gradient. */
export const rankTile: TileShape = { rowGroups: 8, columnGroups: 16, rowBlocks: 1, columnBlocks: 1, step: 32 };

/** Rows of the left operand that one workgroup takes. */
export const tileRows = ({ rowGroups, rowBlocks }: TileShape): number => 4 * rowGroups * rowBlocks;
/** Columns of the right operand that one workgroup takes. */
export const tileColumns = ({ columnGroups, columnBlocks }: TileShape): number => 4 * columnGroups * columnBlocks;

/** Whether a product has enough of the largest tiles to keep a GPU busy. */
export const fillsGpu = (rows: number, columns: number): boolean =>
  Math.ceil(rows / tileRows(largeTile)) * Math.ceil(columns / tileColumns(largeTile)) >= 64;

/** Twice the step where a value takes half the bytes. */
const stepOf = (shape: TileShape, half: boolean): number => (half ? 2 : 1) * shape.step;

function staged(width: number, step: number, alongK: boolean): { readonly stride: number; readonly length: number } {
  const stride = (alongK ? width : width / 4) + 1;
  return { stride, length: stride * (alongK ? step / 4 : step) };
}

/** Bytes of workgroup memory that a tile takes. */
export function tileBytes(shape: TileShape, { leftAlongK, rightAlongK, half }: TileOperands): number {
  const step = stepOf(shape, half);
  const left = staged(tileRows(shape), step, leftAlongK);
  const right = staged(tileColumns(shape), step, rightAlongK);
  return (left.length + right.length) * (half ? 8 : 16);
}

/**
 * Prelude of a tile. `aligned` says that every row, offset and count of the op's buffers is a multiple of 4: they are
 * bound as vec4s then, else as single numbers.
 */
export function tilePrelude(shape: TileShape, operands: TileOperands, aligned: boolean): string {
  const { leftAlongK, rightAlongK, half } = operands;
  const step = stepOf(shape, half);
  const left = staged(tileRows(shape), step, leftAlongK);
  const right = staged(tileColumns(shape), step, rightAlongK);
  const counts = {
    ROW_GROUPS: shape.rowGroups,
    COLUMN_GROUPS: shape.columnGroups,
    ROW_BLOCKS: shape.rowBlocks,
    COLUMN_BLOCKS: shape.columnBlocks,
    INVOCATIONS: shape.rowGroups * shape.columnGroups,
    SUMS: 4 * shape.rowBlocks * shape.columnBlocks,
    ROWS: tileRows(shape),
    COLUMNS: tileColumns(shape),
    STEP: step,
    LEFT_STRIDE: left.stride,
    LEFT_LENGTH: left.length,
    RIGHT_STRIDE: right.stride,
    RIGHT_LENGTH: right.length,
  };
  return (
    Object.entries(counts).map(([name, count]) => `const ${name} = ${count}u;\n`).join('') +
    `const LEFT_ALONG_K = ${leftAlongK};\nconst RIGHT_ALONG_K = ${rightAlongK};\nconst ALIGNED = ${aligned};\n` +
    `alias Staged = ${half ? 'vec4<f16>' : 'vec4f'};\nalias Element = ${aligned ? 'vec4f' : 'f32'};\n`
  );
}
