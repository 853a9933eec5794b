/** The height of the register tiles of 8-lane subgroups. */

import { ceilDiv } from '../op.ts';

/** Blocks of 8 rows that one subgroup holds: as many as `rows` fill, 4 at most. */
export const blocksPrelude = (rows: number): string => `const BLOCKS = ${Math.min(ceilDiv(rows, 8), 4)}u;\n`;
