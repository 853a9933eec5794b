import { expect, it } from 'vitest';
import { operandsOf, roundToHalf } from './half.ts';

it.each([
  // Bit patterns of IEEE 754 binary16: one, the largest number, the first to overflow, the least normal, the least.
  [1, 1],
  [65_504, 65_504],
  [65_519.9, 65_504],
  [65_520, Infinity],
  [-1e9, -Infinity],
  [2 ** -14, 2 ** -14],
  [2 ** -24, 2 ** -24],
  [2 ** -25, 0],
  [1.1 * 2 ** -25, 2 ** -24],
  // Halfway between neighbours: to the even one.
  [1 + 2 ** -11, 1],
  [1 + 3 * 2 ** -11, 1 + 2 ** -9],
  [-0.1, -0.0999755859375],
  [0, 0],
])('rounds %d to the f16 %d', (value, half) => {
  expect(roundToHalf(value)).toBe(half);
});

it('keeps NaN', () => {
  expect(roundToHalf(NaN)).toBeNaN();
});

it('rounds the operands that a variant names and no other', () => {
  const inputs = { a: Float64Array.of(0.1), bias: Float64Array.of(0.1) };
  expect(operandsOf({ halfOperands: ['a'] }, inputs)).toEqual({ a: Float64Array.of(0.0999755859375), bias: inputs.bias });
  expect(operandsOf({}, inputs)).toEqual(inputs);
});
