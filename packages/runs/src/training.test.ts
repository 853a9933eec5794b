import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiskFullError, HeldError, realDisk } from '@seal/files/node';
import { openTraining, type StateCodec, type TrainingKind } from './training.ts';

let root: string;
let dir: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'seal-training-'));
  dir = join(root, 'out');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

interface State {
  readonly step: number;
}
const codec: StateCodec<State> = {
  encode: (state) => new TextEncoder().encode(JSON.stringify(state)),
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as State,
};
const settings = { learningRate: 0.001, steps: 24, data: 'd'.repeat(64), rank: null };
const open = (own: object = settings, kind: TrainingKind = 'sft') => openTraining(dir, { kind, settings: { ...own }, codec });
const losses = () => readFileSync(join(dir, 'losses.jsonl'), 'utf8');
const steps = (from: number, count: number) => Array.from({ length: count }, (_, i) => ({ step: from + i, loss: 1 / (from + i + 1), learningRate: 0.001 }));

/** A training stopped after `saved` steps of which it had recorded `recorded`. */
async function stopped(saved: number, recorded: number): Promise<void> {
  const training = await open();
  await training.record(steps(0, saved));
  await training.save({ step: saved });
  await training.record(steps(saved, recorded - saved));
  await training.close();
}

describe('a training', () => {
  it('goes on from its last state with the losses that led to it', async () => {
    await stopped(2, 4);
    expect(readdirSync(dir).sort()).toEqual(['losses.jsonl', 'sft-state.safetensors', 'sft.json']);
    expect(losses().split('\n')[0]).toBe('{"step":0,"loss":1,"learningRate":0.001}');
    expect(JSON.parse(readFileSync(join(dir, 'sft.json'), 'utf8'))).toEqual(settings);
    const whole = losses();
    const training = await open();
    expect(training.resumed).toEqual({ step: 2 });
    expect(await training.losses()).toEqual([1, 1 / 2]);
    await training.record(steps(2, 2));
    expect(losses()).toBe(whole);
    await training.finish({ 'adapter_model.safetensors': new Uint8Array(3), 'adapter_config.json': '{}' });
    await training.close();
    expect(readdirSync(dir).sort()).toEqual(['adapter_config.json', 'adapter_model.safetensors', 'losses.jsonl', 'sft.json']);
    await expect(open()).rejects.toThrow(`Cannot train in ${dir}: its training is finished; choose another directory`);
  });

  it('that was stopped before its first state begins anew', async () => {
    const training = await open();
    await training.record(steps(0, 3));
    await training.close();
    const again = await open();
    expect(again.resumed).toBeNull();
    expect(await again.losses()).toEqual([]);
    expect(losses()).toBe('');
    await again.close();
  });

  it('keeps its state at the end where a pretraining may be gone on with', async () => {
    const training = await open({ seed: 0 }, 'pretraining');
    await training.record([{ step: 0, loss: 2 }]);
    await training.save({ step: 1 });
    await training.finish({ 'model.safetensors': new Uint8Array(1) });
    await training.close();
    expect(losses()).toBe('{"step":0,"loss":2}\n');
    expect(readdirSync(dir).sort()).toEqual(['losses.jsonl', 'model.safetensors', 'pretraining-state.safetensors', 'pretraining.json']);
    await (await open({ seed: 0 }, 'pretraining')).close();
  });

  it('begun before settings had names of their own is gone on with', async () => {
    await stopped(2, 2);
    writeFileSync(join(dir, 'sft.json'), JSON.stringify({ '--lr': 0.001, '--steps or --epochs': 24, '--data': settings.data, '--rank': null }));
    const training = await open();
    expect(training.resumed).toEqual({ step: 2 });
    await training.close();
    await expect(open({ ...settings, learningRate: 0.002 })).rejects.toThrow('begun with other `learningRate` (0.001); use');
  });

  it('is held by one at a time', async () => {
    const training = await open();
    await expect(open()).rejects.toThrow(HeldError);
    await training.close();
    await expect(training.record(steps(0, 1))).rejects.toThrow(`Cannot write to the training in ${dir}: it has been closed`);
    expect(existsSync(join(dir, 'lock'))).toBe(false);
  });

  it('survives a full disk with the state it had', async () => {
    await stopped(2, 2);
    let full = false;
    const disk = { ...realDisk, write: (...call: Parameters<typeof realDisk.write>) => {
      if (full) throw Object.assign(new Error(), { code: 'ENOSPC' });
      return realDisk.write(...call);
    } };
    const training = await openTraining(dir, { kind: 'sft', settings, codec, disk });
    full = true;
    await expect(training.record(steps(2, 1))).rejects.toThrow(DiskFullError);
    await expect(training.save({ step: 3 })).rejects.toThrow(DiskFullError);
    await training.close();
    expect((await open()).resumed).toEqual({ step: 2 });
  });
});

describe('is refused', () => {
  it('with other settings, by name', async () => {
    await stopped(2, 2);
    const other = { ...settings, steps: 25, data: 'e'.repeat(64), rank: 4 };
    await expect(open(other)).rejects.toMatchObject({
      kind: 'usage',
      message: `Cannot go on in ${dir}: it was begun with other \`steps\` or \`epochs\` (24), \`data\` (another), \`rank\` (null); use the same request, or another \`out\``,
    });
    expect((await open()).resumed).toEqual({ step: 2 });
  });

  it('of another kind, or where something else is', async () => {
    await stopped(2, 2);
    await expect(open({}, 'pretraining')).rejects.toThrow(`Cannot pretrain in ${dir}: it is not empty; choose another directory`);
    dir = join(root, 'file');
    writeFileSync(dir, 'mine');
    await expect(open()).rejects.toThrow(`Cannot train in ${dir}: it is a file; choose another directory`);
    dir = join(dir, 'within');
    await expect(open()).rejects.toThrow(`Cannot write ${dir}: a part of its path is a file, not a directory`);
    dir = '';
    await expect(open()).rejects.toThrow('Cannot train: `out` is empty; name a directory');
  });

  it('but not where a start was ended before it wrote anything', async () => {
    mkdirSync(dir);
    writeFileSync(join(dir, 'lock'), '');
    writeFileSync(join(dir, 'sft.json.17.partial'), '{');
    await (await open()).close();
    expect(readdirSync(dir).sort()).toEqual(['losses.jsonl', 'sft.json']);
  });

  it('from a damaged state', async () => {
    await stopped(2, 2);
    const state = join(dir, 'sft-state.safetensors');
    for (const [content, reason] of [['{', 'JSON'], ['{"step":0}', 'its step is 0'], ['{"step":"x"}', 'its step is x']] as const) {
      writeFileSync(state, content);
      const refused = open();
      await expect(refused).rejects.toMatchObject({ kind: 'data', message: expect.stringMatching(/^Cannot go on from .*; delete its directory and begin anew$/) as string });
      await expect(refused).rejects.toThrow(reason);
    }
    expect(existsSync(join(dir, 'lock'))).toBe(false);
  });

  it('with fewer losses than steps, or damaged ones', async () => {
    await stopped(2, 2);
    const path = join(dir, 'losses.jsonl');
    const [first = ''] = losses().split('\n');
    truncateSync(path, first.length + 10);
    await expect(open()).rejects.toThrow(`Cannot go on: ${path} holds 1 losses, but 2 steps were taken; begin anew in another directory`);
    for (const line of ['{"loss":', '{"step":1}', '{"step":1,"loss":"1"}']) {
      writeFileSync(path, `${first}\n${line}\n`);
      await expect(open()).rejects.toMatchObject({ kind: 'data', message: `Cannot go on: a line of ${path} is damaged; begin anew in another directory` });
    }
  });
});
