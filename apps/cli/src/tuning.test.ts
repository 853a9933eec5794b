import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { GpuDescription } from '@seal/device';
import { choiceOptions, choicesDigest, forgetTuning, loadTuning, storeTuning, tuningPath } from './tuning.ts';

const adapter: GpuDescription = {
  backend: 'native',
  vendor: 'maker',
  architecture: 'one',
  description: 'Adapter One',
  class: 'discrete',
  subgroupSize: 32,
  subgroupsNeedEnable: true,
  features: ['shader-f16', 'subgroups'],
  limits: { maxBufferSize: 2 ** 28 },
  subgroupMatrixConfigs: [],
};
const choices = [{ op: 'matmul-nn', sizes: { M: 512, N: 128, K: 64, eps: 1e-5 }, variant: 'tile' }];

let cache: string;
let said: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'seal-tuning-'));
  vi.stubEnv('XDG_CACHE_HOME', cache);
  said = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((said += String(text)), true));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true, force: true });
});

it('gives back what was stored, and nothing where nothing was', () => {
  expect(loadTuning(adapter)).toBeNull();
  expect(choiceOptions(null)).toEqual({});
  expect(choicesDigest(null)).toBeNull();
  expect(storeTuning(adapter, choices, false)).toBe(join(cache, 'seal', 'kernels.json'));
  const tuning = loadTuning(adapter);
  expect(choiceOptions(tuning)).toEqual({ choices, halfOperands: false });
  expect(said).toBe('');
  // The digest follows what decides between variants, nothing else.
  storeTuning(adapter, choices, true);
  expect(choicesDigest(loadTuning(adapter))).not.toBe(choicesDigest(tuning));
  storeTuning(adapter, choices, false);
  expect(choicesDigest(loadTuning(adapter))).toBe(choicesDigest(tuning));
});

it.each([
  ['cut off', (text: string) => text.slice(0, text.length / 2), 'it is not JSON'],
  ['empty', () => '', 'it is not JSON'],
  ['another document', () => '{"choices":[]}', 'Cannot read'],
  ['with a key nobody knows', (text: string) => text.replace('"choices"', '"extra":1,"choices"'), 'extra'],
  ['with a choice that is none', (text: string) => text.replace('"tile"', '7'), 'variant'],
])('passes over a file that is %s, with one line', (_, damage, reason) => {
  storeTuning(adapter, choices, false);
  writeFileSync(tuningPath(), damage(readFileSync(tuningPath(), 'utf8')));
  expect(loadTuning(adapter)).toBeNull();
  expect(said).toMatch(/^Not using [^\n]+; run seal tune again, or seal tune --forget\n$/);
  expect(said).toContain(reason);
});

it.each([
  [{ description: 'Adapter Two' }, 'another adapter (Adapter One)'],
  [{ vendor: 'other' }, 'another adapter (Adapter One)'],
  [{ features: ['subgroups'] }, 'another adapter (Adapter One)'],
])('passes over the file of %o', (change, reason) => {
  storeTuning(adapter, choices, false);
  expect(loadTuning({ ...adapter, ...change })).toBeNull();
  expect(said).toContain(`it was measured with ${reason}`);
  expect(existsSync(tuningPath())).toBe(true);
});

it('passes over the file of other kernels', () => {
  storeTuning(adapter, choices, false);
  writeFileSync(tuningPath(), readFileSync(tuningPath(), 'utf8').replace(/"engine": "\w+"/, `"engine": "${'0'.repeat(64)}"`));
  expect(loadTuning(adapter)).toBeNull();
  expect(said).toContain('it was measured with other kernels');
});

it('forgets', () => {
  expect(forgetTuning()).toBe(false);
  storeTuning(adapter, choices, false);
  expect(forgetTuning()).toBe(true);
  expect(loadTuning(adapter)).toBeNull();
  expect(said).toBe('');
});
