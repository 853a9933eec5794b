import { expect, it } from 'vitest';
import { Problem } from '@seal/files';
import type { Checkpoint } from '@seal/model';
import { checkHostMemory } from './session.ts';

const checkpoint = (...shapes: number[][]) =>
  ({ source: { tensors: new Map(shapes.map((shape, i) => [`tensor ${i}`, { dtype: 'F32', shape }])) } }) as unknown as Checkpoint;

it('refuses rounds whose weights do not fit into memory, in figures', () => {
  expect(() => checkHostMemory(checkpoint([1_000, 1_000], [5]), 3)).not.toThrow();
  const large = checkpoint([2 ** 20, 2 ** 20], [2 ** 20]);
  expect(() => checkHostMemory(large, 2)).toThrow(Problem);
  expect(() => checkHostMemory(large, 2)).toThrow(/2 versions of these weights as float32: that is 8192\.0 GiB, and this machine has .* GiB; use a smaller model/);
});
