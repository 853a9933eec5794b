import { afterAll, beforeAll, expect, test } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { canRun, selectVariant } from '@seal/kernels';
import { tuneCases, tuneKernels, type Finding, type ModelSizes } from './tune.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

const micro: ModelSizes = {
  hiddenSize: 32,
  intermediateSize: 64,
  numAttentionHeads: 2,
  numKeyValueHeads: 1,
  headDim: 16,
  vocabSize: 100,
};

test('measures every op that has a choice, and what it finds is what runs', async () => {
  const heard: Finding[] = [];
  const findings = await tuneKernels(gpu, micro, { tokens: [64], turns: 2, onFinding: (finding) => heard.push(finding) });
  expect(heard).toEqual(findings);
  const choices = findings.map(({ choice }) => choice);
  const cases = tuneCases(micro, 64);
  const withChoice = cases.filter(({ op, sizes }) => {
    const fitting = op.variants.filter((variant) => canRun(variant, gpu.description, sizes) && !variant.halfOperands);
    return fitting.length > 1;
  });
  expect(choices.map(({ op, sizes }) => [op, sizes])).toEqual(withChoice.map(({ op, sizes }) => [op.name, sizes]));
  for (const { choice, fallback, gain, milliseconds } of findings) {
    const op = cases.find((one) => one.op.name === choice.op)?.op;
    if (!op) throw new TypeError(`${choice.op} is not among the cases`);
    expect(op.variants.find(({ name }) => name === choice.variant)?.halfOperands).toBeUndefined();
    expect(selectVariant(op, gpu.description, choice.sizes, { choices }).name).toBe(choice.variant);
    expect(selectVariant(op, gpu.description, choice.sizes).name).toBe(fallback);
    expect(Object.values(milliseconds).every((ms) => ms > 0)).toBe(true);
    // The default stays unless another one is worth the change.
    if (choice.variant === fallback) expect(gain).toBe(1);
    else expect(gain).toBeGreaterThan(1.05);
  }
});

test('never measures the same op at the same shape twice, and keeps a chunk of logits in bounds', () => {
  const large = { hiddenSize: 2_048, intermediateSize: 8_192, numAttentionHeads: 32, numKeyValueHeads: 8, headDim: 64, vocabSize: 151_936 };
  for (const tokens of [512, 4_096]) {
    const cases = tuneCases(large, tokens);
    const names = cases.map(({ op, shape }) => `${op.name} ${shape}`);
    expect(new Set(names).size).toBe(names.length);
    const logits = cases.filter(({ op }) => op.name === 'cross-entropy').map(({ sizes }) => 4 * (sizes['T'] ?? 0) * (sizes['V'] ?? 0));
    expect(logits).toHaveLength(1);
    expect(logits[0]).toBeLessThan(64 * 2 ** 20);
  }
});

test('refuses token counts that make no sense', async () => {
  await expect(tuneKernels(gpu, micro, { tokens: [] })).rejects.toThrow('Cannot tune for no tokens');
  await expect(tuneKernels(gpu, micro, { tokens: [0.5] })).rejects.toThrow(RangeError);
});
