import { expect, it } from 'vitest';
import { canRun, selectVariant } from './choice.ts';
import { defineOp, type AdapterProfile, type Variant } from './op.ts';

const profile: AdapterProfile = {
  class: 'discrete',
  subgroupSize: 32,
  subgroupsNeedEnable: true,
  features: ['subgroups', 'shader-f16'],
  limits: { maxComputeWorkgroupStorageSize: 16_384 },
  subgroupMatrixConfigs: [],
};
const variant = (name: string, more: Partial<Variant<'M' | 'K'>> = {}): Variant<'M' | 'K'> => ({
  name,
  code: '',
  workgroups: () => [1],
  ...more,
});
const op = defineOp({
  name: 'double',
  formula: 'y = 2 x',
  source: 'the test',
  params: { M: 'u32', K: 'u32' },
  inputs: { x: { type: 'f32', shape: ({ M }) => [M] } },
  outputs: { y: { type: 'f32', mode: 'overwrite', shape: ({ M }) => [M] } },
  variants: [
    variant('workgroup-f16', { needs: ['shader-f16'], halfOperands: ['x'] }),
    variant('subgroup-8', { needs: ['subgroups'], supports: ({ subgroupSize }) => subgroupSize === 8 }),
    variant('workgroup', { workgroupBytes: ({ K }) => 64 * K }),
    variant('plain'),
  ],
  reference: ({ M }, { x }) => ({ y: Float64Array.from({ length: M }, (_, i) => 2 * (x[i] ?? 0)) }),
  gradient: { none: 'the test' },
  cases: [{ M: 4, K: 4 }],
  tolerance: { floor: 1e-7, why: 'exact' },
});
const chosen = (sizes: { M: number; K: number }, options: Parameters<typeof selectVariant>[3] = {}, changes: Partial<AdapterProfile> = {}) =>
  selectVariant(op, { ...profile, ...changes }, sizes, options).name;

it('goes by the class of the adapter where nothing was measured', () => {
  expect(chosen({ M: 64, K: 64 })).toBe('workgroup');
  expect(chosen({ M: 64, K: 64 }, {}, { class: 'cpu', subgroupSize: 8 })).toBe('subgroup-8');
  expect(chosen({ M: 64, K: 64 }, {}, { class: 'cpu', subgroupSize: null })).toBe('plain');
});

it('keeps to what the limits hold', () => {
  expect(chosen({ M: 64, K: 256 })).toBe('workgroup');
  expect(chosen({ M: 64, K: 257 })).toBe('plain');
});

it('takes f16 operands only where they are allowed', () => {
  expect(chosen({ M: 64, K: 64 }, { halfOperands: true })).toBe('workgroup-f16');
  const choices = [{ op: 'double', sizes: { M: 64, K: 64 }, variant: 'workgroup-f16' }];
  expect(chosen({ M: 64, K: 64 }, { choices })).toBe('workgroup');
  expect(chosen({ M: 64, K: 64 }, { choices, halfOperands: true })).toBe('workgroup-f16');
  expect(chosen({ M: 64, K: 64 }, { halfOperands: true }, { features: [] })).toBe('workgroup');
});

it('takes what does not suit the sizes by name or measurement only', () => {
  const long = defineOp({ ...op, variants: [variant('workgroup', { suits: (_, { M }) => M > 1_000 }), variant('plain')] });
  const of = (M: number, options: Parameters<typeof selectVariant>[3] = {}) => selectVariant(long, profile, { M, K: 1 }, options).name;
  expect(of(2_000)).toBe('workgroup');
  expect(of(64)).toBe('plain');
  expect(of(64, { name: 'workgroup' })).toBe('workgroup');
  expect(of(64, { choices: [{ op: 'double', sizes: { M: 64, K: 1 }, variant: 'workgroup' }] })).toBe('workgroup');
});

it('follows the choice measured at the nearest sizes', () => {
  const choices = [
    { op: 'double', sizes: { M: 64, K: 64 }, variant: 'plain' },
    { op: 'double', sizes: { M: 4_096, K: 64 }, variant: 'workgroup' },
    { op: 'triple', sizes: { M: 512, K: 64 }, variant: 'plain' },
  ];
  expect(chosen({ M: 100, K: 64 }, { choices })).toBe('plain');
  expect(chosen({ M: 2_000, K: 64 }, { choices })).toBe('workgroup');
  expect(chosen({ M: 4_096, K: 257 }, { choices })).toBe('plain');
});

it('refuses by name what cannot run', () => {
  expect(chosen({ M: 1, K: 1 }, { name: 'plain' })).toBe('plain');
  expect(() => chosen({ M: 1, K: 1 }, { name: 'subgroup-8' })).toThrow(
    'Cannot run double as subgroup-8 at {"M":1,"K":1}: variants that fit this adapter are workgroup-f16, workgroup, plain',
  );
  expect(canRun(variant('x', { needs: ['chromium-experimental-subgroup-matrix'] }), profile, { M: 1, K: 1 })).toBe(false);
});
