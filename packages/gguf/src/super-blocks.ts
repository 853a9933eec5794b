/** Blocks of 256 with scales of their own for parts of 16 or 32: ggml's K-quants and IQ4_XS, to float32. See `blocks.ts`. */

/** Values of the sixteen levels of IQ4_NL and IQ4_XS. */
export const IQ4_LEVELS = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

const word = (bytes: Uint8Array, at: number): number => bytes[at] | (bytes[at + 1] << 8);
const signed = (byte: number): number => (byte << 24) >> 24;

/** scales[16], quants[64], f16 d, f16 dmin. */
export function dequantiseQ2K(bytes: Uint8Array, out: Float32Array, half: Float32Array): void {
  for (let at = 0, to = 0; to < out.length; at += 84, to += 256) {
    const d = half[word(bytes, at + 80)];
    const dmin = half[word(bytes, at + 82)];
    for (let i = 0; i < 256; i++) {
      const [h, j, l] = [i >> 7, (i >> 5) & 3, i & 31];
      const q = (bytes[at + 16 + 32 * h + l] >> (2 * j)) & 3;
      const scale = bytes[at + (i >> 4)];
      out[to + i] = d * (scale & 15) * q - dmin * (scale >> 4);
    }
  }
}

/** high bits[32], quants[64], 6-bit scales[12], f16 d. */
export function dequantiseQ3K(bytes: Uint8Array, out: Float32Array, half: Float32Array): void {
  for (let at = 0, to = 0; to < out.length; at += 110, to += 256) {
    const d = half[word(bytes, at + 108)];
    for (let i = 0; i < 256; i++) {
      const [h, j, l, s] = [i >> 7, (i >> 5) & 3, i & 31, i >> 4];
      const low = (bytes[at + 96 + (s & 7)] >> (4 * (s >> 3))) & 15;
      const high = (bytes[at + 104 + (s & 3)] >> (2 * (s >> 2))) & 3;
      const isHigh = (bytes[at + l] >> (4 * h + j)) & 1;
      const q = ((bytes[at + 32 + 32 * h + l] >> (2 * j)) & 3) - (isHigh ? 0 : 4);
      out[to + i] = d * ((low | (high << 4)) - 32) * q;
    }
  }
}

/** The 6-bit scale and minimum of part `s` of Q4_K and Q5_K, whose twelve bytes begin at `at`. */
function scaleAndMinimum(bytes: Uint8Array, at: number, s: number): readonly [scale: number, minimum: number] {
  if (s < 4) return [bytes[at + s] & 63, bytes[at + s + 4] & 63];
  return [(bytes[at + s + 4] & 15) | ((bytes[at + s - 4] >> 6) << 4), (bytes[at + s + 4] >> 4) | ((bytes[at + s] >> 6) << 4)];
}

/** f16 d, f16 dmin, scales[12], quants[128]. */
export function dequantiseQ4K(bytes: Uint8Array, out: Float32Array, half: Float32Array): void {
  for (let at = 0, to = 0; to < out.length; at += 144, to += 256) {
    for (let s = 0; s < 8; s++) {
      const [scale, minimum] = scaleAndMinimum(bytes, at + 4, s);
      const step = half[word(bytes, at)] * scale;
      const least = half[word(bytes, at + 2)] * minimum;
      for (let l = 0; l < 32; l++) {
        const q = (bytes[at + 16 + 32 * (s >> 1) + l] >> (4 * (s & 1))) & 15;
        out[to + 32 * s + l] = step * q - least;
      }
    }
  }
}

/** f16 d, f16 dmin, scales[12], high bits[32], quants[128]. */
export function dequantiseQ5K(bytes: Uint8Array, out: Float32Array, half: Float32Array): void {
  for (let at = 0, to = 0; to < out.length; at += 176, to += 256) {
    for (let s = 0; s < 8; s++) {
      const [scale, minimum] = scaleAndMinimum(bytes, at + 4, s);
      const step = half[word(bytes, at)] * scale;
      const least = half[word(bytes, at + 2)] * minimum;
      for (let l = 0; l < 32; l++) {
        const low = (bytes[at + 48 + 32 * (s >> 1) + l] >> (4 * (s & 1))) & 15;
        out[to + 32 * s + l] = step * (low | (((bytes[at + 16 + l] >> s) & 1) << 4)) - least;
      }
    }
  }
}

/** low bits[128], high bits[64], i8 scales[16], f16 d. */
export function dequantiseQ6K(bytes: Uint8Array, out: Float32Array, half: Float32Array): void {
  for (let at = 0, to = 0; to < out.length; at += 210, to += 256) {
    const d = half[word(bytes, at + 208)];
    for (let i = 0; i < 256; i += 32) {
      const [h, k] = [i >> 7, (i >> 5) & 3];
      for (let l = 0; l < 32; l++) {
        const low = (bytes[at + 64 * h + 32 * (k & 1) + l] >> (4 * (k >> 1))) & 15;
        const high = (bytes[at + 128 + 32 * h + l] >> (2 * k)) & 3;
        out[to + i + l] = d * signed(bytes[at + 192 + ((i + l) >> 4)]) * ((low | (high << 4)) - 32);
      }
    }
  }
}

/** f16 d, high bits of scales u16, low bits[4], quants[128]. */
export function dequantiseIq4Xs(bytes: Uint8Array, out: Float32Array, half: Float32Array): void {
  for (let at = 0, to = 0; to < out.length; at += 136, to += 256) {
    const d = half[word(bytes, at)];
    for (let s = 0; s < 8; s++) {
      const low = (bytes[at + 4 + (s >> 1)] >> (4 * (s & 1))) & 15;
      const high = (word(bytes, at + 2) >> (2 * s)) & 3;
      const step = d * ((low | (high << 4)) - 32);
      for (let j = 0; j < 16; j++) {
        const q = bytes[at + 8 + 16 * s + j];
        out[to + 32 * s + j] = step * IQ4_LEVELS[q & 15];
        out[to + 32 * s + j + 16] = step * IQ4_LEVELS[q >> 4];
      }
    }
  }
}
