/** What ops over quantised weights share: shapes and test values of their operands, and the prelude of weight-format.wgsl.ts. */

import { quantisedShape, quantiseRows, WEIGHT_FORMATS, type QuantisedRows } from './weight-format.ts';

interface WeightSizes {
  /** Place in `WEIGHT_FORMATS`. */
  readonly format: number;
}

/** Data and scales of N rows of K weights in a format. */
export function quantisedWeights<Z extends WeightSizes>(rows: (sizes: Z) => number, width: (sizes: Z) => number) {
  const shape = (sizes: Z) => quantisedShape(formatOf(sizes), width(sizes));
  const draw = (sizes: Z, uniform: () => number): QuantisedRows => {
    const K = width(sizes);
    // Groups of very different sizes, some of whose scales are subnormal f16, and one of equal weights in every ninth row.
    const magnitude = Float64Array.from({ length: 7 }, () => 2 ** (4 - 20 * uniform() ** 3));
    const values = Float32Array.from({ length: rows(sizes) * K }, (_, i) => {
      const row = Math.floor(i / K);
      return row % 9 === 8 ? 0.3 : magnitude[row % 7] * (uniform() - 0.4);
    });
    return quantiseRows(formatOf(sizes), values, K);
  };
  return {
    data: {
      type: 'u32' as const,
      shape: (sizes: Z) => [rows(sizes), shape(sizes).words],
      draw: (sizes: Z, uniform: () => number) => draw(sizes, uniform).data,
    },
    scales: {
      type: 'u32' as const,
      shape: (sizes: Z) => [rows(sizes), shape(sizes).groups],
      draw: (sizes: Z, uniform: () => number) => draw(sizes, uniform).scales,
      optional: true as const,
    },
  };
}

function formatOf({ format }: WeightSizes) {
  const name = WEIGHT_FORMATS[format];
  if (!name) throw new RangeError(`Cannot read weights of format ${format}: formats are 0 to ${WEIGHT_FORMATS.length - 1}`);
  return name;
}

/** The constant that weight-format.wgsl.ts needs. */
export const formatPrelude = ({ format }: WeightSizes): string => `const FORMAT = ${format}u;\n`;
