/**
 * Random numbers by counting: a stream is a key, its n-th draw is a function of the key and n.
 *
 * The function is Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 * Everything above it uses only integer arithmetic, `+ - * /` and square roots, all exactly rounded, so that a stream
 * has the same values on every runtime; `Math.log` and `Math.cos` may differ between engines and are not used.
 */

/** A named stream of random numbers; drawing advances it. */
export interface Random {
  /** A number in [0, 1) with 53 random bits. */
  next(): number;
  /** A whole number in [0, bound). Throws `RangeError` unless `bound` is a whole number in [1, 2^32]. */
  integer(bound: number): number;
  /** A normally distributed number, mean 0 and standard deviation 1. */
  normal(): number;
  /** A new array with the elements in random order; the argument is left as it is. */
  shuffle<Value>(values: readonly Value[]): Value[];
  /** One element. Throws `RangeError` when there is none. */
  pick<Value>(values: readonly Value[]): Value;
}

/** Four 32-bit words, each in [0, 2^32). */
export type Words = readonly [number, number, number, number];

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** High 32 bits of the 64-bit product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const carry = a0 * b1 + (middle & 0xffff);
  return (a1 * b1 + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0;
}

/** Philox4x32 with ten rounds: 128 bits from a 128-bit counter and a 64-bit key. */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [x0, x1, x2, x3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, x0);
    const low0 = Math.imul(MULTIPLIER_0, x0) >>> 0;
    const high1 = multiplyHigh(MULTIPLIER_1, x2);
    const low1 = Math.imul(MULTIPLIER_1, x2) >>> 0;
    x0 = (high1 ^ x1 ^ k0) >>> 0;
    x1 = low1;
    x2 = (high0 ^ x3 ^ k1) >>> 0;
    x3 = low0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [x0, x1, x2, x3];
}

/**
 * 128 bits of a text: its UTF-8 bytes, 16 at a time, folded through Philox (each block is added to the state and the
 * result mixed under a key that counts the blocks; the length closes it). Not cryptographic.
 */
export function hashText(text: string): Words {
  const bytes = new TextEncoder().encode(text);
  let state: Words = [bytes.length >>> 0, 0x5ea1, 0, 0];
  const blocks = Math.max(1, Math.ceil(bytes.length / 16));
  for (let block = 0; block < blocks; block++) {
    const word = (index: number): number => {
      const at = block * 16 + index * 4;
      const byte = (offset: number): number => bytes[at + offset] ?? 0;
      return (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0;
    };
    const mixed: Words = [
      (state[0] ^ word(0)) >>> 0,
      (state[1] ^ word(1)) >>> 0,
      (state[2] ^ word(2)) >>> 0,
      (state[3] ^ word(3)) >>> 0,
    ];
    const out = philox(mixed, [block >>> 0, blocks >>> 0]);
    state = [
      (out[0] ^ mixed[0]) >>> 0,
      (out[1] ^ mixed[1]) >>> 0,
      (out[2] ^ mixed[2]) >>> 0,
      (out[3] ^ mixed[3]) >>> 0,
    ];
  }
  return state;
}

const LN_2 = 0.6931471805599453;

/** Natural logarithm of a positive normal number, by arithmetic alone (error below 1e-14 times result + 1). */
function logarithm(value: number): number {
  let exponent = 0;
  let fraction = value;
  while (fraction < 0.75) {
    fraction *= 2;
    exponent--;
  }
  while (fraction >= 1.5) {
    fraction /= 2;
    exponent++;
  }
  const ratio = (fraction - 1) / (fraction + 1);
  const square = ratio * ratio;
  let series = 0;
  for (let power = 23; power >= 1; power -= 2) series = series * square + 1 / power;
  return 2 * ratio * series + exponent * LN_2;
}

/** Names a stream by a seed and names, so that it can be written down, kept and sent: `streamOf` opens it. */
export type StreamName = readonly [seed: number, ...names: (string | number)[]];

/** The stream of a name; throws as `stream` does. */
export function streamOf([seed, ...names]: StreamName): Random {
  return stream(seed, ...names);
}

/**
 * The stream of a seed and a list of names; the same arguments give the same numbers everywhere, different ones give
 * unrelated numbers. `1` and `'1'` are different names.
 *
 * Throws `RangeError` when the seed or a numeric name is not a safe whole number.
 *
 * @example
 * const random = stream(0, 'self-edit', 'context-7', 3);
 * random.next(); // the same on Node, Bun, Deno and in a browser
 */
export function stream(seed: number, ...names: readonly (string | number)[]): Random {
  for (const value of [seed, ...names]) {
    if (typeof value === 'number' && !Number.isSafeInteger(value)) {
      throw new RangeError(
        `Cannot make a random stream of ${value}: seeds and numeric names must be safe whole numbers`,
      );
    }
  }
  const [key0, key1, high0, high1] = hashText(JSON.stringify([seed, ...names]));
  let block = 0;
  let words: Words = [0, 0, 0, 0];
  let used = 4;

  const word = (): number => {
    if (used === 4) {
      words = philox([block >>> 0, Math.floor(block / 4294967296) >>> 0, high0, high1], [key0, key1]);
      block++;
      used = 0;
    }
    return words[used++] ?? 0;
  };
  const next = (): number => {
    const high = word() >>> 5;
    const low = word() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  };
  const integer = (bound: number): number => {
    if (!Number.isInteger(bound) || bound < 1 || bound > 4294967296) {
      throw new RangeError(`Cannot draw below ${bound}: the bound must be a whole number from 1 to 4294967296`);
    }
    return Math.floor(next() * bound);
  };
  const pick = <Value>(values: readonly Value[]): Value => {
    if (values.length === 0) throw new RangeError('Cannot pick from an empty list');
    return values[integer(values.length)] as Value;
  };
  const shuffle = <Value>(values: readonly Value[]): Value[] => {
    const out = [...values];
    for (let last = out.length - 1; last > 0; last--) {
      const other = integer(last + 1);
      const held = out[last] as Value;
      out[last] = out[other] as Value;
      out[other] = held;
    }
    return out;
  };
  // Marsaglia's polar method; the second number of a pair is thrown away so that a draw has no hidden state.
  const normal = (): number => {
    for (;;) {
      const x = 2 * next() - 1;
      const y = 2 * next() - 1;
      const radius = x * x + y * y;
      if (radius > 0 && radius < 1) return x * Math.sqrt((-2 * logarithm(radius)) / radius);
    }
  };
  return { next, integer, normal, shuffle, pick };
}
