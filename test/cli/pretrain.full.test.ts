/** `seal pretrain` as a process: stopped, gone on with, and refused. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { seal } from './seal.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-pretrain-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const dir = join(base, 'model');
const pretrain = (out: string, steps: number, ...more: string[]) => seal(['pretrain', '--out', out, '--steps', String(steps), ...more]);

it('stops with code 75, keeps its steps, and refuses to go on as something else or from a damaged state', async () => {
  const stopped = await pretrain(dir, 1_000, '--max-time', '0.5s');
  expect(stopped).toMatchObject({ code: 75, stdout: '' });
  expect(stopped.stderr.split('\n').at(-1)).toBe('Stopped after --max-time 0.5s; every step is kept. Go on with the same command');
  const losses = readFileSync(join(dir, 'losses.jsonl'), 'utf8').trimEnd().split('\n');
  expect(losses.length % 10).toBe(0);
  expect(JSON.parse(losses[0] ?? '')).toMatchObject({ step: 0, loss: expect.closeTo(6, 0) });

  const other = await pretrain(dir, 999);
  expect(other).toMatchObject({ code: 2, stdout: '' });
  expect(other.stderr).toMatch(/^seal: Cannot go on in [^\n]+"steps":1000[^\n]+; use the same seed and steps, or another --out$/);

  const state = join(dir, 'pretraining-state.safetensors');
  writeFileSync(state, readFileSync(state).subarray(0, 10_000));
  const damaged = await pretrain(dir, 1_000);
  expect(damaged).toMatchObject({ code: 3, stdout: '' });
  expect(damaged.stderr).toMatch(new RegExp(`^seal: Cannot read ${state}: [^\\n]+$`));
});

it('writes over nothing that it did not begin', async () => {
  writeFileSync(join(base, 'model.safetensors'), 'mine');
  const foreign = await pretrain(base, 10);
  expect(foreign).toMatchObject({ code: 2, stdout: '', stderr: `seal: Cannot pretrain in ${base}: it is not empty; choose another directory` });
  const within = join(base, 'model.safetensors', 'x');
  const file = await pretrain(within, 10);
  expect(file).toMatchObject({ code: 2, stdout: '' });
  expect(file.stderr).toBe(`seal: Cannot write ${within}: a part of its path is a file, not a directory`);
  expect(readFileSync(join(base, 'model.safetensors'), 'utf8')).toBe('mine');
});
