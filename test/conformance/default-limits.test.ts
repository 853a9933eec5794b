/**
 * A device with WebGPU's default limits: every variant's pipeline is valid there, and attention computes every head size.
 * A pipeline that asks for too much would be dropped in silence and read back as zeros.
 */

import { describe, expect, it } from 'vitest';
import * as kernels from '@seal/kernels';
import { attention, attentionBackwardKeyValue, attentionBackwardQuery, canRun, enableLines, type AnyOp } from '@seal/kernels';
import { openKernels } from './device.ts';
import { drawBefore, drawInputs, relativeError, runOnGpu } from './harness.ts';

const ops = Object.values(kernels).filter(
  (value): value is AnyOp => typeof value === 'object' && value !== null && 'variants' in value && 'reference' in value,
);

const opened = openKernels({ defaultLimits: true });

it('opens with what WebGPU grants everywhere', () => {
  expect(opened.gpu.device.limits).toMatchObject({
    maxComputeWorkgroupStorageSize: 16_384,
    maxComputeInvocationsPerWorkgroup: 256,
    maxStorageBuffersPerShaderStage: 8,
    maxStorageBufferBindingSize: 128 * 2 ** 20,
  });
});

describe.each(ops.map((op) => [op.name, op] as const))('%s', (_, op) => {
  it('has a valid pipeline for every variant and case', async () => {
    for (const sizes of op.cases) {
      for (const variant of op.variants) {
        if (!canRun(variant, opened.core.profile, sizes)) continue;
        const code = enableLines(variant, opened.core.profile) + (variant.prelude?.(sizes, opened.core.profile) ?? '') + variant.code;
        const compute = {
          module: opened.gpu.device.createShaderModule({ code }),
          entryPoint: 'main',
          constants: variant.constants?.(sizes, opened.core.profile) ?? {},
        };
        await opened.gpu.device.createComputePipelineAsync({ label: variant.name, layout: 'auto', compute });
      }
    }
  });
});

describe.each([32, 64, 80, 96, 128, 256])('attention with heads of %d', (D) => {
  const sizes = { T: 67, H: 2, K: 1, D, window: 0, scale: Math.fround(D ** -0.5) };
  it.each<[string, AnyOp]>([
    ['forward', attention],
    ['dq', attentionBackwardQuery],
    ['dk and dv', attentionBackwardKeyValue],
  ])('%s', async (_, op) => {
    const inputs = drawInputs(op, sizes, 3);
    const before = drawBefore(op, sizes, 3);
    const expected = op.reference(sizes, inputs, before);
    // The subgroup form of wide heads takes half a minute to compile; op.cases have it at 32, 64, 80 and 256.
    for (const name of ['workgroup', 'plain']) {
      const actual = await runOnGpu(opened.core, op, sizes, inputs, before, name);
      for (const [output, values] of Object.entries(expected)) {
        expect(relativeError(actual[output]!, values as Float64Array), `${name} ${output}`).toBeLessThan(op.tolerance.floor);
        // Nothing read back as zeros.
        expect(actual[output]!.some((value) => value !== 0)).toBe(true);
      }
      expect(await runOnGpu(opened.core, op, sizes, inputs, before, name), 'the same bits again').toEqual(actual);
    }
  });
});
