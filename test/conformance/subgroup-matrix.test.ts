/**
 * The variants for matrix units are compiled by Dawn's device that computes nothing: no adapter of continuous integration
 * has such units, so this shows that the code is valid, not that it is right.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import * as kernels from '@seal/kernels';
import { canRun, enableLines, selectVariant, type AdapterProfile, type AnyOp, type SubgroupMatrixConfig } from '@seal/kernels';

const ops = Object.values(kernels).filter(
  (value): value is AnyOp =>
    typeof value === 'object' && value !== null && 'variants' in value && value.variants.some(({ name }) => name.startsWith('subgroup-matrix')),
);
const FEATURE = 'chromium-experimental-subgroup-matrix';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu({ backend: 'null', defaultLimits: true });
});
afterAll(() => gpu.close());

/** An adapter with matrix units as several vendors list them: (M, K) by (K, N), operands and sums. */
const profileWith = (configs: SubgroupMatrixConfig[], subgroupSize: number | null = 32): AdapterProfile => ({
  class: 'discrete',
  subgroupSize,
  subgroupsNeedEnable: true,
  features: ['subgroups', 'shader-f16', FEATURE],
  limits: { maxComputeWorkgroupStorageSize: 16_384, maxComputeInvocationsPerWorkgroup: 256 },
  subgroupMatrixConfigs: configs,
});
const config = (M: number, N: number, K: number, componentType = 'f16', resultComponentType = 'f32') => ({
  M,
  N,
  K,
  componentType,
  resultComponentType,
});
const all = [config(16, 16, 16), config(16, 8, 16), config(8, 16, 16), config(8, 8, 8)].flatMap((one) => [
  [one],
  [{ ...one, componentType: 'f32' }],
]);
const large = (op: AnyOp) => {
  const wide = { T: 4_096, M: 4_096, N: 4_096, K: 4_096, lda: 4_096, ldc: 4_096, stride: 65_536 * 4, R: 16, offset: 0 };
  return Object.fromEntries(Object.entries(op.cases[0]!).map(([name, size]) => [name, wide[name as keyof typeof wide] ?? size]));
};

it('covers the products of training', () => {
  expect(ops.map(({ name }) => name).sort()).toEqual(['lora-linear', 'lora-linear-backward', 'matmul-nn', 'matmul-nt', 'matmul-tn']);
});

describe.each(ops.map((op) => [op.name, op] as const))('%s', (_, op) => {
  it('compiles for every matrix that adapters list', async (context) => {
    if (!gpu.device.features.has(FEATURE)) context.skip(`this Dawn's null device has no ${FEATURE}`);
    // The null device counts subgroups as up to 128 lanes, and matrices must fill one: two such subgroups a workgroup.
    const width = (gpu.device.adapterInfo as GPUAdapterInfo).subgroupMaxSize;
    const sizes = large(op);
    let compiled = 0;
    for (const configs of all) {
      const profile = profileWith(configs, width);
      for (const variant of op.variants.filter(({ name }: { name: string }) => name.startsWith('subgroup-matrix'))) {
        if (!canRun(variant, profileWith(configs), sizes)) continue;
        const code = enableLines(variant, profile) + variant.prelude?.(sizes, profile) + variant.code;
        const module = gpu.device.createShaderModule({ code });
        const { messages } = await module.getCompilationInfo();
        expect(messages.map(({ message, lineNum }) => `${lineNum}: ${message}`)).toEqual([]);
        await gpu.device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'main' } });
        compiled++;
      }
    }
    // Two sizes of f16 tiles for each f16 matrix, one of f32 for each f32 one.
    expect(compiled).toBe(12);
    // What it accepts means something only if it refuses what is wrong.
    const [variant] = op.variants.filter(({ name }: { name: string }) => name === 'subgroup-matrix');
    const wrong = profileWith([config(16, 16, 16)], width);
    const code = enableLines(variant, wrong) + variant.prelude?.(sizes, wrong) + variant.code.replace('<Staged, MATRIX_K, MATRIX_M>', '<Staged, MATRIX_K, 8u>');
    gpu.device.pushErrorScope('validation');
    const { messages } = await gpu.device.createShaderModule({ code }).getCompilationInfo();
    await gpu.device.popErrorScope();
    expect(messages.some(({ type }) => type === 'error')).toBe(true);
  });

  it('is chosen by what the adapter lists and where f16 operands are allowed', () => {
    const sizes = large(op);
    const chosen = (profile: AdapterProfile, halfOperands = true) => selectVariant(op, profile, sizes, { halfOperands }).name;
    expect(chosen(profileWith([config(16, 16, 16)]))).toBe('subgroup-matrix');
    expect(chosen(profileWith([config(16, 16, 16)]), false)).toBe('workgroup');
    expect(chosen(profileWith([config(16, 16, 16, 'f16', 'f16')]))).toBe('workgroup-f16');
    expect(chosen(profileWith([]))).toBe('workgroup-f16');
    expect(chosen(profileWith([config(16, 16, 16)], null))).toBe('workgroup-f16');
    // Matrices that do not divide the tile.
    expect(chosen(profileWith([config(16, 24, 16)]))).toBe('workgroup-f16');
  });
});
