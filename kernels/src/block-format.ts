/**
 * Formats of weights as GGUF stores them, in groups of 64 like those of weight-format.ts: every weight is a step of few bits,
 * and scales belong to 32 or to 16 weights. A group's steps are one plane of their low bits and one of their high bits,
 * little end first in each; its scales are two words:
 *
 * | scaling | words | weight |
 * |---|---|---|
 * | `pair` | f16 d, f16 m for each 32 weights | m + d q |
 * | `table` | the same, without m | d T[q] |
 * | `nested` | f16 d, f16 e; bytes S, M for each 32 | (d S) q - e M |
 * | `nested-16` | f16 d, f16 e; nibbles S, M for each 16 | (d S) q - e M |
 * | `signed-16` | f16 d, -; signed byte S for each 16 | (d S) (q - half) |
 * | `signed-table` | f16 d, -; signed byte S for each 32 | (d S) T[q] |
| `bfloat` | none | the step as the upper half of a float32 |
 *
 * T is ggml's `kvalues_iq4nl`. Everything in brackets is exact in float32, and the whole is rounded once: weights are those of GGUF's own formulas.
 */

/** How steps become weights; the place in this list is what the kernels are told. */
export const SCALINGS = ['pair', 'table', 'nested', 'nested-16', 'signed-16', 'signed-table', 'bfloat'] as const;

interface BlockFormatShape {
  /** Bits of a step in the low plane and in the high one. */
  readonly low: 2 | 4 | 8 | 16;
  readonly high: 0 | 1 | 2;
  readonly scaling: (typeof SCALINGS)[number];
}

/** By name; the GGUF types that each of them holds exactly. */
export const BLOCK_SHAPES = {
  /** Q4_0 and Q4_1. */
  q4: { low: 4, high: 0, scaling: 'pair' },
  /** Q5_0 and Q5_1. */
  q5: { low: 4, high: 1, scaling: 'pair' },
  /** Q8_0. */
  q8: { low: 8, high: 0, scaling: 'pair' },
  /** IQ4_NL. */
  iq4: { low: 4, high: 0, scaling: 'table' },
  /** Q2_K. */
  q2_k: { low: 2, high: 0, scaling: 'nested-16' },
  /** Q3_K. */
  q3_k: { low: 2, high: 1, scaling: 'signed-16' },
  /** Q4_K. */
  q4_k: { low: 4, high: 0, scaling: 'nested' },
  /** Q5_K. */
  q5_k: { low: 4, high: 1, scaling: 'nested' },
  /** Q6_K. */
  q6_k: { low: 4, high: 2, scaling: 'signed-16' },
  /** IQ4_XS. */
  iq4_k: { low: 4, high: 0, scaling: 'signed-table' },
  /** BF16. */
  bf16: { low: 16, high: 0, scaling: 'bfloat' },
} as const satisfies Record<string, BlockFormatShape>;

export type BlockFormat = keyof typeof BLOCK_SHAPES;

export const BLOCK_FORMATS = Object.keys(BLOCK_SHAPES) as BlockFormat[];

/** u32 of a group's scales. */
export function scaleWords(format: BlockFormat): number {
  return BLOCK_SHAPES[format].scaling === 'bfloat' ? 0 : 2;
}

/** u32 of a group's 64 steps. */
export function stepWords(format: BlockFormat): number {
  const { low, high } = BLOCK_SHAPES[format];
  return 2 * (low + high);
}

/**
 * Puts the steps of whole groups into their planes. `steps` (groups, 64), each within the format's bits, of which there are at most 8 -> u32
 * (groups, `stepWords`), into `data` where that is given.
 */
export function packSteps(format: BlockFormat, steps: Uint8Array, data = new Uint32Array((steps.length / 64) * stepWords(format))): Uint32Array {
  const { low, high } = BLOCK_SHAPES[format];
  const width = stepWords(format);
  const mask = 2 ** low - 1;
  for (let i = 0; i < steps.length; i++) {
    const group = (i >>> 6) * width;
    const at = i & 63;
    const bit = at * low;
    data[group + (bit >>> 5)] |= (steps[i] & mask) << (bit & 31);
    if (high === 0) continue;
    const highBit = at * high;
    data[group + 2 * low + (highBit >>> 5)] |= (steps[i] >>> low) << (highBit & 31);
  }
  return data;
}

/** The constants that weight-format.wgsl.ts reads a block format by. */
export function blockPrelude(format: BlockFormat): string {
  const { low, high, scaling } = BLOCK_SHAPES[format];
  return `const LOW = ${low}u;\nconst HIGH = ${high}u;\nconst SCALING = ${SCALINGS.indexOf(scaling) + 1}u;\n`;
}
