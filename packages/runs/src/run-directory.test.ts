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
const messages = async (path: string): Promise<string[]> => (await readRun(path)).events.map((record) => record.message);

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
  it('gives back every kind of record in order after it was closed', async () => {
    const run = await createRun(dir, header);
    for (const kind of recordKinds) for (let i = 0; i < 3; i++) await run.append(kind, samples[kind]);
    await run.checkpoint();
    await run.close();
    const again = await openRun(dir);
    for (const kind of recordKinds) expect(await again.records(kind)).toEqual(Array(3).fill(samples[kind]));
    expect(again.header).toEqual(header);
    await again.close();
    expect((await readRun(dir)).selfEdits).toHaveLength(3);
  });

  it('keeps a line break and a lone surrogate of a model inside one line', async () => {
    const run = await createRun(dir, header);
    const text = 'a\nb\r\u2028\ud800 <script>';
    await run.append('self-edits', { ...samples['self-edits'], text });
    expect((await run.records('self-edits'))[0]?.text).toBe(text);
    expect(readFileSync(join(dir, 'self-edits.jsonl'), 'utf8').split('\n')).toHaveLength(2);
    await run.close();
  });

  it('refuses a record that does not fit, and writes nothing', async () => {
    const run = await createRun(dir, header);
    const bad = { ...samples.rewards, reward: Number.NaN };
    await expect(run.append('rewards', bad)).rejects.toThrow(/^Cannot append a record to rewards: reward/);
    await expect(run.append('events', { ...samples.events, surplus: 1 } as never)).rejects.toThrow('surplus');
    expect(existsSync(join(dir, 'rewards.jsonl'))).toBe(false);
    await run.close();
    await expect(run.append('events', samples.events)).rejects.toThrow('it has been closed');
  });

  it('takes effect in the order of the calls, awaited or not', async () => {
    const run = await createRun(dir, header);
    const calls = [0, 1, 2].map((i) => run.append('events', event(String(i))));
    calls.push(run.writeFile('a', '1'), run.writeFile('a', '2'), run.checkpoint(), run.close());
    await Promise.all(calls);
    expect(await messages(dir)).toEqual(['0', '1', '2']);
    expect(readFileSync(join(dir, 'a'), 'utf8')).toBe('2');
  });

  it('gives the records from a number on, those appended meanwhile too', async () => {
    const run = await createRun(dir, header);
    for (const message of ['0', '1', '2']) await run.append('events', event(message));
    const seen = await run.records('events');
    await run.append('events', event('3'));
    expect(seen).toHaveLength(3);
    const later = async (from: number) => (await run.records('events', from)).map(({ message }) => message);
    expect([await later(2), await later(4), await later(9)]).toEqual([['2', '3'], [], []]);
    await expect(run.records('events', -1)).rejects.toThrow('it must be a whole number from 0');
    await run.close();
    expect(await later(3)).toEqual(['3']);
  });

  it('remembers what it wrote, whatever becomes of the object it was given and of the file', async () => {
    const run = await createRun(dir, header);
    const group = ['c1'];
    await run.append('rewards', { ...samples.rewards, group });
    group.push('c2');
    const read = await run.records('rewards');
    writeFileSync(join(dir, 'rewards.jsonl'), '');
    expect(read[0]?.group).toEqual(['c1']);
    expect(await run.records('rewards')).toEqual(read);
    await run.close();
  });

  it('keeps files beside its records', async () => {
    const run = await createRun(dir, header);
    expect(await run.readFile('contexts.json')).toBeNull();
    await run.writeFile('contexts.json', '[]');
    expect(new TextDecoder().decode((await run.readFile('contexts.json')) ?? undefined)).toBe('[]');
    await run.removeFile('contexts.json');
    await run.removeFile('contexts.json');
    expect(await run.readFile('contexts.json')).toBeNull();
    await expect(run.readFile('../run.json')).rejects.toThrow('it must be a plain file name');
    await expect(run.removeFile('events.jsonl')).rejects.toThrow('the name belongs to the run itself');
    await expect(run.readFile('adapters')).resolves.toBeNull();
    mkdirSync(join(dir, 'adapters'));
    await expect(run.readFile('adapters')).rejects.toMatchObject({ kind: 'data', message: expect.stringContaining('it is a directory, not a file') as string });
    await run.close();
    await expect(run.writeFile('a', '')).rejects.toThrow('it has been closed');
  });

  it('says in its header how the domain was set up, and reads what earlier headers said of passages', async () => {
    const domain = { passages: 'mine.json', template: { name: 'implications', selfEdit: '{context}', answer: '{question}' }, chat: true };
    await (await createRun(dir, { ...header, model: 'Qwen/Qwen2.5-0.5B', domain })).close();
    const path = join(dir, 'run.json');
    const written = readFileSync(path, 'utf8');
    const own = await readRun(dir);
    expect(own.header).toEqual({ ...header, model: 'Qwen/Qwen2.5-0.5B', domain });
    const source = { model: 'Qwen/Qwen2.5-0.5B', ...domain };
    writeFileSync(path, JSON.stringify({ ...header, source }));
    expect((await readRun(dir)).header).toEqual(own.header);
    const run = await openRun(dir);
    expect(run.header).toEqual(own.header);
    await run.close();
    expect(readFileSync(path, 'utf8')).not.toBe(written);
    writeFileSync(path, JSON.stringify({ ...header, source: { ...source, chat: 1 } }));
    await expect(readRun(dir)).rejects.toThrow(/run\.json: source\.chat must be/);
  });

  it('is not started where something is', async () => {
    await (await createRun(dir, header)).close();
    await expect(createRun(dir, header)).rejects.toThrow('it holds a run. Resume that one or choose another directory');
    mkdirSync(join(root, 'other'));
    writeFileSync(join(root, 'other', 'thesis.txt'), '');
    await expect(createRun(join(root, 'other'), header)).rejects.toThrow('it is not empty (thesis.txt)');
    expect(readdirSync(join(root, 'other'))).toEqual(['thesis.txt']);
    await expect(openRun(join(root, 'other'))).rejects.toThrow('there is no run.json in it');
  });

  it('whose header is damaged is refused by file', async () => {
    await (await createRun(dir, header)).close();
    writeFileSync(join(dir, 'run.json'), JSON.stringify({ ...header, mode: 'fast' }));
    await expect(openRun(dir)).rejects.toThrow(/run\.json: mode must be/);
    writeFileSync(join(dir, 'run.json'), '{');
    await expect(openRun(dir)).rejects.toThrow(/run\.json: it is not JSON/);
  });

  it('has a name that says when, which preset and which seed, and differs with the configuration', async () => {
    const { runId: _, ...rest } = header;
    expect(deriveRunId(rest)).toMatch(/^20261101-120000-tiny-s7-[0-9a-f]{6}$/);
    expect(deriveRunId({ ...rest, config: {} })).not.toBe(deriveRunId(rest));
  });
});

describe('after a crash', () => {
  it('a torn last line is cut off and an event says so', async () => {
    const run = await createRun(dir, header);
    await run.append('events', event('first'));
    await run.append('rewards', samples.rewards);
    await run.close();
    const whole = readFileSync(join(dir, 'rewards.jsonl'));
    appendFileSync(join(dir, 'rewards.jsonl'), whole.subarray(0, 40));
    expect((await readRun(dir)).rewards).toHaveLength(1);
    const again = await openRun(dir, { now: '2026-11-02T00:00:00.000Z' });
    expect(readFileSync(join(dir, 'rewards.jsonl'))).toEqual(whole);
    expect((await again.records('events')).at(-1)).toEqual({
      time: '2026-11-02T00:00:00.000Z',
      type: 'torn-line',
      message: 'A torn last line of 40 bytes was cut off rewards.jsonl',
      details: { file: 'rewards.jsonl', byteLength: 40 },
    });
    await again.append('rewards', samples.rewards);
    expect(await again.records('rewards')).toHaveLength(2);
    await again.close();
  });

  it.each([
    ['not JSON', Buffer.from('{"time": oops}\n'), 'it is not JSON'],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22, 0x0a]), 'it is not JSON'],
    ['another record', Buffer.from('{"time":"t"}\n'), 'type must be'],
  ])('a middle line that is %s is refused by file and line', async (_, line, reason) => {
    const run = await createRun(dir, header);
    await run.append('events', event('first'));
    await run.close();
    const path = join(dir, 'events.jsonl');
    const good = readFileSync(path);
    const damaged = Buffer.concat([good, line, good]);
    writeFileSync(path, damaged);
    for (const read of [openRun, readRun]) {
      await expect(read(dir)).rejects.toMatchObject({ kind: 'data', place: `${path}, line 2` });
      await expect(read(dir)).rejects.toThrow(`Cannot read ${path}, line 2: `);
      await expect(read(dir)).rejects.toThrow(reason);
    }
    expect(readFileSync(path)).toEqual(damaged);
    expect(existsSync(join(dir, 'lock'))).toBe(false);
  });

  it('files that were not in place yet are removed', async () => {
    await (await createRun(dir, header)).close();
    mkdirSync(join(dir, 'adapters', `${'a'.repeat(64)}.partial`), { recursive: true });
    writeFileSync(join(dir, 'report.html.partial'), 'half');
    await (await openRun(dir)).close();
    expect(readdirSync(dir).sort()).toEqual(['adapters', 'run.json']);
    expect(readdirSync(join(dir, 'adapters'))).toEqual([]);
  });

  it('by kill -9 in the middle of appending nothing that append returned for is lost', async () => {
    const index = new URL('index.ts', import.meta.url).href;
    const confirmations = join(root, 'confirmed');
    const script = `
      const { openSync, writeSync } = await import('node:fs');
      const { createRun } = await import(${JSON.stringify(index)});
      const run = await createRun(${JSON.stringify(dir)}, ${JSON.stringify(header)});
      const file = openSync(${JSON.stringify(confirmations)}, 'w');
      for (let i = 0; i < 1e6; i++) {
        await run.append('events', { time: 't', type: 'note', message: String(i), details: null });
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
    const run = await openRun(dir);
    const notes = (await run.records('events')).filter(({ type }) => type === 'note');
    expect(notes.length).toBeGreaterThanOrEqual(confirmed);
    expect(notes.map(({ message }) => message)).toEqual(notes.map((_, index) => String(index)));
    expect((await messages(dir)).some((message) => message.startsWith(`The lock of process ${child.pid}`))).toBe(true);
    await run.close();
  });
});

describe('the lock', () => {
  const lockBy = (pid: number, host = hostname()): void => {
    writeFileSync(join(dir, 'lock'), JSON.stringify({ pid, host, started: null }));
  };

  it('keeps a second opening out, also of the same process, until it is given back', async () => {
    const run = await createRun(dir, header);
    await expect(openRun(dir)).rejects.toThrow(HeldError);
    await expect(openRun(dir)).rejects.toThrow('it is held by this process');
    await run.close();
    await run.close();
    await (await openRun(dir)).close();
  });

  it('of a live process is respected', async () => {
    await (await createRun(dir, header)).close();
    lockBy(process.ppid);
    await expect(openRun(dir)).rejects.toThrow(`it is held by process ${process.ppid}. Wait until it ends`);
    expect(existsSync(join(dir, 'lock'))).toBe(true);
  });

  it('of a dead process is taken over, and an event says so', async () => {
    await (await createRun(dir, header)).close();
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    lockBy(dead);
    await (await openRun(dir)).close();
    expect(await messages(dir)).toEqual([`The lock of process ${dead}, which has ended, was taken over`]);
    expect(readdirSync(dir).sort()).toEqual(['events.jsonl', 'run.json']);
  });

  const hasProcfs = existsSync('/proc/self/stat');
  it.skipIf(!hasProcfs)('of a dead process whose id is in use again is taken over (needs procfs)', async () => {
    await (await createRun(dir, header)).close();
    const holder = { pid: process.ppid, host: hostname(), started: 'another-boot:1' };
    writeFileSync(join(dir, 'lock'), JSON.stringify(holder));
    await (await openRun(dir)).close();
    expect(await messages(dir)).toHaveLength(1);
  });

  it('that a crash left empty is taken over', async () => {
    await (await createRun(dir, header)).close();
    writeFileSync(join(dir, 'lock'), '');
    await (await openRun(dir)).close();
    expect(await messages(dir)).toEqual(['The lock of an unknown process, which has ended, was taken over']);
  });

  it('of another machine is believed', async () => {
    await (await createRun(dir, header)).close();
    lockBy(1, 'elsewhere');
    await expect(openRun(dir)).rejects.toThrow(/held by process 1 on elsewhere\. If that process has ended, delete .*lock/);
  });
});

describe('a full disk', () => {
  it('leaves a record file as it was and says what to do', async () => {
    await (await createRun(dir, header)).close();
    const run = await openRun(dir, { disk: smallDisk(150) });
    await run.append('events', event('fits'));
    const before = readFileSync(join(dir, 'events.jsonl'));
    const tooLong = event('x'.repeat(500));
    await expect(run.append('events', tooLong)).rejects.toThrow(DiskFullError);
    await expect(run.append('events', tooLong)).rejects.toThrow(
      `Cannot append to ${join(dir, 'events.jsonl')}: the disk is full and nothing was left half-written; free some space and try again`,
    );
    expect(readFileSync(join(dir, 'events.jsonl'))).toEqual(before);
    await run.close();
    expect(await messages(dir)).toEqual(['fits']);
  });

  it('leaves the old file where a new one was to replace it', async () => {
    await (await createRun(dir, header)).close();
    const run = await openRun(dir, { disk: smallDisk(20) });
    await run.writeFile('report.html', 'old');
    await expect(run.writeFile('report.html', 'new'.repeat(50))).rejects.toThrow(DiskFullError);
    expect(readFileSync(join(dir, 'report.html'), 'utf8')).toBe('old');
    await run.close();
    expect(readdirSync(dir).sort()).toEqual(['report.html', 'run.json']);
  });

  it('leaves no part of an adapter', async () => {
    await (await createRun(dir, header)).close();
    const run = await openRun(dir, { disk: smallDisk(20) });
    await expect(run.putBlob('adapters', new Uint8Array(100))).rejects.toThrow(DiskFullError);
    expect(readdirSync(join(dir, 'adapters'))).toEqual([]);
    await run.close();
  });

  it('starts no run', async () => {
    await expect(createRun(dir, header, smallDisk(100))).rejects.toThrow(DiskFullError);
    expect(readdirSync(dir)).toEqual([]);
    await (await createRun(dir, header)).close();
  });

  it('on sync is reported', async () => {
    const full = (): never => {
      throw Object.assign(new Error(), { code: 'EDQUOT' });
    };
    await (await createRun(dir, header)).close();
    const run = await openRun(dir, { disk: { write: realDisk.write, sync: full } });
    await run.append('events', samples.events);
    await expect(run.checkpoint()).rejects.toThrow('the disk quota is used up');
    await run.close();
  });
});

describe('resuming', () => {
  it('with the same configuration works, whatever the order of its keys', async () => {
    await (await createRun(dir, header)).close();
    const config = { inner: { learningRate: 0.003, rank: 16 }, rounds: 2 };
    await (await openRun(dir, { expected: { ...header, config } })).close();
  });

  it('with another configuration is refused, naming each difference', async () => {
    await (await createRun(dir, header)).close();
    const open = openRun(dir, { expected: { seed: 8, config: { rounds: 2, inner: { rank: 8 }, extra: true } } });
    await expect(open).rejects.toThrow(ConfigMismatchError);
    await expect(open).rejects.toThrow(
      'it has config.extra: absent, not true; config.inner.learningRate: 0.003, not absent; ' +
        'config.inner.rank: 16, not 8; seed: 7, not 8.',
    );
    expect(readdirSync(dir)).toEqual(['run.json']);
  });
});

describe('blobs', () => {
  const weights = new Uint8Array([1, 2, 3]);

  it('are named by the digest of their safetensors bytes and stored once', async () => {
    const run = await createRun(dir, header);
    const sha = await run.putBlob('adapters', { 'adapter_model.safetensors': weights, 'adapter_config.json': '{}' });
    expect(sha).toBe(digest(weights));
    const { mtimeMs } = statSync(join(dir, 'adapters', sha, 'adapter_config.json'));
    expect(await run.putBlob('adapters', weights)).toBe(sha);
    expect(statSync(join(dir, 'adapters', sha, 'adapter_config.json')).mtimeMs).toBe(mtimeMs);
    expect(await run.readBlob('adapters', sha)).toEqual(weights);
    expect(await run.hasBlob('adapters', sha)).toBe(true);
    expect(await run.hasBlob('adapters', '0'.repeat(64))).toBe(false);
    await run.close();
  });

  it('do not change under the same name, and are checked when read', async () => {
    const run = await createRun(dir, header);
    const sha = await run.putBlob('adapters', { 'a.safetensors': weights, 'adapter_config.json': '{}' });
    await expect(run.putBlob('adapters', { 'a.safetensors': weights, 'adapter_config.json': '{"r":8}' })).rejects.toThrow(
      'its adapter_config.json differs from the one stored',
    );
    writeFileSync(join(dir, 'adapters', sha, 'a.safetensors'), 'bad');
    await expect(run.readBlob('adapters', sha)).rejects.toThrow('its bytes do not have the hash it is named by');
    await run.close();
  });

  it.each(['../x', 'a/b', '', '..', 'x.partial'])('and files cannot be named %j', async (name) => {
    const run = await createRun(dir, header);
    await expect(run.writeFile(name, '')).rejects.toThrow('it must be a plain file name');
    await expect(run.putBlob('adapters', { 'a.safetensors': weights, [name]: '' })).rejects.toThrow('plain file name');
    await expect(run.hasBlob('adapters', name)).rejects.toThrow('not a SHA-256');
    await run.close();
  });

  it('have exactly one safetensors file, and the records of the run cannot be replaced', async () => {
    const run = await createRun(dir, header);
    await expect(run.putBlob('adapters', {})).rejects.toThrow('with 0 safetensors files');
    for (const name of ['run.json', 'lock', 'adapters', 'rewards.jsonl']) {
      await expect(run.writeFile(name, '')).rejects.toThrow('the name belongs to the run itself');
    }
    await run.close();
  });
});
