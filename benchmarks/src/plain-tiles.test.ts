import { afterAll, beforeAll, expect, test } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { Kernels, matmulNN, type AnyOp, type Sizes } from '@seal/kernels';
import { measureCase, Stopwatch } from '@seal/tuner';
import { PLAIN_TILE } from './cases.ts';
import { plainTileOps, usePlainTiles } from './plain-tiles.ts';

let gpu: Gpu;
let kernels: Kernels;
let watch: Stopwatch;
beforeAll(async () => {
  gpu = await openGpu();
  kernels = new Kernels(gpu.device, gpu.description);
  watch = new Stopwatch(gpu);
});
afterAll(() => {
  watch.destroy();
  kernels.destroy();
  gpu.close();
});

const inVec4s = (sizes: Sizes<string>) =>
  ['K', 'N', 'R', 'stride', 'offset'].every((name) => (sizes[name] ?? 0) % 4 === 0) && !sizes['hasBias'];
const strided = ({ N, K, lda, ldc }: Sizes<string>) => lda !== K || ldc !== N;
const served = plainTileOps.flatMap((op) =>
  op.cases
    .filter((sizes) => inVec4s(sizes) && !(op.name.startsWith('matmul') && (sizes['accumulate'] || strided(sizes))))
    .map((sizes) => [op.name, sizes, op] as const),
);

test('every product of a step has cases that the yardstick serves', () => {
  expect([...new Set(served.map(([name]) => name))]).toEqual(plainTileOps.map(({ name }) => name));
});

test.each(served)('%s at %o is what the float64 reference says', async (_, sizes: Sizes<string>, op: AnyOp) => {
  const bench = { op, layout: null, shape: JSON.stringify(sizes), sizes, inputs: {}, flops: 1 };
  const { variants } = await measureCase({ gpu, kernels, watch, turns: 1 }, bench);
  expect(variants.map(({ name }) => name)).toEqual([PLAIN_TILE]);
});

test('kernels dispatch plain tiles once they are told to, and say which sizes they do not serve', () => {
  const plain = new Kernels(gpu.device, gpu.description);
  usePlainTiles(plain);
  const make = () => gpu.device.createBuffer({ size: 4_096, usage: GPUBufferUsage.STORAGE });
  const [a, b, c] = [make(), make(), make()];
  const sizes = { M: 5, N: 8, K: 4, accumulate: 0, hasBias: 0, lda: 4, ldc: 8 };
  expect(plain.dispatch(matmulNN, sizes, { a, b, c }).pipeline.label).toBe(`matmul-nn/${PLAIN_TILE}`);
  expect(() => plain.dispatch(matmulNN, { ...sizes, N: 7, ldc: 7 }, { a, b, c })).toThrow('Cannot run matmul-nn');
  for (const buffer of [a, b, c]) buffer.destroy();
  plain.destroy();
});
