/** The stored choice between kernels, as users meet it: commands use it, say so, and are not stopped by a bad file. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { seal, shippedModel } from './seal.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-tune-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

// The driver keeps compiled shaders in the cache folder too unless told otherwise.
const env = { XDG_CACHE_HOME: base, MESA_SHADER_CACHE_DIR: join(tmpdir(), 'seal-test-cache') };
const file = join(base, 'seal', 'kernels.json');
const doctor = async () => {
  const { stdout, stderr, code } = await seal(['doctor', '--json'], { env });
  expect(code).toBe(0);
  return { stderr, kernels: (JSON.parse(stdout) as { kernels: { source: string; choices: { op: string; variant: string; source: string }[] } }).kernels };
};

/** A model whose ops are measured in seconds; of a model only its configuration is read. */
function microModel(): string {
  const dir = join(base, 'model');
  mkdirSync(dir, { recursive: true });
  const config = JSON.parse(readFileSync(join(shippedModel, 'config.json'), 'utf8')) as object;
  const sizes = { vocab_size: 40, hidden_size: 16, intermediate_size: 32, num_attention_heads: 2, num_key_value_heads: 1, head_dim: 8 };
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...config, ...sizes }));
  return dir;
}

it('measures, keeps, uses, shows and forgets', async () => {
  const before = await doctor();
  expect(before.kernels.source).toBe('default');
  expect(before.kernels.choices.every(({ source }) => source === 'default')).toBe(true);

  const tuned = await seal(['tune', '--model', microModel(), '--json'], { env });
  expect(tuned.code).toBe(0);
  const document = JSON.parse(tuned.stdout) as { file: string; findings: { choice: { op: string; variant: string } }[] };
  expect(document.file).toBe(file);
  expect(document.findings.length).toBeGreaterThan(0);

  // Another choice than the measured one, so that what follows shows whose it is.
  const stored = JSON.parse(readFileSync(file, 'utf8')) as { choices: { op: string; variant: string }[] };
  for (const choice of stored.choices) if (choice.op === 'matmul-nt') choice.variant = 'tile';
  writeFileSync(file, JSON.stringify(stored));
  const after = await doctor();
  expect(after).toMatchObject({ stderr: '', kernels: { source: 'tuned' } });
  const products = after.kernels.choices.filter(({ op }) => op === 'matmul-nt');
  expect(new Set(products.map(({ variant, source }) => `${variant} ${source}`))).toEqual(new Set(['tile tuned']));

  writeFileSync(file, '{');
  const damaged = await seal(['ask', 'who plays the cymbal ?', '--json'], { env });
  expect(damaged.code).toBe(0);
  expect(damaged.stderr).toMatch(/^Not using [^\n]+: Cannot read [^\n]+; run seal tune again, or seal tune --forget\s*$/);

  const forgotten = await seal(['tune', '--forget', '--json'], { env });
  expect(JSON.parse(forgotten.stdout)).toEqual({ forgotten: true, file });
  expect((await doctor()).kernels.source).toBe('default');
}, 280_000);

it.each([
  [['tune', '--forget', '--f16'], 'Cannot use --model or --f16 with --forget'],
  [['tune', '--model', join(base, 'none')], 'Cannot find a model'],
  [['bench', 'step', '--peers'], 'Cannot use --peers with bench step'],
  [['bench', 'kernels', '--python', 'python3'], 'say --peers too'],
])('refuses %o', async (args, reason) => {
  const ended = await seal(args, { env });
  expect(ended.code).toBeGreaterThan(0);
  expect(ended.stdout).toBe('');
  expect(ended.stderr).toContain(reason);
});
