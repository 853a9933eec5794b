import type { Numbers } from '../op.ts';

/** The value of 16 bits of IEEE 754 binary16. */
function half(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = Math.floor(bits / 1_024) % 32;
  const fraction = (bits % 1_024) / 1_024;
  return sign * (exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15));
}

/** Bits from `bit` on of a row of words, little end first. */
function bitsAt(words: Numbers, first: number, bit: number, width: number): number {
  return Math.floor(words[first + Math.floor(bit / 32)] / 2 ** (bit % 32)) % 2 ** width;
}

const signed = (byte: number): number => (byte < 128 ? byte : byte - 256);

/** Bits of the low and of the high plane, and how steps become weights, of the formats from 3 on; block-format.ts names them. */
const BLOCKS: readonly (readonly [low: number, high: number, scaling: string])[] = [
  [4, 0, 'pair'],
  [4, 1, 'pair'],
  [8, 0, 'pair'],
  [4, 0, 'table'],
  [2, 0, 'nested-16'],
  [2, 1, 'signed-16'],
  [4, 0, 'nested'],
  [4, 1, 'nested'],
  [4, 2, 'signed-16'],
  [4, 0, 'signed-table'],
  [16, 0, 'bfloat'],
];
const LEVELS = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/** The value of 16 bits that are the upper half of a binary32. */
function bfloat(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = Math.floor(bits / 128) % 256;
  const fraction = (bits % 128) / 128;
  return sign * (exponent === 0 ? fraction * 2 ** -126 : (1 + fraction) * 2 ** (exponent - 127));
}

/** Weight `k` of a group of 64 that has two words of scales from `at` on. */
function blockWeight(q: number, k: number, bits: number, scaling: string, scales: Numbers, at: number): number {
  const halfAt = (word: number, place: number) => half(bitsAt(scales, at + word, place * 16, 16));
  const thirtyTwo = Math.floor(k / 32);
  const sixteen = Math.floor(k / 16);
  switch (scaling) {
    case 'bfloat':
      return bfloat(q);
    case 'pair':
      return halfAt(thirtyTwo, 1) + halfAt(thirtyTwo, 0) * q;
    case 'table':
      return halfAt(thirtyTwo, 0) * LEVELS[q];
    case 'nested':
      return halfAt(0, 0) * bitsAt(scales, at + 1, 16 * thirtyTwo, 8) * q - halfAt(0, 1) * bitsAt(scales, at + 1, 16 * thirtyTwo + 8, 8);
    case 'nested-16':
      return halfAt(0, 0) * bitsAt(scales, at + 1, 8 * sixteen, 4) * q - halfAt(0, 1) * bitsAt(scales, at + 1, 8 * sixteen + 4, 4);
    case 'signed-16':
      return halfAt(0, 0) * signed(bitsAt(scales, at + 1, 8 * sixteen, 8)) * (q - 2 ** (bits - 1));
    default:
      return halfAt(0, 0) * signed(bitsAt(scales, at + 1, 8 * thirtyTwo, 8)) * LEVELS[q];
  }
}

/**
 * Weights (N, K) of rows in a format: 0 f16, 1 int8 or 2 int4 with w = minimum + scale q, one scale and minimum for 64
 * weights; from 3 on blocks with two words of scales for 64 weights.
 */
export function unpack(N: number, K: number, format: number, data: Numbers, scales: Numbers): Float64Array {
  const w = new Float64Array(N * K);
  const groups = Math.ceil(K / 64);
  const [low, high, scaling] = format < 3 ? [[16, 8, 4][format], 0, 'one'] : BLOCKS[format - 3];
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) {
      const group = n * groups + Math.floor(k / 64);
      const first = group * 2 * (low + high);
      const within = k % 64;
      const q = bitsAt(data, first, within * low, low) + (high > 0 ? bitsAt(data, first + 2 * low, within * high, high) * 2 ** low : 0);
      if (format === 0) w[n * K + k] = half(q);
      else if (format < 3) w[n * K + k] = half(bitsAt(scales, group, 16, 16)) + half(bitsAt(scales, group, 0, 16)) * q;
      else w[n * K + k] = blockWeight(q, within, low + high, scaling, scales, group * 2);
    }
  }
  return w;
}
