/**
 * Every op, every case, every variant that fits this adapter: against its float64 reference, its reference's gradient
 * against central differences, guards behind every buffer, and a perturbation of every operand that must be noticed.
 */

import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { canRun, enableLines, operandsOf, uniformFrom, type AdapterProfile, type AnyOp, type Variant } from '@seal/kernels';
import * as kernels from '@seal/kernels';
import { openKernels } from './device.ts';
import { centralDifferences, drawBefore, drawInputs, relativeError, runOnGpu } from './harness.ts';

const ops = Object.values(kernels).filter(
  (value): value is AnyOp => typeof value === 'object' && value !== null && 'variants' in value && 'reference' in value,
);

/** An adapter with WebGPU's defaults and nothing else. */
const bare: AdapterProfile = {
  class: 'unknown',
  subgroupSize: null,
  subgroupsNeedEnable: true,
  features: [],
  limits: { maxComputeWorkgroupStorageSize: 16_384, maxComputeInvocationsPerWorkgroup: 256 },
  subgroupMatrixConfigs: [],
};

const opened = openKernels();

describe('the op list', () => {
  it('has an op for every folder, and a folder for every op', () => {
    const root = new URL('../../kernels/src/', import.meta.url);
    const folders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    for (const folder of folders) {
      expect(ops.some((op) => op.name === folder.name || op.name.startsWith(`${folder.name}-`)), folder.name).toBe(true);
      const files = readdirSync(new URL(`${folder.name}/`, root));
      for (const needed of ['index.ts', 'reference.ts']) expect(files, folder.name).toContain(needed);
      expect(files.some((file) => file.endsWith('.wgsl.ts')), folder.name).toBe(true);
    }
    for (const op of ops) {
      expect(folders.some(({ name }) => op.name === name || op.name.startsWith(`${name}-`)), op.name).toBe(true);
    }
  });

  it('ends every op with a variant for any adapter', () => {
    for (const op of ops) {
      const last = op.variants.at(-1);
      for (const sizes of op.cases) {
        expect(last && canRun(last, bare, sizes), op.name).toBe(true);
      }
    }
  });
});

describe.each(ops.map((op) => [op.name, op] as const))('%s', (_, op) => {
  const { gradient } = op;
  describe.each(op.cases.map((sizes) => [JSON.stringify(sizes), sizes] as const))('%s', (_label, sizes) => {
    const inputs = drawInputs(op, sizes, 1);
    const before = drawBefore(op, sizes, 1);
    const expected = op.reference(sizes, inputs, before);

    it('agrees with float64 in every variant', async () => {
      const plain = op.variants.at(-1)!;
      const errorsOf = async (variant: Variant<string>, operands: typeof inputs) => {
        const wanted = operands === inputs ? expected : op.reference(sizes, operands, before);
        const actual = await runOnGpu(opened.core, op, sizes, operands, before, variant.name);
        return Object.entries(wanted).map(([name, values]) => ({
          name,
          error: relativeError(actual[name] as Float64Array, values as Float64Array),
        }));
      };
      const plainErrors = await errorsOf(plain, inputs);
      for (const { name, error } of plainErrors) {
        expect(error, `${plain.name} ${name}`).toBeLessThanOrEqual(op.tolerance.floor);
      }
      for (const variant of op.variants.slice(0, -1)) {
        if (!canRun(variant, opened.core.profile, sizes)) continue;
        // Operands that are f16 already lose nothing more: what is left is the error of the sums.
        const operands = variant.halfOperands ? operandsOf(variant, inputs) : inputs;
        const errors = await errorsOf(variant, operands);
        const bounds = variant.halfOperands ? await errorsOf(plain, operands) : plainErrors;
        errors.forEach(({ name, error }, index) => {
          const bound = 2 * bounds[index]!.error + op.tolerance.floor;
          expect(error, `${variant.name} ${name}`).toBeLessThanOrEqual(bound);
        });
        if (!variant.halfOperands) continue;
        const rounded = await runOnGpu(opened.core, op, sizes, inputs, before, variant.name);
        expect(rounded, `${variant.name} rounds its operands itself`).toEqual(
          await runOnGpu(opened.core, op, sizes, operands, before, variant.name),
        );
      }
    });

    if ('of' in gradient) {
      it('has the gradient of central differences', () => {
        const uniform = uniformFrom(7);
        const dOutputs = Object.fromEntries(
          Object.entries(expected)
            .filter(([name]) => op.outputs[name].type === 'f32')
            .map(([name, values]) => {
              const reached = gradient.through?.includes(name) ?? true;
              return [name, Float64Array.from(values as Float64Array, () => (reached ? uniform() - 0.5 : 0))];
            }),
        );
        const analytic = gradient.reference(sizes, inputs, expected, dOutputs);
        for (const name of gradient.of) {
          const values = analytic[name] as Float64Array;
          const indices = Array.from({ length: Math.min(12, values.length) }, () => Math.floor(uniform() * values.length));
          const numeric = centralDifferences(op, sizes, inputs, before, dOutputs, name, indices);
          const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-12);
          indices.forEach((index, i) => {
            expect(Math.abs((numeric[i] as number) - (values[index] as number)) / scale, name).toBeLessThan(1e-6);
          });
        }
      });
    }
  });

  it('notices a perturbation of every f32 input', async () => {
    for (const [name, operand] of Object.entries(op.inputs)) {
      if (operand.type !== 'f32') continue;
      let noticed = false;
      for (const sizes of op.cases.toReversed()) {
        const inputs = drawInputs(op, sizes, 2);
        const before = drawBefore(op, sizes, 2);
        const expected = op.reference(sizes, inputs, before);
        // Up and down in turn: an op such as argmax is blind to a common factor.
        const shifted = (inputs[name] as Float64Array).map((value, i) => Math.fround(value * (i % 2 === 0 ? 1.01 : 0.99)));
        const perturbed = { ...inputs, [name]: shifted };
        const actual = await runOnGpu(opened.core, op, sizes, perturbed, before);
        noticed = Object.entries(expected).some(
          ([output, values]) => relativeError(actual[output] as Float64Array, values as Float64Array) > 3 * op.tolerance.floor,
        );
        if (noticed) break;
      }
      expect(noticed, name).toBe(true);
    }
  });

  it('compiles without a warning in every variant', async () => {
    for (const variant of op.variants) {
      const sizes = op.cases.find((candidate) => canRun(variant, opened.core.profile, candidate));
      if (!sizes) continue;
      const enable = enableLines(variant, opened.core.profile);
      const module = opened.gpu.device.createShaderModule({ code: enable + (variant.prelude?.(sizes, opened.core.profile) ?? '') + variant.code });
      const { messages } = await module.getCompilationInfo();
      expect(messages.map(({ message }) => message)).toEqual([]);
    }
  });
});
