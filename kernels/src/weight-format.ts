/**
 * Formats of frozen weights: a row of K weights in groups of 64, the last one filled up. `f16` packs two
 * weights to a word. `int8` and `int4` pack unsigned steps q, four or eight to a word, little end first, and one word a
 * group with two f16, the scale in the low half, the minimum in the high one: w = minimum + scale q, which a float32
 * holds or rounds once. Scale and minimum are rounded outwards before q is chosen, so that every weight of a group lies
 * within their range and is off by at most half a step.
 */

import { BLOCK_FORMATS, scaleWords as blockScaleWords, stepWords, type BlockFormat } from './block-format.ts';

export const WEIGHT_FORMATS = ['f16', 'int8', 'int4'] as const;

/** A format that any weights can be quantised to. */
export type WeightFormat = (typeof WEIGHT_FORMATS)[number];

/** Every format that weights can be held in; ops take its place in this list. */
export const HELD_FORMATS: readonly HeldFormat[] = [...WEIGHT_FORMATS, ...BLOCK_FORMATS];

export type HeldFormat = WeightFormat | BlockFormat;

/** Whether weights of a format only come as they are stored. */
export function isBlockFormat(format: HeldFormat): format is BlockFormat {
  return !(WEIGHT_FORMATS as readonly string[]).includes(format);
}

/** Weights of a group, which share a scale and a minimum. */
export const GROUP = 64;

/** Bits of one weight. */
export const BITS: Readonly<Record<WeightFormat, number>> = { f16: 16, int8: 8, int4: 4 };

/** u32 numbers of one row: `words` of weights and `scaleWords` of scales. */
export interface QuantisedShape {
  readonly words: number;
  readonly scaleWords: number;
}

/** Whole rows of weights in a format: data (rows, words), scales (rows, scaleWords). */
export interface QuantisedRows {
  readonly data: Uint32Array<ArrayBuffer>;
  readonly scales: Uint32Array<ArrayBuffer>;
}

/** How many u32 a row of K weights takes; `f16` has no scales. */
export function quantisedShape(format: HeldFormat, K: number): QuantisedShape {
  const groups = Math.ceil(K / GROUP);
  if (isBlockFormat(format)) return { words: groups * stepWords(format), scaleWords: groups * blockScaleWords(format) };
  return { words: (groups * GROUP * BITS[format]) / 32, scaleWords: format === 'f16' ? 0 : groups };
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Bits of the f16 nearest to a float32, ties to even; infinite from 65,520 on. */
function halfBits(value: number): number {
  float[0] = value;
  const sign = (bits[0] >>> 16) & 0x8000;
  const magnitude = bits[0] & 0x7fffffff;
  if (magnitude >= 0x38800000) {
    return sign | Math.min((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13, 0x7c00);
  }
  // The spacing of float32 from 0.5 on is that of the subnormal f16.
  float[0] = Math.abs(value) + 0.5;
  return sign | (bits[0] - 0x3f000000);
}

/** The value of an f16. */
function halfValue(half: number): number {
  const exponent = (half >>> 10) & 31;
  const fraction = half & 0x3ff;
  const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1_024 + fraction) * 2 ** (exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

/** Bits of the largest f16 not above a float32. */
function halfBelow(value: number): number {
  const half = halfBits(value);
  if (halfValue(half) <= value) return half;
  if (half & 0x8000) return half + 1;
  return half === 0 ? 0x8001 : half - 1;
}

/** Bits of the smallest f16 not below a number that is not negative. */
function halfAbove(value: number): number {
  const half = halfBits(value);
  return halfValue(half) >= value ? half : half + 1;
}

const isFiniteHalf = (half: number): boolean => (half & 0x7c00) !== 0x7c00;

/** Refuses a stretch of one row that the format cannot hold. */
function refuse(format: WeightFormat, values: Float32Array, K: number, start: number, end: number): never {
  const at = values.subarray(start, end).findIndex((value) => !Number.isFinite(value));
  if (at >= 0) {
    const place = `row ${Math.floor(start / K)}, column ${(start % K) + at}`;
    throw new RangeError(`Cannot hold ${values[start + at]} (${place}) as ${format}: it is not finite`);
  }
  const sorted = values.slice(start, end).sort();
  const place = `row ${Math.floor(start / K)}, columns ${start % K} to ${(start % K) + end - start - 1}`;
  throw new RangeError(`Cannot hold weights from ${sorted[0]} to ${sorted.at(-1)} (${place}) as ${format}: f16 ends at 65504; hold them as f32`);
}

/**
 * Whole rows of K weights in a format. `values` (rows, K). Off by at most half a step of the group's scale, `f16` by half
 * a unit in its last place, a group of equal weights by that too. Throws RangeError where a weight is not finite or
 * beyond f16's range.
 */
export function quantiseRows(format: WeightFormat, values: Float32Array, K: number): QuantisedRows {
  const rows = values.length / K;
  if (!Number.isInteger(rows)) throw new RangeError(`Cannot quantise ${values.length} weights: they are not whole rows of ${K}`);
  const { words, scaleWords } = quantisedShape(format, K);
  const quantised = { data: new Uint32Array(rows * words), scales: new Uint32Array(rows * scaleWords) };
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < K; column += GROUP) {
      const start = row * K + column;
      const end = Math.min(start + GROUP, (row + 1) * K);
      const word = row * words + (column * BITS[format]) / 32;
      const fits =
        format === 'f16'
          ? writeHalves(values, start, end, quantised.data, word)
          : writeSteps(BITS[format], values, start, end, quantised, word, row * scaleWords + column / GROUP);
      if (!fits) refuse(format, values, K, start, end);
    }
  }
  return quantised;
}

/** Writes weights as f16; false where one becomes infinite. */
function writeHalves(values: Float32Array, start: number, end: number, data: Uint32Array, word: number): boolean {
  let finite = true;
  for (let i = start; i < end; i += 2, word++) {
    const low = halfBits(values[i]);
    const high = i + 1 < end ? halfBits(values[i + 1]) : 0;
    finite &&= isFiniteHalf(low) && isFiniteHalf(high);
    data[word] = low | (high << 16);
  }
  return finite;
}

/** Writes one group as steps; false where its minimum or scale is not a finite f16. */
function writeSteps(
  width: number,
  values: Float32Array,
  start: number,
  end: number,
  { data, scales }: QuantisedRows,
  word: number,
  group: number,
): boolean {
  let least = values[start];
  let most = least;
  // Zero, or not a number once a weight is not finite.
  let finite = 0;
  for (let i = start; i < end; i++) {
    const value = values[i];
    least = value < least ? value : least;
    most = value > most ? value : most;
    finite += value - value;
  }
  const minimum = least === most ? halfBits(least) : halfBelow(least);
  const base = halfValue(minimum);
  const scale = least === most ? 0 : halfAbove((most - base) / (2 ** width - 1));
  if (finite !== 0 || !isFiniteHalf(minimum) || !isFiniteHalf(scale)) return false;
  scales[group] = scale | (minimum << 16);
  // A group of equal weights has no steps.
  const inverse = scale === 0 ? 0 : 1 / halfValue(scale);
  const perWord = 32 / width;
  for (let i = start; i < end; i += perWord, word++) {
    const stop = Math.min(i + perWord, end);
    let steps = 0;
    for (let j = i, shift = 0; j < stop; j++, shift += width) steps |= ((values[j] - base) * inverse + 0.5) << shift;
    data[word] = steps;
  }
  return true;
}

/** The weights (rows, K) that `quantiseRows` was given, as far as a format keeps them: as the kernels read them, bit for bit. */
export function dequantiseRows(format: WeightFormat, { data, scales }: QuantisedRows, K: number): Float32Array<ArrayBuffer> {
  const { words, scaleWords } = quantisedShape(format, K);
  const rows = data.length / words;
  const values = new Float32Array(rows * K);
  const width = BITS[format];
  const mask = 2 ** width - 1;
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < K; k++) {
      const bit = k * width;
      const stored = (data[row * words + (bit >>> 5)] >>> (bit & 31)) & mask;
      if (format === 'f16') {
        values[row * K + k] = halfValue(stored);
      } else {
        const group = scales[row * scaleWords + Math.floor(k / GROUP)];
        values[row * K + k] = halfValue(group >>> 16) + halfValue(group & 0xffff) * stored;
      }
    }
  }
  return values;
}
