/**
 * Rows of GGUF's blocks as the device holds them: the same steps and scales, put into whole words. Layouts: ggml,
 * `ggml-common.h` and `ggml-quants.c`. Nothing is rounded: `BlockFormat` names the types that it holds exactly.
 */

import { packSteps, quantisedShape, type BlockFormat, type QuantisedRows } from '@seal/kernels';

/** Weights of a group of the device, and of a super-block of GGUF. */
const GROUP = 64;
const SUPER = 256;

const word = (bytes: Uint8Array, at: number): number => bytes[at] | (bytes[at + 1] << 8);

/** Bits of a float16 times a power of two, which is exact where it is finite. */
function timesPower(half: number, power: number): number {
  const sign = half & 0x8000;
  let fraction = half & 0x3ff;
  let exponent = (half >>> 10) & 31;
  if (exponent === 31) return half;
  if (exponent === 0) {
    if (fraction === 0) return half;
    // A subnormal number is doubled until it is none.
    let left = power;
    while (left > 0 && fraction < 0x400) {
      fraction *= 2;
      left -= 1;
    }
    if (fraction < 0x400) return sign | fraction;
    exponent = 1 + left;
    fraction &= 0x3ff;
  } else {
    exponent += power;
  }
  return exponent >= 31 ? sign | 0x7c00 : sign | (exponent << 10) | fraction;
}

/** Takes one block apart: its steps, and the words of its scales from `at` on. A 32-block gives one word, a super-block eight. */
type Unpack = (bytes: Uint8Array, from: number, steps: Uint8Array, to: number, scales: Uint32Array, at: number) => void;

function nibbles(bytes: Uint8Array, from: number, steps: Uint8Array, to: number): void {
  for (let j = 0; j < 16; j++) {
    const q = bytes[from + j];
    steps[to + j] = q & 15;
    steps[to + j + 16] = q >> 4;
  }
}

/** Fifth bits of 32 steps, one a bit. */
function fifthBits(bytes: Uint8Array, from: number, steps: Uint8Array, to: number): void {
  for (let j = 0; j < 32; j++) steps[to + j] |= ((bytes[from + (j >> 3)] >> (j & 7)) & 1) << 4;
}

/** Scale and minimum of a block whose steps stand for q - 2^power. */
const centred = (d: number, power: number): number => d | ((timesPower(d, power) ^ 0x8000) << 16);

/** 6-bit scale and minimum of sub-block `s` of Q4_K and Q5_K, one byte each. */
function sixBits(bytes: Uint8Array, from: number, s: number): number {
  const low = bytes[from + s];
  const high = bytes[from + s + 4];
  if (s < 4) return (low & 63) | ((high & 63) << 8);
  const [scale, minimum] = [high & 15, high >> 4];
  return scale | ((bytes[from + s - 4] >> 6) << 4) | ((minimum | ((low >> 6) << 4)) << 8);
}

/** The two words of each of a super-block's four groups: `head` and what `nested` says of the group. */
function superScales(scales: Uint32Array, at: number, head: number, nested: (group: number) => number): void {
  for (let group = 0; group < 4; group++) {
    scales[at + 2 * group] = head;
    scales[at + 2 * group + 1] = nested(group);
  }
}

const UNPACK = {
  Q4_0(bytes, from, steps, to, scales, at) {
    scales[at] = centred(word(bytes, from), 3);
    nibbles(bytes, from + 2, steps, to);
  },
  Q4_1(bytes, from, steps, to, scales, at) {
    scales[at] = word(bytes, from) | (word(bytes, from + 2) << 16);
    nibbles(bytes, from + 4, steps, to);
  },
  Q5_0(bytes, from, steps, to, scales, at) {
    scales[at] = centred(word(bytes, from), 4);
    nibbles(bytes, from + 6, steps, to);
    fifthBits(bytes, from + 2, steps, to);
  },
  Q5_1(bytes, from, steps, to, scales, at) {
    scales[at] = word(bytes, from) | (word(bytes, from + 2) << 16);
    nibbles(bytes, from + 8, steps, to);
    fifthBits(bytes, from + 4, steps, to);
  },
  Q8_0(bytes, from, steps, to, scales, at) {
    scales[at] = centred(word(bytes, from), 7);
    for (let j = 0; j < 32; j++) steps[to + j] = bytes[from + 2 + j] ^ 0x80;
  },
  IQ4_NL(bytes, from, steps, to, scales, at) {
    scales[at] = word(bytes, from);
    nibbles(bytes, from + 2, steps, to);
  },
  Q2_K(bytes, from, steps, to, scales, at) {
    for (let i = 0; i < SUPER; i++) steps[to + i] = (bytes[from + 16 + (i >> 7) * 32 + (i & 31)] >> (2 * ((i >> 5) & 3))) & 3;
    superScales(scales, at, word(bytes, from + 80) | (word(bytes, from + 82) << 16), (group) => {
      const first = from + 4 * group;
      return bytes[first] | (bytes[first + 1] << 8) | (bytes[first + 2] << 16) | (bytes[first + 3] << 24);
    });
  },
  Q3_K(bytes, from, steps, to, scales, at) {
    for (let i = 0; i < SUPER; i++) {
      const low = (bytes[from + 32 + (i >> 7) * 32 + (i & 31)] >> (2 * ((i >> 5) & 3))) & 3;
      steps[to + i] = low | (((bytes[from + (i & 31)] >> (i >> 5)) & 1) << 2);
    }
    const first = from + 96;
    const scale = (i: number) => {
      const low = (bytes[first + (i & 7)] >> (4 * (i >> 3))) & 15;
      return ((low | (((bytes[first + 8 + (i & 3)] >> (2 * (i >> 2))) & 3) << 4)) - 32) & 0xff;
    };
    superScales(scales, at, word(bytes, from + 108), (group) => {
      const i = 4 * group;
      return scale(i) | (scale(i + 1) << 8) | (scale(i + 2) << 16) | (scale(i + 3) << 24);
    });
  },
  Q4_K(bytes, from, steps, to, scales, at) {
    for (let i = 0; i < SUPER; i++) steps[to + i] = (bytes[from + 16 + (i >> 6) * 32 + (i & 31)] >> (i & 32 ? 4 : 0)) & 15;
    superScales(scales, at, word(bytes, from) | (word(bytes, from + 2) << 16), (group) => sixBits(bytes, from + 4, 2 * group) | (sixBits(bytes, from + 4, 2 * group + 1) << 16));
  },
  Q5_K(bytes, from, steps, to, scales, at) {
    for (let i = 0; i < SUPER; i++) {
      const low = (bytes[from + 48 + (i >> 6) * 32 + (i & 31)] >> (i & 32 ? 4 : 0)) & 15;
      steps[to + i] = low | (((bytes[from + 16 + (i & 31)] >> (i >> 5)) & 1) << 4);
    }
    superScales(scales, at, word(bytes, from) | (word(bytes, from + 2) << 16), (group) => sixBits(bytes, from + 4, 2 * group) | (sixBits(bytes, from + 4, 2 * group + 1) << 16));
  },
  Q6_K(bytes, from, steps, to, scales, at) {
    for (let i = 0; i < SUPER; i++) {
      const half = i >> 7;
      const k = (i >> 5) & 3;
      const low = (bytes[from + 64 * half + 32 * (k & 1) + (i & 31)] >> (k & 2 ? 4 : 0)) & 15;
      steps[to + i] = low | (((bytes[from + 128 + 32 * half + (i & 31)] >> (2 * k)) & 3) << 4);
    }
    superScales(scales, at, word(bytes, from + 208), (group) => {
      const first = from + 192 + 4 * group;
      return bytes[first] | (bytes[first + 1] << 8) | (bytes[first + 2] << 16) | (bytes[first + 3] << 24);
    });
  },
  IQ4_XS(bytes, from, steps, to, scales, at) {
    for (let s = 0; s < 8; s++) nibbles(bytes, from + 8 + 16 * s, steps, to + 32 * s);
    const high = word(bytes, from + 2);
    const scale = (s: number) => ((((bytes[from + 4 + (s >> 1)] >> (4 * (s & 1))) & 15) | (((high >> (2 * s)) & 3) << 4)) - 32) & 0xff;
    superScales(scales, at, word(bytes, from), (group) => scale(2 * group) | (scale(2 * group + 1) << 8));
  },
} satisfies Record<string, Unpack>;

type Packable = keyof typeof UNPACK;

/** Of each type its format, and the weights and the bytes of a block. */
const TYPES: Readonly<Record<Packable, readonly [format: BlockFormat, weights: number, bytes: number]>> = {
  Q4_0: ['q4', 32, 18],
  Q4_1: ['q4', 32, 20],
  Q5_0: ['q5', 32, 22],
  Q5_1: ['q5', 32, 24],
  Q8_0: ['q8', 32, 34],
  IQ4_NL: ['iq4', 32, 18],
  Q2_K: ['q2_k', SUPER, 84],
  Q3_K: ['q3_k', SUPER, 110],
  Q4_K: ['q4_k', SUPER, 144],
  Q5_K: ['q5_k', SUPER, 176],
  Q6_K: ['q6_k', SUPER, 210],
  IQ4_XS: ['iq4_k', SUPER, 136],
};

/** The format that holds matrices of a GGUF type, and every weight of them exactly. */
export function formatOfType(type: string): BlockFormat | 'f16' | 'f32' {
  if (type === 'F32') return 'f32';
  if (type === 'F16') return 'f16';
  if (type === 'BF16') return 'bf16';
  if (type in TYPES) return TYPES[type as Packable][0];
  throw new RangeError(`Cannot hold weights of type ${type}`);
}

/**
 * Whole rows of K weights. `blocks` as the file has them, all but F32. Throws RangeError for a scale that is not finite, or
 * becomes so as the smallest weight of its block.
 */
export function packRows(type: string, blocks: Uint8Array, K: number): QuantisedRows {
  const format = formatOfType(type);
  if (format === 'f32') throw new RangeError('Cannot pack rows of F32');
  const { words, scaleWords } = quantisedShape(format, K);
  if (format === 'f16' || format === 'bf16') return { data: packHalves(blocks, K, words), scales: new Uint32Array(0) };
  const [, weights, byteLength] = TYPES[type as Packable];
  const unpack: Unpack = UNPACK[type as Packable];
  const rowBlocks = K / weights;
  const rows = blocks.byteLength / (rowBlocks * byteLength);
  const blockWords = weights === SUPER ? 8 : 1;
  const data = new Uint32Array(rows * words);
  const scales = new Uint32Array(rows * scaleWords);
  const steps = new Uint8Array(Math.ceil(K / GROUP) * GROUP);
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < rowBlocks; block++) {
      unpack(blocks, (row * rowBlocks + block) * byteLength, steps, block * weights, scales, row * scaleWords + block * blockWords);
    }
    packSteps(format, steps, data.subarray(row * words, (row + 1) * words));
  }
  checkScales(scales, weights === SUPER);
  return { data, scales };
}

/** 16-bit numbers, two a word, rows filled up to whole groups. */
function packHalves(blocks: Uint8Array, K: number, words: number): Uint32Array<ArrayBuffer> {
  const rows = blocks.byteLength / (2 * K);
  const data = new Uint32Array(rows * words);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < K; k++) data[row * words + (k >> 1)] |= word(blocks, 2 * (row * K + k)) << (16 * (k & 1));
  }
  return data;
}

function checkScales(scales: Uint32Array, nested: boolean): void {
  for (let i = 0; i < scales.length; i += nested ? 2 : 1) {
    if ((scales[i] & 0x7c00) !== 0x7c00 && (scales[i] & 0x7c000000) !== 0x7c000000) continue;
    throw new RangeError(`scale ${nested ? i / 8 : i} is not finite`);
  }
}
