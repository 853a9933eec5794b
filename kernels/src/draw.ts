/** Numbers to try an op with, the same for the same seed. */

import { elementCount, type Numbers, type Operand, type Sizes } from './op.ts';

/** Mulberry32: uniform numbers in [0, 1) from a 32-bit seed. */
export function uniformFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A standard normal number (Box & Muller 1958). */
function normal(uniform: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/**
 * Values of operands, exactly representable in their type: those of `given`, the operand's own draw, else `number` for
 * f32 and zeros for u32. Operand i draws from `uniformFrom(seed + i)`. Throws RangeError where a count is not the shape's.
 */
export function drawOperands(
  operands: Readonly<Record<string, Operand<string>>>,
  sizes: Sizes<string>,
  seed: number,
  { given = {}, number = normal }: { readonly given?: Readonly<Record<string, Numbers>>; readonly number?: typeof normal } = {},
): Record<string, Numbers> {
  return Object.fromEntries(
    Object.entries(operands).map(([name, { type, shape, draw }], index) => {
      const uniform = uniformFrom(seed + index);
      const length = elementCount(shape(sizes));
      const values = given[name] ?? draw?.(sizes, uniform) ?? (type === 'u32' ? new Uint32Array(length) : Float64Array.from({ length }, () => number(uniform)));
      if (values.length !== length) throw new RangeError(`Cannot draw ${name}: got ${values.length} values, need ${length}`);
      return [name, type === 'u32' ? Uint32Array.from(values) : Float64Array.from(values, Math.fround)];
    }),
  );
}
