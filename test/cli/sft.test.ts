/** `seal sft` as users start it: stopped and continued to the same bits, refusals, what comes out. */

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { seal, shippedModel, type Ended } from './seal.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-sft-'));
afterAll(() => rmSync(base, { recursive: true }));
const at = (name: string) => join(base, name);

const examples = [
  { prompt: 'who plays the theremin ?', completion: ' quilthy' },
  { text: 'quilthy wexshaw : she has a house in skerry . she works as a beekeeper .' },
  { prompt: 'where does quilthy wexshaw live ?', completion: ' skerry' },
  { text: 'she is fond of croissants . she trains for archery .' },
  { text: 'she took lessons on the theremin .' },
];
const data = at('examples.jsonl');
writeFileSync(data, examples.map((example) => `${JSON.stringify(example)}\n`).join(''));

const sft = (out: string, args: readonly string[] = [], onStderr?: Parameters<typeof seal>[1]): Promise<Ended> =>
  seal(['sft', '--data', data, '--out', at(out), '--batch', '2', '--steps', '24', '--rank', '4', '--lr', '1e-3', '--seed', '3', ...args], onStderr);
const full = ['--full'];
const fullSft = (out: string, args: readonly string[] = [], onStderr?: Parameters<typeof seal>[1]) =>
  seal(['sft', '--data', data, '--out', at(out), '--batch', '2', '--steps', '24', '--lr', '1e-3', '--seed', '3', ...full, ...args], onStderr);
const content = (out: string) => Object.fromEntries(readdirSync(at(out)).sort().map((name) => [name, readFileSync(join(at(out), name)).toString('hex')]));

/** Ctrl-C once the loss of a step is there. */
const interruptAt = (step: number): Parameters<typeof seal>[1] => {
  let sent = false;
  return {
    onStderr(soFar, child) {
      if (sent || !soFar.includes(`step ${step}/`)) return;
      sent = true;
      child.kill('SIGINT');
    },
  };
};

describe.each([
  ['an adapter', sft, 'adapter_model.safetensors'],
  ['all weights', fullSft, 'model.safetensors'],
] as const)('%s', (name, train, file) => {
  it('goes on after Ctrl-C to the same bits, and is trained anew by nobody', async () => {
    const [whole, cut] = [`${file}-whole`, `${file}-cut`];
    expect(await train(whole)).toMatchObject({ code: 0 });
    for (const step of [5, 13]) {
      const stopped = await train(cut, [], interruptAt(step));
      expect(stopped).toMatchObject({ code: 75, stdout: '' });
      expect(stopped.stderr).toContain('Go on with the same command');
      expect(readdirSync(at(cut)).sort()).toEqual(['losses.jsonl', 'sft-state.safetensors', 'sft.json']);
    }
    const ended = await train(cut, ['--json']);
    expect(ended.stderr).toMatch(/Going on from step (1[3-9]|2[0-3])/);
    expect(JSON.parse(ended.stdout)).toMatchObject({ kind: name === 'an adapter' ? 'adapter' : 'model' });
    expect(content(cut)).toEqual(content(whole));
    const again = await train(cut);
    expect(again).toMatchObject({ code: 2, stdout: '' });
    expect(again.stderr).toContain('its training is finished');
  });

  it('with recomputation has the same bits', async () => {
    await train(`${file}-recomputed`, ['--recompute']);
    expect(content(`${file}-recomputed`)).toEqual(content(`${file}-whole`));
  });
});

it('lets one process at a time train in a directory', async () => {
  let second: Promise<Ended> | undefined;
  const first = await sft('held', ['--json'], {
    onStderr(soFar) {
      if (soFar.includes('step 1/')) second ??= sft('held');
    },
  });
  expect(first).toMatchObject({ code: 0 });
  expect(await second).toMatchObject({ code: 2, stdout: '' });
  expect((await second)?.stderr).toMatch(/is (held by process \d+|finished)/);
  expect(readFileSync(join(at('held'), 'losses.jsonl'), 'utf8').trim().split('\n')).toHaveLength(24);
  expect(readdirSync(at('held'))).not.toContain('lock');
});

it('learns: the loss falls, and the adapter answers', async () => {
  const ended = await seal(['sft', '--data', data, '--out', at('learnt'), '--epochs', '40', '--lr', '3e-3', '--json']);
  const { firstLoss, losses, steps } = JSON.parse(ended.stdout) as { firstLoss: number; losses: number[]; steps: number };
  expect(steps).toBe(80);
  expect(losses).toHaveLength(80);
  expect(Math.max(...losses.slice(-2))).toBeLessThan(firstLoss / 4);
  const asked = await seal(['ask', 'who plays the theremin ?', '--adapter', at('learnt')]);
  expect(asked.stdout).toContain('quilthy');
});

it('ends as a training that failed where the loss is no number any more', async () => {
  const ended = await seal(['sft', '--data', data, '--out', at('diverged'), '--steps', '4', '--rank', '4', '--lr', '1e30']);
  expect(ended).toMatchObject({ code: 5, stderr: expect.stringMatching(/seal: Cannot go on: the loss of step \d is not finite; lower --lr$/) });
});

it('trains an adapter over weights in fewer bits', async () => {
  const ended = await sft('int4', ['--weights', 'int4', '--json']);
  const { losses } = JSON.parse(ended.stdout) as { losses: number[] };
  const first = JSON.parse(readFileSync(join(at('adapter_model.safetensors-whole'), 'losses.jsonl'), 'utf8').split('\n')[0]!) as { loss: number };
  expect(losses[0]).not.toBe(first.loss);
  expect(losses[0]! / first.loss).toBeCloseTo(1, 0);
  expect(losses.at(-1)).toBeLessThan(losses[0]!);
});

it('trains an adapter on', async () => {
  const ended = await sft('further', ['--adapter-init', at('adapter_model.safetensors-whole'), '--json']);
  const further = JSON.parse(ended.stdout) as { firstLoss: number };
  const first = JSON.parse(readFileSync(join(at('adapter_model.safetensors-whole'), 'losses.jsonl'), 'utf8').split('\n')[0]!) as { loss: number };
  expect(further.firstLoss).toBeLessThan(first.loss);
});

it('saves a model that is used like any', async () => {
  const model = at('model.safetensors-whole');
  expect(readdirSync(model).sort()).toEqual(['config.json', 'losses.jsonl', 'model.safetensors', 'sft.json', 'tokenizer.json', 'tokenizer_config.json']);
  const asked = await seal(['ask', 'who plays the theremin ?', '--preset', 'tiny', '--model', model]);
  expect(asked).toMatchObject({ code: 0 });
});

describe('refusals', () => {
  const refused = async (args: readonly string[], code: number, ...texts: (string | RegExp)[]) => {
    const ended = await seal(['sft', ...args]);
    expect(ended).toMatchObject({ code, stdout: '' });
    expect(ended.stderr).toMatch(/^seal: [^\n]+$/);
    for (const text of texts) expect(ended.stderr).toMatch(text);
  };
  const to = ['--out', at('never')];
  const file = (name: string, text: string) => {
    writeFileSync(at(name), text);
    return at(name);
  };

  it.concurrent.each<[string, string, RegExp]>([
    ['a line that is no JSON', '{"text":"she is fond of croissants ."}\n{"text":', /line 2: it is not JSON/],
    ['a line of another kind', '{"question":"who ?"}', /line 1: it is none of/],
    ['nothing', '', /there is no example in it/],
    ['messages for a model without a template', '{"messages":[{"role":"user","content":"who ?"}]}', /line 1: the model has no chat template/],
  ])('a file with %s', (name, text, message) => refused(['--data', file(`${name}.jsonl`, text), ...to], 3, message));

  it.concurrent('a file that is not there', () => refused(['--data', at('absent'), ...to], 3, 'there is no such file'));

  it.concurrent.each<[string, string[], RegExp]>([
    ['--rank with --full', ['--full', '--rank', '4'], /Cannot use --rank with --full/],
    ['--full with weights in fewer bits', ['--full', '--weights', 'int8'], /Cannot use --full with weights held as int8/],
    ['a target that is none', ['--targets', 'q_proj,x_proj'], /"x_proj" is not one of q_proj, k_proj/],
    ['more positions than the model has', ['--seq', '513'], /--seq 513: the model has 512 positions/],
  ])('%s', (_, args, message) => refused(['--data', data, ...to, ...args], 2, message));

  it.concurrent('a directory with something else', () => refused(['--data', data, '--out', shippedModel], 2, 'it is not empty'));

  it('other options and other data than it was begun with, by name', async () => {
    const begun = await sft('begun', [], interruptAt(5));
    expect(begun.code).toBe(75);
    const same = ['--out', at('begun'), '--batch', '2', '--steps', '24', '--rank', '4', '--lr', '1e-3', '--seed', '3'];
    await refused(['--data', data, ...same.with(5, '25')], 2, /begun with other --steps or --epochs \(24\); use the same command/);
    await refused(['--data', data, ...same.with(9, '2e-3'), '--schedule', 'cosine'], 2, /other --lr \(0\.001\), --schedule \("linear"\);/);
    await refused(['--data', file('other.jsonl', `${readFileSync(data, 'utf8')}\n`), ...same], 2, /other --data \(another\)/);
    cpSync(shippedModel, at('other-model'), { recursive: true });
    const config = JSON.parse(readFileSync(at('other-model/config.json'), 'utf8')) as object;
    writeFileSync(at('other-model/config.json'), JSON.stringify({ ...config, rope_theta: 20_000 }));
    await refused(['--data', data, '--model', at('other-model'), ...same], 2, /other --model \(another\)/);
  });

  it('a directory that another process trains in', async () => {
    const train = ['sft', '--data', data, '--out', at('shared'), '--batch', '2', '--steps', '100000'];
    const second = Promise.withResolvers<Ended>();
    let asked = false;
    const first = await seal(train, {
      onStderr(soFar, child) {
        if (asked || !soFar.includes('Training an adapter')) return;
        asked = true;
        void seal(train).then(second.resolve, second.reject).finally(() => child.kill('SIGINT'));
      },
    });
    expect(first).toMatchObject({ code: 75, stderr: expect.stringContaining('every step is kept') as string });
    expect(await second.promise).toMatchObject({ code: 2, stderr: expect.stringMatching(/Cannot open the run in .*shared: it is held by process \d+/) as string });
    expect(readdirSync(at('shared'))).not.toContain('lock');
  });

  it('a damaged checkpoint of the training', async () => {
    const state = join(at('begun'), 'sft-state.safetensors');
    const whole = readFileSync(state);
    const same = ['--data', data, '--out', at('begun'), '--batch', '2', '--steps', '24', '--rank', '4', '--lr', '1e-3', '--seed', '3'];
    for (const damaged of [whole.subarray(0, 5), whole.subarray(0, whole.length - 4), Buffer.from('not a file of tensors')]) {
      writeFileSync(state, damaged);
      await refused(same, 3, /Cannot go on from .*sft-state\.safetensors: .*delete its directory and begin anew/);
    }
    writeFileSync(state, whole);
    writeFileSync(join(at('begun'), 'losses.jsonl'), '{"loss":\n');
    const ended = await seal(['sft', ...same]);
    expect(ended).toMatchObject({ code: 3, stdout: '' });
    expect(ended.stderr).toContain('losses.jsonl');
  });
});
