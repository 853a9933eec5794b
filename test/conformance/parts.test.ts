/** A linear layer with a bias whose weight lies in two parts, with adapters: each bias is added once, in every variant. */

import { expect, it } from 'vitest';
import { canRun, loraLinear, matmulNT, part, selectVariant, type AnyOp, type Slice } from '@seal/kernels';
import { openKernels } from './device.ts';
import { drawInputs, relativeError } from './harness.ts';

const opened = openKernels();

const sizes = { T: 40, K: 132, N: 268, R: 8, E: 3, stride: 2_200, offset: 4, accumulate: 0, hasBias: 1 };
const split = 128;
const variants = [...new Set([matmulNT, loraLinear].flatMap((op) => op.variants.map(({ name }) => name)))];

function upload(values: Float64Array | Uint32Array): GPUBuffer {
  const bytes = values instanceof Uint32Array ? values : Float32Array.from(values);
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = opened.gpu.device.createBuffer({ size: bytes.byteLength, usage });
  opened.gpu.device.queue.writeBuffer(buffer, 0, bytes as Float32Array<ArrayBuffer>);
  return buffer;
}

it.for(variants)('%s', async (name, context) => {
  const { T: M, N, K } = sizes;
  const product = { M, N: split, K, accumulate: 0, hasBias: 1, lda: K, ldc: N };
  const usable = (op: AnyOp, at: Record<string, number>) => {
    const variant = op.variants.find((candidate: { name: string }) => candidate.name === name);
    return variant !== undefined && !variant.halfOperands && canRun(variant, opened.core.profile, at);
  };
  if (!usable(matmulNT, product) && !usable(loraLinear, sizes)) context.skip(`this adapter runs no ${name} in f32`);
  const inputs = drawInputs(loraLinear, sizes, 8);
  const expected = loraLinear.reference(sizes, inputs as never, { y: new Float64Array(M * N) });
  const { x, w, h, arena, blocks, bias } = Object.fromEntries(
    Object.entries(inputs).map(([key, values]) => [key, upload(values)]),
  ) as Record<string, GPUBuffer> as Record<'x' | 'w' | 'h' | 'arena' | 'blocks' | 'bias', GPUBuffer>;
  const y = upload(new Float64Array(M * N).fill(NaN));
  const staging = opened.gpu.device.createBuffer({ size: y.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = opened.gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  const run = (op: AnyOp, at: Record<string, number>, operands: Record<string, Slice>) => {
    // An op without such a variant runs as it would by itself.
    const variant = usable(op, at) ? name : selectVariant(op, opened.core.profile, at).name;
    const dispatch = opened.core.dispatch(op, at, operands, { variant });
    pass.setPipeline(dispatch.pipeline);
    pass.setBindGroup(0, dispatch.bindGroup);
    pass.dispatchWorkgroups(...(dispatch.workgroups(undefined) as [number, number, number]));
  };
  for (const [first, rows] of [[0, split], [split, N - split]] as const) {
    const operands = { a: x, b: part(w, first * K * 4), bias: part(bias, first * 4), c: part(y, first * 4) };
    run(matmulNT, { ...product, N: rows }, operands);
  }
  run(loraLinear, { ...sizes, K: 0, accumulate: 1, hasBias: 0 }, { x, w: x, h, arena, blocks, y });
  pass.end();
  encoder.copyBufferToBuffer(y, 0, staging, 0, y.size);
  await opened.gpu.guard('parts', () => opened.gpu.device.queue.submit([encoder.finish()]));
  await staging.mapAsync(GPUMapMode.READ);
  const actual = Float64Array.from(new Float32Array(staging.getMappedRange()));
  expect(relativeError(actual, expected.y)).toBeLessThan(2 * (matmulNT.tolerance.floor + loraLinear.tolerance.floor));
});
