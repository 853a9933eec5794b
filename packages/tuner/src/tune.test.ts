import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { canRun, Kernels, type AnyOp, type Variant } from '@seal/kernels';
import { parseConfig } from '@seal/model';
import { modelCases } from './model-cases.ts';
import { tuneKernels } from './tune.ts';

const config = parseConfig(
  {
    model_type: 'llama',
    vocab_size: 32,
    hidden_size: 16,
    intermediate_size: 32,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    max_position_embeddings: 64,
    tie_word_embeddings: true,
  },
  'the test',
);

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

const opOf = (name: string): AnyOp => {
  const found = modelCases(config, 64, 4).find(({ op }) => op.name === name);
  if (!found) throw new RangeError(`Cannot find ${name}`);
  return found.op;
};

it('measures every op that can run in more than one way, and keeps one that can', async () => {
  const rows = await tuneKernels(gpu, config, { tokens: [64], rank: 4, turns: 1 });
  expect(new Set(rows.map(({ op }) => op)).size).toBeGreaterThan(10);
  for (const { op, sizes, variant, speedup, standard } of rows) {
    const found = opOf(op).variants.find(({ name }: { name: string }) => name === variant) as Variant<string> | undefined;
    expect(found && canRun(found, gpu.description, sizes), `${op} ${variant}`).toBe(true);
    expect(found?.halfOperands ?? false).toBe(false);
    if (variant !== standard) expect(speedup).toBeGreaterThanOrEqual(1.05);
  }
}, 300_000);

it('is followed by the kernels that are given it', async () => {
  const sizes = { T: 64, C: 16, eps: 1e-6 };
  const choices = [{ op: 'rms-norm', sizes, variant: 'plain' }];
  const [usual, tuned] = [new Kernels(gpu.device, gpu.description), new Kernels(gpu.device, gpu.description, { choices })];
  expect(usual.variantOf(opOf('rms-norm'), sizes).name).not.toBe('plain');
  expect(tuned.variantOf(opOf('rms-norm'), sizes).name).toBe('plain');
  usual.destroy();
  tuned.destroy();
});

it('stops where it is told to', async () => {
  const stopped = new Error('enough');
  await expect(tuneKernels(gpu, config, { signal: AbortSignal.abort(stopped) })).rejects.toBe(stopped);
});
