/** The file that `seal tune` keeps: used where it fits this adapter, named and left alone where it does not. */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { digest } from '@seal/files/node';
import * as kernels from '@seal/kernels';
import type { AnyOp } from '@seal/kernels';
import { seal } from './seal.ts';

const cache = mkdtempSync(join(tmpdir(), 'seal-tune-'));
afterAll(() => rmSync(cache, { recursive: true, force: true }));
/** The driver's own cache stays where it is: it spares the compiler's time. */
const drivers = process.env['MESA_SHADER_CACHE_DIR'] ?? process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
const env = { XDG_CACHE_HOME: cache, MESA_SHADER_CACHE_DIR: drivers };

const ops = Object.values(kernels).filter((value): value is AnyOp => typeof value === 'object' && 'variants' in value);

interface Doctor {
  readonly kernels: { readonly source: string; readonly choices: { readonly op: string; readonly variant: string }[] };
}
async function doctor(): Promise<Doctor['kernels'] & { readonly stderr: string }> {
  const ended = await seal(['doctor', '--json'], { env });
  expect(ended).toMatchObject({ code: 0 });
  return { ...(JSON.parse(ended.stdout) as Doctor).kernels, stderr: ended.stderr };
}
const variants = (choices: Doctor['kernels']['choices'], op: string) =>
  new Set(choices.filter((choice) => choice.op === op).map(({ variant }) => variant));

it('runs as measured on this adapter, and as usual where nothing usable is kept', async () => {
  const usual = await doctor();
  expect(usual).toMatchObject({ source: 'default', stderr: '' });
  expect(variants(usual.choices, 'rms-norm')).not.toContain('plain');

  const { stdout } = await seal(['tune', '--forget', '--json'], { env });
  const { file, forgotten } = JSON.parse(stdout) as { file: string; forgotten: boolean };
  expect(forgotten).toBe(false);
  expect(file.startsWith(join(cache, 'seal', 'tuning'))).toBe(true);

  const described = await seal(['doctor', '--json'], { env });
  const { gpu } = (JSON.parse(described.stdout) as { device: { gpu: Record<string, unknown> } }).device;
  const { version } = createRequire(import.meta.url)('webgpu/package.json') as { version: string };
  const named = ['backend', 'vendor', 'architecture', 'description', 'features'].map((key) => [key, gpu[key]]);
  const adapter = { ...(Object.fromEntries(named) as object), webgpu: gpu['backend'] === 'dawn' ? version : null };
  const kept = {
    kernels: digest(Object.fromEntries(ops.map(({ name, variants }) => [name, variants.map((variant) => [variant.name, variant.code])]))),
    adapter,
    halfOperands: false,
    choices: [{ op: 'rms-norm', sizes: { T: 512, C: 128, eps: 1e-5 }, variant: 'plain' }],
  };
  mkdirSync(dirname(file), { recursive: true });
  const plant = (content: string) => writeFileSync(file, content);
  plant(JSON.stringify(kept));
  const tuned = await doctor();
  expect(tuned).toMatchObject({ source: 'tuned', stderr: '' });
  expect(variants(tuned.choices, 'rms-norm')).toEqual(new Set(['plain']));
  expect(variants(tuned.choices, 'swiglu')).toEqual(variants(usual.choices, 'swiglu'));

  const unusable: [string, RegExp][] = [
    ['{"kernels": "1", "ada', /is not used: Cannot read .*: it is not JSON/],
    [JSON.stringify({ ...kept, choices: [{ op: 'rms-norm', variant: 1 }] }), /is not used: .*choices/],
    [JSON.stringify({ ...kept, adapter: { ...adapter, description: 'another' } }), /is not used: another adapter or driver/],
    [JSON.stringify({ ...kept, kernels: '0' }), /is not used: another version of the kernels/],
  ];
  for (const [content, message] of unusable) {
    plant(content);
    const ignored = await doctor();
    expect(ignored.stderr).toMatch(message);
    expect(ignored.stderr.trim().split('\n')).toHaveLength(1);
    expect(ignored.source).toBe('default');
    expect(readFileSync(file, 'utf8')).toBe(content);
  }

  const removed = await seal(['tune', '--forget'], { env });
  expect(removed).toMatchObject({ code: 0, stdout: `Removed ${file}\n` });
  expect(existsSync(file)).toBe(false);
}, 120_000);
