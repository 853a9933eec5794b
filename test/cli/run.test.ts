/** `seal run` as a process: its document, its stops and what it leaves behind. */

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readRun } from '@seal/runs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { contents } from '../loop/records.ts';
import { seal, type Ended } from './seal.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-run-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const at = (name: string) => join(base, name);

/** One round on two passages: every stage of a run in a few seconds. */
const small = {
  inner: { steps: 3, packSize: 8, contextsPerAdapter: 2 },
  outer: { rounds: 1, contexts: 2, samples: 2, maxSelfEditTokens: 16, sft: { epochs: 1 } },
  evaluation: { contexts: 2, randomSelection: false },
};
const config = at('config.json');
writeFileSync(config, JSON.stringify(small));

let whole: Ended;
beforeAll(async () => {
  whole = await seal(['run', '--config', config, '--seed', '3', '--out', at('whole'), '--json']);
});

interface Document {
  readonly dir: string;
  readonly rows: readonly { readonly condition: string }[];
  readonly comparisons: readonly object[];
}

it('prints one JSON document on stdout and everything else on stderr', () => {
  expect(whole).toMatchObject({ code: 0 });
  expect(whole.stdout.trimEnd().split('\n')).toHaveLength(1);
  const document = JSON.parse(whole.stdout) as Document;
  expect(document).toMatchObject({ preset: 'tiny', mode: 'corrected', seed: 3, dir: at('whole') });
  expect(document.rows.map(({ condition }) => condition)).toEqual([
    'base', 'passage', 'passage-matched', 'self-edit', 'round-1', 'self-edit-greedy', 'round-1-greedy', 'oracle',
  ]);
  expect(whole.stderr).toContain(`in ${at('whole')}`);
  expect(readFileSync(join(at('whole'), 'report.html'), 'utf8')).toContain('<html');
});

it('does not touch a directory that is in use', async () => {
  const before = readdirSync(at('whole'));
  const ended = await seal(['run', '--config', config, '--out', at('whole')]);
  expect(ended).toMatchObject({ code: 2, stdout: '' });
  expect(ended.stderr).toContain(`Cannot start a run in ${at('whole')}: it holds a run. Resume that one or choose another directory`);
  expect(readdirSync(at('whole'))).toEqual(before);
});

/** What a stopped run says, and the directory it names. */
function expectStopped({ code, stdout, stderr }: Ended, why: string, dir: string): void {
  expect({ code, stdout }).toEqual({ code: 75, stdout: '' });
  expect(stderr.split('\n').at(-1)).toBe(`${why}; nothing finished is lost. Go on with: npm run -s seal -- run --resume ${dir}`);
}

/** Goes on and expects what the run that was never stopped gave. */
async function expectSameAfterResume(dir: string): Promise<void> {
  const ended = await seal(['run', '--resume', dir, '--json']);
  expect(ended).toMatchObject({ code: 0 });
  const [resumed, uninterrupted] = [ended, whole].map(({ stdout }) => JSON.parse(stdout) as Document);
  expect(resumed?.rows).toEqual(uninterrupted?.rows);
  expect(resumed?.comparisons).toEqual(uninterrupted?.comparisons);
  expect(contents(dir)).toEqual(contents(at('whole')));
}

it('refuses a run whose adapters or result are damaged, with exit code 3', async () => {
  const dir = at('damaged');
  cpSync(at('whole'), dir, { recursive: true });
  // The policy's adapter is what going on needs; those of single rewards are only kept.
  const adapter = (await readRun(dir)).sft[0]?.adapterDigest;
  const weights = join(dir, 'adapters', String(adapter), 'adapter_model.safetensors');
  writeFileSync(weights, readFileSync(weights).map((byte, i) => (i === 5_000 ? byte ^ 1 : byte)));
  const resumed = await seal(['run', '--resume', dir]);
  expect(resumed).toMatchObject({ code: 3, stdout: '' });
  expect(resumed.stderr).toBe(`seal: Cannot read adapter ${join(dir, 'adapters', String(adapter))}: its bytes do not have the hash it is named by`);
  expect(readdirSync(dir)).not.toContain('lock');
  writeFileSync(join(dir, 'result.json'), '{"rows": 3}');
  const report = await seal(['report', dir]);
  expect(report).toMatchObject({ code: 3, stdout: '' });
  expect(report.stderr).toMatch(new RegExp(`^seal: Cannot read ${join(dir, 'result.json')}: [^\\n]*rows must be`));
});

it('goes on with several seeds where they stopped, and pools them', async () => {
  const args = ['run', '--config', config, '--seeds', '3,4', '--out', at('seeds'), '--json'];
  cpSync(at('whole'), join(at('seeds'), 'seed-3'), { recursive: true });
  const ended = await seal(args);
  expect(ended).toMatchObject({ code: 0 });
  const document = JSON.parse(ended.stdout) as { runs: { seed: number; rows: unknown }[]; pooled: { rows: { contexts: number }[] } };
  const first = JSON.parse(readFileSync(join(at('whole'), 'result.json'), 'utf8')) as { rows: unknown };
  expect(document.runs.map((run) => run.seed)).toEqual([3, 4]);
  expect(document.runs[0]?.rows).toEqual(first.rows);
  expect(document.pooled.rows.every(({ contexts }) => contexts === 4)).toBe(true);
  expect(JSON.parse(readFileSync(join(at('seeds'), 'result.json'), 'utf8'))).toEqual(document);
});

it('stops at --max-time with code 75, here before anything was begun', async () => {
  const ended = await seal(['run', '--config', config, '--seed', '3', '--out', at('timed'), '--max-time', '0.3s']);
  expect(ended).toMatchObject({ code: 75, stdout: '', stderr: expect.stringMatching(/Stopped after --max-time 0\.3s; nothing was begun$/) });
  expect(existsSync(at('timed'))).toBe(false);
});

it('stops at Ctrl-C with what is finished, and goes on to the same result', async () => {
  let sent = false;
  const ended = await seal(['run', '--config', config, '--seed', '3', '--out', at('stopped')], {
    onStderr(soFar, child) {
      if (!sent && soFar.includes('adaptation |')) sent = child.kill('SIGINT');
    },
  });
  expectStopped(ended, 'Stopped by Ctrl-C', at('stopped'));
  expect(contents(at('stopped'))['self-edits']?.length).toBeGreaterThan(0);
  await expectSameAfterResume(at('stopped'));
});

it('says so when the disk is full, keeps what it has, and goes on once there is room', async ({ skip }) => {
  const disk = at('disk');
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96k', 'tmpfs', disk], { stdio: 'ignore' });
  } catch {
    return skip('a small file system can only be mounted by root');
  }
  try {
    const dir = join(disk, 'run');
    const ended = await seal(['run', '--config', config, '--seed', '3', '--out', dir]);
    expect(ended).toMatchObject({ code: 75, stdout: '' });
    const last = ended.stderr.split('\n').at(-1);
    expect(last).toMatch(/^seal: Cannot [a-z ]+ \S+: the disk is full /);
    expect(last).toContain(`Go on with: npm run -s seal -- run --resume ${dir}`);
    expect(readdirSync(dir, { recursive: true }).filter((name) => /partial|tmp|lock/.test(String(name)))).toEqual([]);
    for (const lines of Object.values(contents(dir))) for (const line of lines) JSON.parse(line);
    execFileSync('mount', ['-o', 'remount,size=20m', disk]);
    await expectSameAfterResume(dir);
  } finally {
    execFileSync('umount', [disk]);
  }
});

it('explains itself without an adapter and exits with 4, leaving no directory', async ({ skip }) => {
  if (process.platform !== 'linux') return skip('only Linux can be told to find no Vulkan driver');
  const env = { VK_DRIVER_FILES: '/nonexistent', VK_ICD_FILENAMES: '/nonexistent' };
  const ended = await seal(['run', '--config', config, '--out', at('none')], { env });
  expect(ended).toMatchObject({ code: 4, stdout: '' });
  expect(ended.stderr).toMatch(/^seal: No usable WebGPU adapter: [^\n]+$/);
  expect(ended.stderr).toContain('Install a Vulkan driver');
  expect(readdirSync(base)).not.toContain('none');
  const doctor = await seal(['doctor', '--json'], { env });
  expect(doctor).toMatchObject({ code: 4, stderr: '' });
  expect(JSON.parse(doctor.stdout)).toMatchObject({ ok: false, device: { ok: false }, model: { problem: null } });
});
