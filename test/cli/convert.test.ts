/** `seal convert` as users start it: directories that other commands read, whole or not at all. */

import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seal, shippedModel } from './seal.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'seal-convert-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const ask = ['ask', 'who plays the theremin ?', '--preset', 'tiny', '--json'];
const config = (directory: string) => JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')) as Record<string, unknown>;

it('writes a model in other numbers and back, with its tokenizer, and what reads it answers', async () => {
  const [half, whole] = ['half', 'whole'].map((name) => join(home, name)) as [string, string];
  const ended = await seal(['convert', '--model', shippedModel, '--out', half, '--dtype', 'bf16', '--json']);
  expect(ended).toMatchObject({ code: 0 });
  const document = JSON.parse(ended.stdout) as { weightBytes: number; weightFiles: string[] };
  expect(document).toMatchObject({ out: half, storedAs: 'bf16', weightFiles: ['model.safetensors'] });
  expect(config(half)).toEqual({ ...config(shippedModel), torch_dtype: 'bfloat16' });
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    expect(readFileSync(join(half, name)).equals(readFileSync(join(shippedModel, name)))).toBe(true);
  }
  expect((await seal(['convert', '--model', half, '--out', whole])).stdout).toContain('as f32 in');
  const [fromHalf, fromWhole] = [await seal([...ask, '--model', half]), await seal([...ask, '--model', whole])];
  expect(fromHalf).toMatchObject({ code: 0 });
  expect(fromWhole.stdout).toBe(fromHalf.stdout);
  const [before, after] = [half, whole].map((directory) => readFileSync(join(directory, 'model.safetensors')).byteLength);
  expect(after! / before!).toBeCloseTo(2, 1);
  expect(readdirSync(home).toSorted()).toEqual(['half', 'whole']);
});

it('packs matrices, and what is packed is held so and reported so', async () => {
  const packed = join(home, 'packed');
  expect(await seal(['convert', '--model', shippedModel, '--out', packed, '--quantise', 'int8'])).toMatchObject({ code: 0 });
  expect(config(packed)).toMatchObject({ quantization_config: { quant_method: 'seal', format: 'int8', group_size: 64 } });
  const stored = await seal([...ask, '--model', packed, '--verbose']);
  const held = await seal([...ask, '--model', shippedModel, '--weights', 'int8', '--verbose']);
  expect(stored).toMatchObject({ code: 0, stdout: held.stdout });
  expect(stored.stderr).toMatch(/model\.layers\.0\.mlp\.up_proj\.weight \(256, 128\) int8\n/);
  expect(held.stderr).toMatch(
    /model\.layers\.0\.mlp\.up_proj\.weight \(256, 128\) int8: 0\.\d+ % of an output channel lost, most of \d+ \(0\.\d+ %\), \d+ \(0\.\d+ %\), \d+ /,
  );
  expect(held.stderr).toMatch(/model\.norm\.weight \(128\) f32$/m);
  const exact = await seal([...ask, '--model', shippedModel, '--weights', 'f32']);
  expect(exact.stdout).toBe((await seal(ask)).stdout);
});

describe('refuses', () => {
  const out = () => join(home, 'out');
  const refused = async (args: readonly string[], code: number, message: string | RegExp) => {
    const ended = await seal(['convert', ...args]);
    expect(ended).toMatchObject({ code, stdout: '' });
    expect(ended.stderr.trim()).toMatch(message);
    expect(ended.stderr.trim().split('\n')).toHaveLength(1);
  };

  it('what cannot be asked for together, and a place that is taken', async () => {
    await refused(['--model', shippedModel, '--out', out(), '--dtype', 'f16', '--quantise', 'int4'], 2, /Cannot use --dtype f16 with --quantise int4/);
    await refused(['--model', shippedModel, '--out', out(), '--tokenizer', 'x.bin'], 2, /Cannot use --tokenizer with the directory/);
    mkdirSync(out());
    writeFileSync(join(out(), 'mine'), '');
    await refused(['--model', shippedModel, '--out', out()], 2, /Cannot write a model to .*: it is not empty; choose another directory/);
  });

  it('a file that is no model', async () => {
    const file = join(home, 'x.bin');
    writeFileSync(file, 'nothing of the kind, but longer than a header');
    await refused(['--model', file, '--out', out()], 4, /Cannot (read|use) .*x\.bin/);
    expect(existsSync(out())).toBe(false);
  });

  it('damaged weights, and leaves nothing behind', async () => {
    const damaged = join(home, 'damaged');
    cpSync(shippedModel, damaged, { recursive: true });
    const path = join(damaged, 'model.safetensors');
    const bytes = readFileSync(path);
    bytes.writeFloatLE(NaN, bytes.byteLength - 4);
    writeFileSync(path, bytes);
    await refused(['--model', damaged, '--out', out()], 3, /tensor \S+ holds NaN at element \d+; the file is damaged/);
    expect(readdirSync(home)).toEqual(['damaged']);
  });
});

const real = join(process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data', 'real', 'llama2c-stories260K');

it('takes a model of llama2.c with its tokenizer', async ({ skip }) => {
  if (!existsSync(real)) return skip(`${real} is not there: set SEAL_REFERENCE_DATA`);
  const out = join(home, 'stories');
  const ended = await seal(['convert', '--model', join(real, 'stories260K.bin'), '--tokenizer', join(real, 'tok512.bin'), '--out', out, '--dtype', 'f16']);
  expect(ended).toMatchObject({ code: 0 });
  expect(config(out)).toMatchObject({ model_type: 'llama', torch_dtype: 'float16', vocab_size: 512 });
  const doctor = await seal(['doctor', '--model', out, '--json']);
  expect(JSON.parse(doctor.stdout)).toMatchObject({ model: { problem: null, vocabulary: 512 } });
});
