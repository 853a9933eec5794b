/** Sizes of the tiles for matrix units, chosen by what the adapter lists, and the prelude of `subgroup-matrix-tile.wgsl.ts`. */

import type { AdapterProfile, Requirement, SubgroupMatrixConfig } from '../op.ts';

/** A workgroup of 2 x 2 subgroups, each with `sub` x `sub` sums. */
export interface MatrixTile {
  readonly sub: number;
  /** Values of k staged at once. */
  readonly step: number;
  /** Whether operands are staged as f16. */
  readonly half: boolean;
}

export const largeMatrixTile: MatrixTile = { sub: 64, step: 16, half: true };
export const smallMatrixTile: MatrixTile = { sub: 32, step: 32, half: true };
export const fullMatrixTile: MatrixTile = { sub: 32, step: 16, half: false };

/** Two beside each other, the others below. */
const SUBGROUPS = 4;
/** Results of one matrix that pass through workgroup memory, for each subgroup. */
const MOST_RESULTS = 256;
/** Bytes between two staged lines beyond their length, against bank conflicts. */
const PADDING = 16;

/** Rows and columns of one workgroup's tile. */
export const matrixTileWidth = ({ sub }: MatrixTile): number => 2 * sub;

/**
 * The products that an adapter's matrix units compute with f32 sums and that tile evenly: f16 operands or f32 ones,
 * the largest first. None where the subgroup size is not known, because a subgroup must be one row of the workgroup.
 */
function matrixConfig(profile: AdapterProfile, { sub, step, half }: MatrixTile): SubgroupMatrixConfig | undefined {
  if (profile.subgroupSize === null) return undefined;
  return profile.subgroupMatrixConfigs
    .filter(({ componentType, resultComponentType }) => componentType === (half ? 'f16' : 'f32') && resultComponentType === 'f32')
    .filter(({ M, N, K }) => sub % M === 0 && sub % N === 0 && step % K === 0 && N % 4 === 0 && M * N <= MOST_RESULTS)
    .toSorted((a, b) => b.M * b.N * b.K - a.M * a.N * a.K)[0];
}

function lengths({ sub, step, half }: MatrixTile, alongK: boolean) {
  const width = 2 * sub;
  const stride = (alongK ? step : width) + PADDING / (half ? 2 : 4);
  return { stride, length: stride * (alongK ? width : step) };
}

/** How the operands of a product lie: neighbours in memory are neighbours in k, or else neighbouring rows (columns). */
interface MatrixOperands {
  readonly leftAlongK: boolean;
  readonly rightAlongK: boolean;
}

/** Bytes of workgroup memory at most. */
function matrixTileBytes(tile: MatrixTile, { leftAlongK, rightAlongK }: MatrixOperands): number {
  const staged = lengths(tile, leftAlongK).length + lengths(tile, rightAlongK).length;
  return staged * (tile.half ? 2 : 4) + SUBGROUPS * MOST_RESULTS * 4;
}

/**
 * The tile's sizes as WGSL constants, for subgroups of `width` lanes; fewer subgroups than four only to compile for
 * devices that have no room for them.
 */
function matrixTilePrelude(
  tile: MatrixTile,
  { leftAlongK, rightAlongK }: MatrixOperands,
  { M, N, K }: SubgroupMatrixConfig,
  width: number,
  subgroups = SUBGROUPS,
): string {
  const left = lengths(tile, leftAlongK);
  const right = lengths(tile, rightAlongK);
  const counts = {
    MATRIX_M: M,
    MATRIX_N: N,
    MATRIX_K: K,
    WIDTH: width,
    SUBGROUPS: subgroups,
    ROWS: (subgroups / 2) * tile.sub,
    COLUMNS: 2 * tile.sub,
    SUB_ROWS: tile.sub,
    SUB_COLUMNS: tile.sub,
    STEP: tile.step,
    LEFT_STRIDE: left.stride,
    LEFT_LENGTH: left.length,
    RIGHT_STRIDE: right.stride,
    RIGHT_LENGTH: right.length,
  };
  return (
    Object.entries(counts).map(([name, count]) => `const ${name} = ${count}u;\n`).join('') +
    `const LEFT_ALONG_K = ${leftAlongK};\nconst RIGHT_ALONG_K = ${rightAlongK};\nconst ALIGNED = true;\n` +
    `alias Staged = ${tile.half ? 'f16' : 'f32'};\nalias Element = vec4f;\n`
  );
}

/** What every op's variants for matrix units have in common; `operands` are the inputs that are rounded where the tile is f16. */
export function matrixVariant<Z>(
  name: string,
  tile: MatrixTile,
  layout: MatrixOperands,
  operands: readonly string[],
  constants: string,
  fits: (sizes: Z) => boolean,
) {
  const needs: readonly Requirement[] = ['subgroups', 'chromium-experimental-subgroup-matrix'];
  return {
    name,
    needs: tile.half ? ([...needs, 'shader-f16'] as const) : needs,
    ...(tile.half && { halfOperands: operands }),
    prelude: (_: Z, profile: AdapterProfile) => {
      const config = matrixConfig(profile, tile);
      if (!config) throw new RangeError(`Cannot run ${name}: this adapter lists no matrices that tile ${tile.sub} x ${tile.sub} sums`);
      const width = profile.subgroupSize ?? 0;
      return constants + matrixTilePrelude(tile, layout, config, width, Math.min(SUBGROUPS, Math.floor(256 / width)));
    },
    workgroupBytes: () => matrixTileBytes(tile, layout),
    supports: (profile: AdapterProfile, sizes: Z) =>
      matrixConfig(profile, tile) !== undefined && SUBGROUPS * (profile.subgroupSize ?? 0) <= 256 && fits(sizes),
  };
}
