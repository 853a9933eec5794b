/** What `seal doctor` says of a model before it is loaded. */

import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { seal, shippedModel } from './seal.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-doctor-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** Qwen/Qwen2.5-7B's configuration, without its weights. */
const bare = join(base, 'bare');
mkdirSync(bare);
const qwen = {
  model_type: 'qwen2', vocab_size: 152_064, hidden_size: 3_584, intermediate_size: 18_944, num_hidden_layers: 28,
  num_attention_heads: 28, num_key_value_heads: 4, max_position_embeddings: 4_096, rope_theta: 1e6,
};
writeFileSync(join(bare, 'config.json'), JSON.stringify(qwen));

interface Measured {
  readonly parts: Readonly<Record<string, number>>;
  readonly byteLength: number;
  readonly problem: string | null;
}
interface Document {
  readonly model: { readonly family: string; readonly parameters: number; readonly files: { readonly byteLength: number; readonly dtypes: string[] } | null; readonly problem: string | null };
  readonly plan: {
    readonly kept: Measured;
    readonly recomputed: Measured;
    readonly flopsPerStep: { readonly kept: number; readonly recomputed: number };
    readonly budget: { readonly byteLength: number; readonly fits: string; readonly largestPack: number; readonly largestSequence: number } | null;
  } | null;
}
const doctor = async (...options: string[]) => {
  const ended = await seal(['doctor', ...options, '--json']);
  expect(ended.stderr).toBe('');
  return JSON.parse(ended.stdout) as Document;
};

it('plans a model from config.json alone', { timeout: 120_000 }, async () => {
  const { model, plan } = await doctor('--model', bare, '--weights', 'int4', '--pack', '2', '--seq', '256', '--tokens', '512', '--memory', '8GiB');
  expect(model).toMatchObject({ family: 'qwen2', parameters: 7_615_616_512, files: null, problem: null });
  const { kept, recomputed, flopsPerStep, budget } = plan!;
  expect(recomputed.parts).toMatchObject({
    adapters: 2 * 4 * 40_370_176,
    optimiser: 2 * 3 * 4 * 40_370_176,
    cache: 2 * 28 * 2 * 256 * 4 * 128 * 4,
  });
  expect(Object.values(recomputed.parts).reduce((sum, bytes) => sum + bytes, 0)).toBe(recomputed.byteLength);
  expect(kept.parts['activations']).toBeGreaterThan(2 * recomputed.parts['activations']!);
  expect(flopsPerStep.recomputed).toBeGreaterThan(flopsPerStep.kept);
  expect(budget).toMatchObject({ byteLength: 8 * 2 ** 30, fits: recomputed.byteLength > 8 * 2 ** 30 ? 'no' : kept.byteLength > 8 * 2 ** 30 ? 'recomputed' : 'kept' });
  // What the largest pack adds must fit, and one more must not: each takes its parameters four times and its caches.
  const each = 4 * 4 * 40_370_176 + recomputed.parts['cache']! / 2;
  const others = recomputed.byteLength - 2 * each;
  expect(budget!.largestPack * each + others).toBeLessThan(8 * 2 ** 30);
  expect((budget!.largestPack + 1) * each + others + 16 * 2 ** 20).toBeGreaterThan(8 * 2 ** 30);
});

it('says what files hold, and what is wrong with them', async () => {
  const { model, plan } = await doctor('--model', shippedModel);
  expect(model).toMatchObject({ family: 'llama', files: { dtypes: ['F32'] }, problem: null });
  expect(model.files!.byteLength).toBeGreaterThan(4 * model.parameters);
  expect(plan!.recomputed.problem).toBeNull();

  const damaged = join(base, 'damaged');
  cpSync(shippedModel, damaged, { recursive: true });
  writeFileSync(join(damaged, 'model.safetensors'), 'x');
  const ended = await seal(['doctor', '--model', damaged]);
  expect(ended.code).toBe(4);
  expect(ended.stdout).toMatch(/model {7}.*model\.safetensors/);
});

it.each([
  [['--memory', '12 elephants'], 'seal: Cannot plan for --memory "12 elephants": give a size such as 12GiB or 800MB'],
  [['--seq', '5000'], 'seal: Cannot plan for --seq 5000: the model has 4096 positions'],
  [['--seq', '600', '--tokens', '512'], 'seal: Cannot plan for --tokens 512 with --seq 600: a step must hold a sequence'],
] as const)('refuses %j', async (options, message) => {
  const ended = await seal(['doctor', '--model', bare, ...options]);
  expect(ended).toMatchObject({ code: 2, stdout: '' });
  expect(ended.stderr.trim()).toBe(message);
});
