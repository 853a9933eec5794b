/** What is kept is used where it fits the adapter, told and left alone where it does not. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { GpuDescription } from '@seal/device';
import { forgetTuning, readTuning, tuningPath, writeTuning } from './tuning.ts';

const folder = mkdtempSync(join(tmpdir(), 'seal-tuning-'));
afterAll(() => rmSync(folder, { recursive: true }));

const adapter: GpuDescription = {
  backend: 'dawn',
  vendor: 'a vendor',
  architecture: 'new',
  description: 'a driver 1.2',
  class: 'discrete',
  features: ['subgroups'],
  limits: {},
  subgroupSize: 32,
  subgroupsNeedEnable: true,
  subgroupMatrixConfigs: [],
};
const place = { folder, dawn: '0.4.0' };
const choices = [{ op: 'rms-norm', sizes: { T: 512, C: 128, eps: 1e-5 }, variant: 'plain' }];

function read(where = place, description = adapter) {
  const notes: (readonly [string, readonly string[]])[] = [];
  const tuning = readTuning(where, description, (text, verb) => notes.push([text, verb]));
  return { tuning, notes };
}

it('reads what was written, by a name that tells it from other choices, and forgets it', () => {
  expect(read()).toEqual({ tuning: null, notes: [] });
  expect(writeTuning(place, adapter, false, choices)).toBe(tuningPath(place, adapter));
  const { tuning } = read();
  expect(tuning).toMatchObject({ choices, halfOperands: false, digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
  writeTuning(place, adapter, true, choices);
  expect(read().tuning?.digest).not.toBe(tuning?.digest);
  expect(forgetTuning(place, adapter)).toBe(true);
  expect(forgetTuning(place, adapter)).toBe(false);
  expect(read()).toEqual({ tuning: null, notes: [] });
});

it('tells of a file that cannot be used, and leaves it alone', () => {
  const path = writeTuning(place, adapter, false, choices);
  const kept = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  const unusable: [string, RegExp][] = [
    ['{"kernels": "1", "ada', /Cannot read .*: it is not JSON/],
    [JSON.stringify({ ...kept, more: 1 }), /more/],
    [JSON.stringify({ ...kept, kernels: '0' }), /another version of the kernels was measured/],
    [JSON.stringify({ ...kept, choices: [{ ...choices[0], variant: 'none' }] }), /rms-norm has no variant none/],
  ];
  for (const [content, reason] of unusable) {
    writeFileSync(path, content);
    const { tuning, notes } = read();
    expect(tuning).toBeNull();
    expect(notes).toEqual([[expect.stringMatching(reason), ['tune']]]);
    expect(notes[0]?.[0]).toContain(`${path} is not used: `);
    expect(readFileSync(path, 'utf8')).toBe(content);
  }
});

it('is for one driver and one compiler alone, of another backend for any compiler', () => {
  writeTuning(place, adapter, false, choices);
  for (const { notes } of [read({ ...place, dawn: '0.5.0' }), read(place, { ...adapter, description: 'a driver 1.3' })]) {
    expect(notes).toEqual([[expect.stringContaining('another adapter or driver was measured'), ['tune']]]);
  }
  const native = { ...adapter, backend: 'native' as const };
  writeTuning(place, native, false, choices);
  expect(read({ ...place, dawn: '0.5.0' }, native).tuning).not.toBeNull();
});

it('names the file that it cannot write or remove', () => {
  const blocked = { ...place, folder: join(folder, 'blocked') };
  writeFileSync(blocked.folder, '');
  expect(() => writeTuning(blocked, adapter, false, choices)).toThrow(expect.objectContaining({ kind: 'usage', message: expect.stringContaining(blocked.folder) }));
  const path = tuningPath({ folder: join(folder, 'own') }, adapter);
  mkdirSync(join(path, 'a folder'), { recursive: true });
  expect(() => forgetTuning({ folder: dirname(dirname(path)) }, adapter)).toThrow(expect.objectContaining({ kind: 'usage', message: expect.stringContaining(`Cannot remove ${path}: `) }));
});
