/** Rows of blocks are held as weights that are the file's to the bit: by the float64 reference of the kernels, rounded once. */

import { expect, it } from 'vitest';
import { dequantise, HELD_FORMATS, uniformFrom } from '@seal/kernels';
import { BLOCKS, dequantise as fromBlocks, type GgufType } from '@seal/gguf';
import { formatOfType, packRows } from './gguf-blocks.ts';

const types = (Object.keys(BLOCKS) as GgufType[]).filter((type) => type !== 'F32');

/** Where float16 numbers lie in a block; they must be finite, and small enough that a block's smallest weight is. */
const HALVES: Partial<Record<GgufType, readonly number[]>> = {
  Q4_0: [0], Q4_1: [0, 2], Q5_0: [0], Q5_1: [0, 2], Q8_0: [0], IQ4_NL: [0],
  Q2_K: [80, 82], Q3_K: [108], Q4_K: [0, 2], Q5_K: [0, 2], Q6_K: [208], IQ4_XS: [0], F16: [0], BF16: [0],
};

/** Blocks of any bytes whose float16 numbers lie within 256, some of them subnormal. */
function drawBlocks(type: GgufType, count: number): Uint8Array {
  const uniform = uniformFrom(5);
  const { bytes } = BLOCKS[type];
  const blocks = Uint8Array.from({ length: count * bytes }, () => Math.floor(uniform() * 256));
  for (let block = 0; block < count; block++) {
    for (const at of HALVES[type] ?? []) {
      const subnormal = block % 3 === 0;
      blocks[block * bytes + at + 1] = (Math.floor(uniform() * 2) << 7) | (subnormal ? Math.floor(uniform() * 4) : Math.floor(uniform() * 0x5c));
    }
  }
  return blocks;
}

it.each(types)('%s', (type) => {
  const { elements, bytes } = BLOCKS[type];
  // Rows of 32-blocks may end in the middle of a group of 64.
  const K = elements === 256 ? 512 : 96;
  const rows = 7;
  const blocks = drawBlocks(type, (rows * K) / elements);
  expect(blocks.length).toBe(((rows * K) / elements) * bytes);
  const packed = packRows(type, blocks, K);
  const sizes = { N: rows, K, format: HELD_FORMATS.indexOf(formatOfType(type) as (typeof HELD_FORMATS)[number]) };
  const { y } = dequantise.reference(sizes, packed, { y: new Float64Array(rows * K) });
  const expected = fromBlocks(type, blocks);
  expect(new Set(expected).size).toBeGreaterThan(100);
  // A minimum that is subtracted is 0 where one that is added is -0.
  expect(Float32Array.from(y, (value) => value + 0)).toEqual(expected.map((value) => value + 0));
});

it.each<[GgufType, number]>([['Q8_0', 0x7c], ['Q8_0', 0x60], ['Q4_K', 0x7f]])('%s: refuses a scale that is not finite, or gives no finite weights', (type, top) => {
  const blocks = drawBlocks(type, 2);
  blocks[BLOCKS[type].bytes + 1] = top;
  expect(() => packRows(type, blocks, BLOCKS[type].elements)).toThrow(/scale \d+ is not finite/);
});
