/** What a variant that stages its operands as f16 multiplies: the basis of its error bound. */

import type { Numbers } from './op.ts';

/** The nearest f16, ties to even, infinite from 65,520 on. */
export function roundToHalf(value: number): number {
  const magnitude = Math.abs(value);
  if (Number.isNaN(value) || magnitude >= 65_520) return value * Infinity;
  // Below 2^-14 the spacing stays what it is there.
  const unit = 2 ** (Math.max(Math.floor(Math.log2(magnitude)), -14) - 10);
  const below = Math.floor(magnitude / unit);
  const rest = magnitude / unit - below;
  const rounded = (below + (rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? 1 : 0)) * unit;
  return value < 0 ? -rounded : rounded;
}

/**
 * An op's inputs as a variant multiplies them: its `halfOperands` rounded to f16, the others as they are. With float64 over
 * these the variant is as exact as any other one of f32 sums.
 */
export function operandsOf<T extends Readonly<Record<string, Numbers>>>(
  variant: { readonly halfOperands?: readonly string[] },
  inputs: T,
): T {
  const rounded = (variant.halfOperands ?? []).map((name) => [name, inputs[name]?.map(roundToHalf)]);
  return { ...inputs, ...Object.fromEntries(rounded) };
}
