/** What ops over quantised weights share: shapes and test values of their operands, and the prelude of weight-format.wgsl.ts. */

import { BLOCK_SHAPES, blockPrelude, type BlockFormat } from './block-format.ts';
import { BITS, HELD_FORMATS, isBlockFormat, quantisedShape, quantiseRows, type QuantisedRows } from './weight-format.ts';

interface WeightSizes {
  /** Place in `HELD_FORMATS`. */
  readonly format: number;
}

/** Data and scales of N rows of K weights in a format. */
export function quantisedWeights<Z extends WeightSizes>(rows: (sizes: Z) => number, width: (sizes: Z) => number) {
  const shape = (sizes: Z) => quantisedShape(formatOf(sizes), width(sizes));
  const draw = (sizes: Z, uniform: () => number): QuantisedRows => {
    const K = width(sizes);
    const format = formatOf(sizes);
    // Groups of very different sizes, some of whose scales are subnormal f16, and one of equal weights in every ninth row.
    const magnitude = Float64Array.from({ length: 7 }, () => 2 ** (4 - 20 * uniform() ** 3));
    const values = Float32Array.from({ length: rows(sizes) * K }, (_, i) => {
      const row = Math.floor(i / K);
      return row % 9 === 8 ? 0.3 : magnitude[row % 7] * (uniform() - 0.4);
    });
    return isBlockFormat(format) ? drawBlocks(format, rows(sizes), K, uniform) : quantiseRows(format, values, K);
  };
  return {
    data: {
      type: 'u32' as const,
      shape: (sizes: Z) => [rows(sizes), shape(sizes).words],
      draw: (sizes: Z, uniform: () => number) => draw(sizes, uniform).data,
    },
    scales: {
      type: 'u32' as const,
      shape: (sizes: Z) => [rows(sizes), shape(sizes).scaleWords],
      draw: (sizes: Z, uniform: () => number) => draw(sizes, uniform).scales,
      optional: true as const,
    },
  };
}

/** Places of two formats of blocks that between them have both planes and both kinds of scales; all are held to their bits elsewhere. */
export const BLOCK_CASES: readonly number[] = (['q5', 'q6_k'] as const).map((format) => HELD_FORMATS.indexOf(format));

/** Any steps, and scales from subnormal f16 to some thousands, of either sign. */
function drawBlocks(format: BlockFormat, rows: number, K: number, uniform: () => number): QuantisedRows {
  const { words, scaleWords } = quantisedShape(format, K);
  const { scaling } = BLOCK_SHAPES[format];
  // Of bfloat only numbers that are no larger than a weight.
  const word = () => (scaling === 'bfloat' ? bfloat() + bfloat() * 65_536 : Math.floor(uniform() * 2 ** 32));
  const bfloat = () => Math.floor(uniform() * 0x4000) + (uniform() < 0.5 ? 0x8000 : 0);
  const half = () => Math.floor(uniform() * 0x6400) + (uniform() < 0.5 ? 0x8000 : 0);
  const isNested = scaling !== 'pair' && scaling !== 'table';
  return {
    data: Uint32Array.from({ length: rows * words }, word),
    scales: Uint32Array.from({ length: rows * scaleWords }, (_, i) => (isNested && i % 2 === 1 ? word() : half() + half() * 65_536)),
  };
}

function formatOf({ format }: WeightSizes) {
  const name = HELD_FORMATS[format];
  if (!name) throw new RangeError(`Cannot read weights of format ${format}: formats are 0 to ${HELD_FORMATS.length - 1}`);
  return name;
}

/** The constants that weight-format.wgsl.ts needs. */
export function formatPrelude(sizes: WeightSizes): string {
  const format = formatOf(sizes);
  return isBlockFormat(format) ? blockPrelude(format) : `const LOW = ${BITS[format]}u;\nconst HIGH = 0u;\nconst SCALING = 0u;\n`;
}
