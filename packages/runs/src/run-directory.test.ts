import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digest, type Disk, DiskFullError, realDisk, HeldError } from '@seal/files/node';
import { ConfigMismatchError } from './errors.ts';
import { recordKinds } from './records.ts';
import { createRun, deriveRunId, openRun, readRun } from './run-directory.ts';
import { header, samples } from './samples.ts';

let root: string;
let dir: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'seal-runs-'));
  dir = join(root, 'run');
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const event = (message: string) => ({ ...samples.events, message });
const messages = (path: string): string[] => readRun(path).events.map((record) => record.message);

/** A disk with room for `room` more bytes, written in pieces of at most 7. */
const smallDisk = (room: number): Disk => ({
  write: (file, bytes, offset) => {
    if (room === 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const piece = bytes.subarray(offset, offset + Math.min(7, room));
    room -= piece.byteLength;
    return realDisk.write(file, piece, 0);
  },
  sync: realDisk.sync,
});

describe('a run', () => {
  it('gives back every kind of record in order after it was closed', () => {
    const run = createRun(dir, header);
    for (const kind of recordKinds) for (let i = 0; i < 3; i++) run.append(kind, samples[kind]);
    run.checkpoint();
    run.close();
    const again = openRun(dir);
    for (const kind of recordKinds) expect(again.records(kind)).toEqual(Array(3).fill(samples[kind]));
    expect(again.header).toEqual(header);
    again.close();
    expect(readRun(dir).selfEdits).toHaveLength(3);
  });

  it('keeps a line break and a lone surrogate of a model inside one line', () => {
    const run = createRun(dir, header);
    const text = 'a\nb\r\u2028\ud800 <script>';
    run.append('self-edits', { ...samples['self-edits'], text });
    expect(run.records('self-edits')[0]?.text).toBe(text);
    expect(readFileSync(join(dir, 'self-edits.jsonl'), 'utf8').split('\n')).toHaveLength(2);
    run.close();
  });

  it('refuses a record that does not fit, and writes nothing', () => {
    const run = createRun(dir, header);
    const bad = { ...samples.rewards, reward: Number.NaN };
    expect(() => run.append('rewards', bad)).toThrow(/^Cannot append a record to rewards: reward/);
    expect(() => run.append('events', { ...samples.events, surplus: 1 } as never)).toThrow('surplus');
    expect(existsSync(join(dir, 'rewards.jsonl'))).toBe(false);
    run.close();
    expect(() => run.append('events', samples.events)).toThrow('it has been closed');
  });

  it('is not started where something is', () => {
    createRun(dir, header).close();
    expect(() => createRun(dir, header)).toThrow('it holds a run. Resume that one or choose another directory');
    mkdirSync(join(root, 'other'));
    writeFileSync(join(root, 'other', 'thesis.txt'), '');
    expect(() => createRun(join(root, 'other'), header)).toThrow('it is not empty (thesis.txt)');
    expect(readdirSync(join(root, 'other'))).toEqual(['thesis.txt']);
    expect(() => openRun(join(root, 'other'))).toThrow('there is no run.json in it');
  });

  it('whose header is damaged is refused by file', () => {
    createRun(dir, header).close();
    writeFileSync(join(dir, 'run.json'), JSON.stringify({ ...header, mode: 'fast' }));
    expect(() => openRun(dir)).toThrow(/run\.json: mode must be/);
    writeFileSync(join(dir, 'run.json'), '{');
    expect(() => openRun(dir)).toThrow(/run\.json: it is not JSON/);
  });

  it('has a name that says when, which preset and which seed, and differs with the configuration', () => {
    const { runId: _, ...rest } = header;
    expect(deriveRunId(rest)).toMatch(/^20261101-120000-tiny-s7-[0-9a-f]{6}$/);
    expect(deriveRunId({ ...rest, config: {} })).not.toBe(deriveRunId(rest));
  });
});

describe('after a crash', () => {
  it('a torn last line is cut off and an event says so', () => {
    const run = createRun(dir, header);
    run.append('events', event('first'));
    run.append('rewards', samples.rewards);
    run.close();
    const whole = readFileSync(join(dir, 'rewards.jsonl'));
    appendFileSync(join(dir, 'rewards.jsonl'), whole.subarray(0, 40));
    expect(readRun(dir).rewards).toHaveLength(1);
    const again = openRun(dir, { now: '2026-11-02T00:00:00.000Z' });
    expect(readFileSync(join(dir, 'rewards.jsonl'))).toEqual(whole);
    expect(again.records('events').at(-1)).toEqual({
      time: '2026-11-02T00:00:00.000Z',
      type: 'torn-line',
      message: 'A torn last line of 40 bytes was cut off rewards.jsonl',
      details: { file: 'rewards.jsonl', byteLength: 40 },
    });
    again.append('rewards', samples.rewards);
    expect(again.records('rewards')).toHaveLength(2);
    again.close();
  });

  it.each([
    ['not JSON', Buffer.from('{"time": oops}\n'), 'it is not JSON'],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22, 0x0a]), 'it is not JSON'],
    ['another record', Buffer.from('{"time":"t"}\n'), 'type must be'],
  ])('a middle line that is %s is refused by file and line', (_, line, reason) => {
    const run = createRun(dir, header);
    run.append('events', event('first'));
    run.close();
    const path = join(dir, 'events.jsonl');
    const good = readFileSync(path);
    const damaged = Buffer.concat([good, line, good]);
    writeFileSync(path, damaged);
    for (const read of [openRun, readRun]) {
      expect(() => read(dir)).toThrow(SyntaxError);
      expect(() => read(dir)).toThrow(`Cannot read ${path}, line 2: `);
      expect(() => read(dir)).toThrow(reason);
    }
    expect(readFileSync(path)).toEqual(damaged);
    expect(existsSync(join(dir, 'lock'))).toBe(false);
  });

  it('files that were not in place yet are removed', () => {
    createRun(dir, header).close();
    mkdirSync(join(dir, 'adapters', `${'a'.repeat(64)}.partial`), { recursive: true });
    writeFileSync(join(dir, 'report.html.partial'), 'half');
    openRun(dir).close();
    expect(readdirSync(dir).sort()).toEqual(['adapters', 'run.json']);
    expect(readdirSync(join(dir, 'adapters'))).toEqual([]);
  });

  it('by kill -9 in the middle of appending nothing that append returned for is lost', async () => {
    const index = new URL('index.ts', import.meta.url).href;
    const confirmations = join(root, 'confirmed');
    const script = `
      const { openSync, writeSync } = await import('node:fs');
      const { createRun } = await import(${JSON.stringify(index)});
      const run = createRun(${JSON.stringify(dir)}, ${JSON.stringify(header)});
      const file = openSync(${JSON.stringify(confirmations)}, 'w');
      for (let i = 0; i < 1e6; i++) {
        run.append('events', { time: 't', type: 'note', message: String(i), details: null });
        writeSync(file, i + '\\n');
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
    const ended = once(child, 'close');
    while (child.exitCode === null && !(existsSync(confirmations) && statSync(confirmations).size > 2000)) {
      await setTimeout(5);
    }
    child.kill('SIGKILL');
    await ended;
    const out = readFileSync(confirmations, 'utf8');
    const confirmed = out.slice(0, out.lastIndexOf('\n')).split('\n').length;
    expect(confirmed).toBeGreaterThan(100);
    const run = openRun(dir);
    const notes = run.records('events').filter(({ type }) => type === 'note');
    expect(notes.length).toBeGreaterThanOrEqual(confirmed);
    expect(notes.map(({ message }) => message)).toEqual(notes.map((_, index) => String(index)));
    expect(messages(dir).some((message) => message.startsWith(`The lock of process ${child.pid}`))).toBe(true);
    run.close();
  });
});

describe('the lock', () => {
  const lockBy = (pid: number, host = hostname()): void => {
    writeFileSync(join(dir, 'lock'), JSON.stringify({ pid, host, started: null }));
  };

  it('keeps a second opening out, also of the same process, until it is given back', () => {
    const run = createRun(dir, header);
    expect(() => openRun(dir)).toThrow(HeldError);
    expect(() => openRun(dir)).toThrow('it is held by this process');
    run.close();
    run.close();
    openRun(dir).close();
  });

  it('of a live process is respected', () => {
    createRun(dir, header).close();
    lockBy(process.ppid);
    expect(() => openRun(dir)).toThrow(`it is held by process ${process.ppid}. Wait until it ends`);
    expect(existsSync(join(dir, 'lock'))).toBe(true);
  });

  it('of a dead process is taken over, and an event says so', () => {
    createRun(dir, header).close();
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    lockBy(dead);
    openRun(dir).close();
    expect(messages(dir)).toEqual([`The lock of process ${dead}, which has ended, was taken over`]);
    expect(readdirSync(dir).sort()).toEqual(['events.jsonl', 'run.json']);
  });

  const hasProcfs = existsSync('/proc/self/stat');
  it.skipIf(!hasProcfs)('of a dead process whose id is in use again is taken over (needs procfs)', () => {
    createRun(dir, header).close();
    const holder = { pid: process.ppid, host: hostname(), started: 'another-boot:1' };
    writeFileSync(join(dir, 'lock'), JSON.stringify(holder));
    openRun(dir).close();
    expect(messages(dir)).toHaveLength(1);
  });

  it('that a crash left empty is taken over', () => {
    createRun(dir, header).close();
    writeFileSync(join(dir, 'lock'), '');
    openRun(dir).close();
    expect(messages(dir)).toEqual(['The lock of an unknown process, which has ended, was taken over']);
  });

  it('of another machine is believed', () => {
    createRun(dir, header).close();
    lockBy(1, 'elsewhere');
    expect(() => openRun(dir)).toThrow(/held by process 1 on elsewhere\. If that process has ended, delete .*lock/);
  });
});

describe('a full disk', () => {
  it('leaves a record file as it was and says what to do', () => {
    createRun(dir, header).close();
    const run = openRun(dir, { disk: smallDisk(150) });
    run.append('events', event('fits'));
    const before = readFileSync(join(dir, 'events.jsonl'));
    const tooLong = event('x'.repeat(500));
    expect(() => run.append('events', tooLong)).toThrow(DiskFullError);
    expect(() => run.append('events', tooLong)).toThrow(
      `Cannot append to ${join(dir, 'events.jsonl')}: the disk is full and nothing was left half-written; free some space and try again`,
    );
    expect(readFileSync(join(dir, 'events.jsonl'))).toEqual(before);
    run.close();
    expect(messages(dir)).toEqual(['fits']);
  });

  it('leaves the old file where a new one was to replace it', () => {
    createRun(dir, header).close();
    const run = openRun(dir, { disk: smallDisk(20) });
    run.writeFile('report.html', 'old');
    expect(() => run.writeFile('report.html', 'new'.repeat(50))).toThrow(DiskFullError);
    expect(readFileSync(join(dir, 'report.html'), 'utf8')).toBe('old');
    run.close();
    expect(readdirSync(dir).sort()).toEqual(['report.html', 'run.json']);
  });

  it('leaves no part of an adapter', () => {
    createRun(dir, header).close();
    const run = openRun(dir, { disk: smallDisk(20) });
    expect(() => run.putBlob('adapters', new Uint8Array(100))).toThrow(DiskFullError);
    expect(readdirSync(join(dir, 'adapters'))).toEqual([]);
    run.close();
  });

  it('starts no run', () => {
    expect(() => createRun(dir, header, smallDisk(100))).toThrow(DiskFullError);
    expect(readdirSync(dir)).toEqual([]);
    createRun(dir, header).close();
  });

  it('on sync is reported', () => {
    const full = (): never => {
      throw Object.assign(new Error(), { code: 'EDQUOT' });
    };
    createRun(dir, header).close();
    const run = openRun(dir, { disk: { write: realDisk.write, sync: full } });
    run.append('events', samples.events);
    expect(() => run.checkpoint()).toThrow('the disk quota is used up');
    run.close();
  });
});

describe('resuming', () => {
  it('with the same configuration works, whatever the order of its keys', () => {
    createRun(dir, header).close();
    const config = { inner: { learningRate: 0.003, rank: 16 }, rounds: 2 };
    openRun(dir, { expected: { ...header, config } }).close();
  });

  it('with another configuration is refused, naming each difference', () => {
    createRun(dir, header).close();
    const open = () => openRun(dir, { expected: { seed: 8, config: { rounds: 2, inner: { rank: 8 }, extra: true } } });
    expect(open).toThrow(ConfigMismatchError);
    expect(open).toThrow(
      'it has config.extra: absent, not true; config.inner.learningRate: 0.003, not absent; ' +
        'config.inner.rank: 16, not 8; seed: 7, not 8.',
    );
    expect(readdirSync(dir)).toEqual(['run.json']);
  });
});

describe('blobs', () => {
  const weights = new Uint8Array([1, 2, 3]);

  it('are named by the digest of their safetensors bytes and stored once', () => {
    const run = createRun(dir, header);
    const sha = run.putBlob('adapters', { 'adapter_model.safetensors': weights, 'adapter_config.json': '{}' });
    expect(sha).toBe(digest(weights));
    const { mtimeMs } = statSync(join(run.blobPath('adapters', sha), 'adapter_config.json'));
    expect(run.putBlob('adapters', weights)).toBe(sha);
    expect(statSync(join(run.blobPath('adapters', sha), 'adapter_config.json')).mtimeMs).toBe(mtimeMs);
    expect(run.readBlob('adapters', sha)).toEqual(weights);
    expect(run.hasBlob('adapters', sha)).toBe(true);
    expect(run.hasBlob('adapters', '0'.repeat(64))).toBe(false);
    run.close();
  });

  it('do not change under the same name, and are checked when read', () => {
    const run = createRun(dir, header);
    const sha = run.putBlob('adapters', { 'a.safetensors': weights, 'adapter_config.json': '{}' });
    expect(() => run.putBlob('adapters', { 'a.safetensors': weights, 'adapter_config.json': '{"r":8}' })).toThrow(
      'its adapter_config.json differs from the one stored',
    );
    writeFileSync(join(run.blobPath('adapters', sha), 'a.safetensors'), 'bad');
    expect(() => run.readBlob('adapters', sha)).toThrow('its bytes do not have the hash it is named by');
    run.close();
  });

  it.each(['../x', 'a/b', '', '..', 'x.partial'])('and files cannot be named %j', (name) => {
    const run = createRun(dir, header);
    expect(() => run.writeFile(name, '')).toThrow('it must be a plain file name');
    expect(() => run.putBlob('adapters', { 'a.safetensors': weights, [name]: '' })).toThrow('plain file name');
    expect(() => run.blobPath('adapters', name)).toThrow('not a SHA-256');
    run.close();
  });

  it('have exactly one safetensors file, and the records of the run cannot be replaced', () => {
    const run = createRun(dir, header);
    expect(() => run.putBlob('adapters', {})).toThrow('with 0 safetensors files');
    for (const name of ['run.json', 'lock', 'adapters', 'rewards.jsonl']) {
      expect(() => run.writeFile(name, '')).toThrow('the name belongs to the run itself');
    }
    run.close();
  });
});
