/**
 * Blocks to float32: the formulas of ggml's `ggml-quants.c` (layouts: `ggml-common.h`), whose values gguf-py's
 * `quants.py` gives to the bit. Every product of a float16 and the small integers of a block is exact in float64, so that
 * one rounding at the end is the one that float32 arithmetic has.
 */

import { halfTable } from './half.ts';
import { dequantiseIq4Xs, dequantiseQ2K, dequantiseQ3K, dequantiseQ4K, dequantiseQ5K, dequantiseQ6K, IQ4_LEVELS } from './super-blocks.ts';
import { BLOCKS, type GgufType } from './types.ts';

/** Fills `out` with the values of as many blocks as it has room for; `half` is the table of float16. */
export type Dequantiser = (bytes: Uint8Array, out: Float32Array, half: Float32Array) => void;

const word = (bytes: Uint8Array, at: number): number => bytes[at] | (bytes[at + 1] << 8);

function viewed(bytes: Uint8Array, out: Float32Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < out.length; i++) out[i] = view.getFloat32(4 * i, true);
}

const DEQUANTISERS: Readonly<Record<GgufType, Dequantiser>> = {
  F32: viewed,
  F16(bytes, out, half) {
    for (let i = 0; i < out.length; i++) out[i] = half[word(bytes, 2 * i)];
  },
  BF16(bytes, out) {
    const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let i = 0; i < bits.length; i++) bits[i] = word(bytes, 2 * i) << 16;
  },
  Q4_0(bytes, out, half) {
    for (let at = 0, to = 0; to < out.length; at += 18, to += 32) {
      const d = half[word(bytes, at)];
      for (let j = 0; j < 16; j++) {
        const q = bytes[at + 2 + j];
        out[to + j] = d * ((q & 15) - 8);
        out[to + j + 16] = d * ((q >> 4) - 8);
      }
    }
  },
  Q4_1(bytes, out, half) {
    for (let at = 0, to = 0; to < out.length; at += 20, to += 32) {
      const d = half[word(bytes, at)];
      const m = half[word(bytes, at + 2)];
      for (let j = 0; j < 16; j++) {
        const q = bytes[at + 4 + j];
        out[to + j] = d * (q & 15) + m;
        out[to + j + 16] = d * (q >> 4) + m;
      }
    }
  },
  Q5_0(bytes, out, half) {
    for (let at = 0, to = 0; to < out.length; at += 22, to += 32) {
      const d = half[word(bytes, at)];
      for (let j = 0; j < 16; j++) {
        const q = bytes[at + 6 + j];
        out[to + j] = d * (((q & 15) | (highBit(bytes, at + 2, j) << 4)) - 16);
        out[to + j + 16] = d * (((q >> 4) | (highBit(bytes, at + 2, j + 16) << 4)) - 16);
      }
    }
  },
  Q5_1(bytes, out, half) {
    for (let at = 0, to = 0; to < out.length; at += 24, to += 32) {
      const d = half[word(bytes, at)];
      const m = half[word(bytes, at + 2)];
      for (let j = 0; j < 16; j++) {
        const q = bytes[at + 8 + j];
        out[to + j] = d * ((q & 15) | (highBit(bytes, at + 4, j) << 4)) + m;
        out[to + j + 16] = d * ((q >> 4) | (highBit(bytes, at + 4, j + 16) << 4)) + m;
      }
    }
  },
  Q8_0(bytes, out, half) {
    for (let at = 0, to = 0; to < out.length; at += 34, to += 32) {
      const d = half[word(bytes, at)];
      for (let j = 0; j < 32; j++) out[to + j] = d * ((bytes[at + 2 + j] << 24) >> 24);
    }
  },
  IQ4_NL(bytes, out, half) {
    for (let at = 0, to = 0; to < out.length; at += 18, to += 32) {
      const d = half[word(bytes, at)];
      for (let j = 0; j < 16; j++) {
        const q = bytes[at + 2 + j];
        out[to + j] = d * IQ4_LEVELS[q & 15];
        out[to + j + 16] = d * IQ4_LEVELS[q >> 4];
      }
    }
  },
  Q2_K: dequantiseQ2K,
  Q3_K: dequantiseQ3K,
  Q4_K: dequantiseQ4K,
  Q5_K: dequantiseQ5K,
  Q6_K: dequantiseQ6K,
  IQ4_XS: dequantiseIq4Xs,
};

/** Bit `i` of the bits that begin at a byte. */
function highBit(bytes: Uint8Array, at: number, i: number): number {
  return (bytes[at + (i >> 3)] >> (i & 7)) & 1;
}

/**
 * The float32 values of whole blocks, into `out` where that is given; it has as many elements as the blocks. Throws
 * RangeError where bytes and elements are not those of whole blocks.
 */
export function dequantise(type: GgufType, bytes: Uint8Array, out?: Float32Array): Float32Array {
  const { elements, bytes: blockBytes } = BLOCKS[type];
  const count = (bytes.byteLength / blockBytes) * elements;
  if (bytes.byteLength % blockBytes !== 0 || (out && out.length !== count)) {
    throw new RangeError(`Cannot dequantise ${bytes.byteLength} bytes of ${type} into ${out?.length ?? 'new'} elements: a block has ${blockBytes} bytes and ${elements} elements`);
  }
  const values = out ?? new Float32Array(count);
  DEQUANTISERS[type](bytes, values, halfTable());
  return values;
}
