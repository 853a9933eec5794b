import type { Numbers } from '../op.ts';

/** The value of 16 bits of IEEE 754 binary16. */
function half(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = Math.floor(bits / 1_024) % 32;
  const fraction = (bits % 1_024) / 1_024;
  return sign * (exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15));
}

/** Weights (N, K) of rows in format 0 f16, 1 int8 or 2 int4: w = minimum + scale q, one scale and minimum for 64 weights. */
export function unpack(N: number, K: number, format: number, data: Numbers, scales: Numbers): Float64Array {
  const w = new Float64Array(N * K);
  const groups = Math.ceil(K / 64);
  const perWord = [2, 4, 8][format];
  const steps = 2 ** (32 / perWord);
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) {
      const word = data[(n * groups * 64 + k) / perWord - (k % perWord) / perWord];
      const q = Math.floor(word / steps ** (k % perWord)) % steps;
      const group = scales[n * groups + Math.floor(k / 64)];
      w[n * K + k] = format === 0 ? half(q) : half(Math.floor(group / 65_536)) + half(group % 65_536) * q;
    }
  }
  return w;
}
