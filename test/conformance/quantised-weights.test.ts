/** Kernels read quantised weights bit for bit as the host does, weights so small that their scales are subnormal f16 among them. */

import { expect, it } from 'vitest';
import {
  BLOCK_FORMATS,
  canRun,
  dequantise,
  dequantiseRows,
  drawOperands,
  HELD_FORMATS,
  quantisedEmbedding,
  quantisedMatmulNT,
  quantiseRows,
  uniformFrom,
  WEIGHT_FORMATS,
  type AnyOp,
} from '@seal/kernels';
import { openKernels } from './device.ts';
import { runOnGpu } from './harness.ts';

const opened = openKernels();

const N = 44;
const K = 132;
const identity = Float64Array.from({ length: K * K }, (_, i) => Number(i % (K + 1) === 0));
const tokens = Uint32Array.from({ length: N }, (_, i) => (i * 7) % N);
const empty = new Float64Array(0);

it.each(WEIGHT_FORMATS)('%s', async (format) => {
  const uniform = uniformFrom(9);
  const values = Float32Array.from({ length: N * K }, (_, i) => 2 ** (2 - Math.floor(i / K)) * (uniform() - 0.5));
  const quantised = quantiseRows(format, values, K);
  const exact = Float64Array.from(dequantiseRows(format, quantised, K));
  const index = WEIGHT_FORMATS.indexOf(format);
  const column = (_: unknown, i: number) => (exact[(i % N) * K + Math.floor(i / N)] as number) + 0;
  const runs: [AnyOp, Record<string, number>, Record<string, Float64Array | Uint32Array>, Float64Array][] = [
    [dequantise, { N, K, format: index }, {}, exact],
    [quantisedEmbedding, { T: N, V: N, C: K, first: 0, format: index }, { tokens }, exact.map((_, i) => exact[((Math.floor(i / K) * 7) % N) * K + (i % K)] as number)],
    // The rows of the unit matrix pick the columns of W; a sum has no negative zero.
    [quantisedMatmulNT, { M: K, N, K, format: index, hasBias: 0, ldc: N }, { a: identity, bias: empty }, exact.map(column)],
  ];
  for (const [op, sizes, inputs, expected] of runs) {
    const [output] = Object.keys(op.outputs) as [string];
    const before = { [output]: new Float64Array(expected.length).fill(NaN) };
    for (const variant of op.variants) {
      if (!canRun(variant, opened.core.profile, sizes)) continue;
      const actual = await runOnGpu(opened.core, op, sizes, { ...inputs, ...quantised } as never, before, variant.name);
      expect(actual[output], `${op.name} ${variant.name}`).toEqual(expected);
    }
  }
});

it.each(BLOCK_FORMATS)('%s, rounded once', async (format) => {
  const sizes = { N, K, format: HELD_FORMATS.indexOf(format) };
  const inputs = drawOperands(dequantise.inputs, sizes, 11) as Record<'data' | 'scales', Uint32Array>;
  const { y } = dequantise.reference(sizes, inputs, { y: new Float64Array(N * K) });
  for (const variant of dequantise.variants) {
    if (!canRun(variant, opened.core.profile, sizes)) continue;
    const actual = await runOnGpu(opened.core, dequantise, sizes, inputs, { y: new Float64Array(N * K).fill(NaN) }, variant.name);
    expect(actual['y'], variant.name).toEqual(Float64Array.from(y, Math.fround));
  }
});
