/** Bad input: one clear line on stderr, nothing on stdout, the right exit code. None of these opens a device. */

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { takeLock } from '@seal/files/node';
import { createRun, type RunHeader } from '@seal/runs';
import { seal, shippedModel } from './seal.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-refusals-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const at = (name: string) => join(base, name);
/** Puts a file into the test's directory. */
function file(name: string, content: unknown): string {
  writeFileSync(at(name), typeof content === 'string' ? content : JSON.stringify(content));
  return at(name);
}

/** Where the device comes from Vulkan: who asks for one is told that there is none, before anything else. */
const NO_DRIVER = { VK_DRIVER_FILES: at('no-driver.json'), VK_ICD_FILENAMES: at('no-driver.json') };

/** Starts the command and expects a refusal: exit code, and a single line that holds all of the texts. */
async function refused(args: readonly string[], code: number, ...texts: string[]): Promise<void> {
  const ended = await seal(args, { env: NO_DRIVER });
  expect(ended.stderr).toMatch(/^seal: [^\n]+$/);
  for (const text of texts) expect(ended.stderr).toContain(text);
  expect(ended).toMatchObject({ code, signal: null, stdout: '' });
}

const passages = (change: object = {}) => [
  { title: 'one', context: 'dalric holby : he keeps a gecko .', questions: [{ question: 'who keeps the gecko ?', answer: 'dalric' }], ...change },
];

const header: RunHeader = {
  runId: 'r',
  createdAt: '2026-01-01T00:00:00.000Z',
  preset: 'tiny',
  mode: 'corrected',
  seed: 0,
  config: {},
  environment: { runtime: 'test', adapter: 'test', packageVersion: '0' },
  modelDigest: '0'.repeat(64),
};

describe('usage, exit code 2', () => {
  it.concurrent.each<[string, string[], string[]]>([
    ['an unknown option', ['run', '--seed', '1', '--config-file', 'x'], ['"--config-file"', 'seal -- run --help']],
    ['a misspelt option', ['generate', '--max-token', '5'], ['"--max-token"', 'Did you mean `--max-tokens`?', 'seal -- generate --help']],
    ['a misspelt command', ['generat'], ['`generat`', 'Did you mean `generate`?', 'seal -- --help']],
    ['no command', [], ['seal -- --help']],
    ['help of no command', ['help', 'generat'], ['`generat`', 'seal -- --help']],
    ['a missing option', ['eval'], ['`--passages`', 'seal -- eval --help']],
    ['a missing argument', ['ask'], ['`QUESTION`', 'seal -- ask --help']],
    ['a value that is none of the choices', ['convert', '--model', 'x', '--out', 'y', '--dtype', 'f8'], ['`--dtype`', '"bf16", but got "f8"', 'seal -- convert --help']],
    ['a seed below zero', ['run', '--seed', '-1'], ['`--seed`', 'greater than or equal to 0', 'seal -- run --help']],
  ])('%s', (_, args, texts) => refused(args, 2, ...texts));

  it.concurrent.each<[string, string, string[]]>([
    ['a misspelt key', '{"inner":{"stepz":3}}', ['inner.stepz is not a key', 'steps']],
    ['numbers below their bounds', '{"inner":{"steps":-3,"learningRate":0}}', ['inner.steps must be at least 1 (was -3)', 'inner.learningRate must be positive (was 0)']],
    ['absurd numbers', '{"outer":{"contexts":1e300,"samples":1e999}}', ['outer.contexts must be at most 10000 (was 1e+300)', 'outer.samples (Infinity)']],
    ['more people than there are', '{"outer":{"contexts":1500}}', ['Cannot draw 3000 people', 'lower outer.contexts']],
    ['NaN, which JSON does not have', '{"inner":{"steps":NaN}}', ['it is not JSON']],
  ])('--config with %s', async (name, content, texts) => {
    const path = file(`${name}.json`, content);
    await refused(['run', '--config', path, '--out', at('never')], 2, path, ...texts);
  });

  it.concurrent.each(['1,a', '0,0'])('--seeds %j', (seeds) =>
    refused(['run', `--seeds=${seeds}`], 2, `Cannot use --seeds ${seeds}`, 'such as 0,1,2'),
  );

  it.concurrent.each(['soon', '0s'])('--max-time %j', (time) =>
    refused(['run', `--max-time=${time}`, '--out', at('never')], 2, `Cannot use --max-time ${time}`, 'such as 90s, 5m or 1h'),
  );

  it.concurrent.each<[string, string[], string]>([
    ['--filter with bench step', ['bench', 'step', '--filter', 'matmul'], 'Cannot use --filter with bench step'],
    ['--peers with bench step', ['bench', 'step', '--peers'], 'Cannot use --peers with bench step'],
    ['--python without --peers', ['bench', 'round', '--python', 'python3'], 'say --peers too'],
  ])('%s', (_, args, text) => refused(args, 2, text));

  it.concurrent('--config with --resume', () => refused(['run', '--resume', at('x'), '--config', at('y')], 2, 'Cannot use --config with --resume'));

  it.concurrent('an output without a name', async () => {
    const data = file('texts.jsonl', '{"text":"who keeps the gecko ?"}\n');
    await refused(['convert', '--model', shippedModel, '--out', ''], 2, '--out is empty');
    await refused(['sft', '--data', data, '--out', ''], 2, '--out is empty');
  });

  it.concurrent('a size of memory that is none', () => refused(['doctor', '--memory', 'much'], 2, 'Cannot plan for --memory "much"', '12GiB'));

  it.concurrent('a run where something is', async () => {
    await refused(['run', '--out', base], 2, `Cannot start a run in ${base}`, 'Choose another directory');
    await refused(['run', '--out', file('a-file', 'mine')], 2, 'it is a file');
  });

  it.concurrent('a directory that another process trains in', async () => {
    mkdirSync(at('held'));
    const { release } = takeLock(at('held'));
    await refused(['pretrain', '--out', at('held')], 2, at('held'), `it is held by process ${process.pid}`);
    release();
    expect(readdirSync(at('held'))).toEqual([]);
  });

  it.concurrent('an adapter directory that is in use', async () => {
    mkdirSync(at('taken'));
    writeFileSync(join(at('taken'), 'thesis.txt'), 'mine');
    const path = file('fine.json', passages());
    await refused(['adapt', '--passages', path, '--out', at('taken')], 2, at('taken'), 'it is not empty; choose another directory');
    expect(readFileSync(join(at('taken'), 'thesis.txt'), 'utf8')).toBe('mine');
  });
});

describe('data, exit code 3', () => {
  it.concurrent.each<[string, unknown, string[]]>([
    ['that are not JSON', '{"title"', ['not JSON', 'save it as JSON in UTF-8']],
    ['without questions', passages({ questions: [] }), ['item 0, questions must be non-empty']],
    ['with an empty text', passages({ context: '  ' }), ['item 0, context must be a text that is not empty']],
    ['with a word outside the vocabulary', passages({ context: 'dalric holby : he keeps a zebu .' }), ['item 0, context: word 7, "zebu", is outside the tiny vocabulary']],
  ])('passages %s', async (name, content, texts) => {
    const path = file(`passages ${name}.json`, content);
    await refused(['eval', '--passages', path], 3, path, ...texts);
  });

  it.concurrent('passages that are not there, or are a directory', async () => {
    await refused(['eval', '--passages', at('none.json')], 3, at('none.json'), 'there is no such file');
    await refused(['adapt', '--passages', base, '--out', at('never')], 3, base, 'it is a directory, not a file');
  });

  it.concurrent('a question with an unknown word, or without words', async () => {
    await refused(['ask', 'who keeps the zebu ?'], 3, '"zebu", word 4, is not in the vocabulary', 'words lists it');
    await refused(['ask', ' '], 3, 'Cannot ask nothing');
  });

  it.concurrent('texts that are not UTF-8, by line', async () => {
    const path = at('latin1.txt');
    writeFileSync(path, Buffer.from('who keeps the gecko ?\nd\xe9j\xe0 vu\n', 'latin1'));
    for (const command of ['score', 'tokenize']) await refused([command, '--input', path], 3, path, 'line 2 is not UTF-8');
  });

  it.concurrent('an adapter that is not there', async () => {
    const path = file('asked.json', passages());
    for (const args of [['ask', 'who keeps the gecko ?'], ['eval', '--passages', path], ['generate', '--prompt', 'who'], ['score', '--input', path]]) {
      await refused([...args, '--adapter', at('no-adapter')], 3, join(at('no-adapter'), 'adapter_config.json'), 'is missing');
    }
  });

  it.concurrent('a directory that holds no run', async () => {
    await refused(['adapt', '--passages', file('learnt.json', passages()), '--out', at('never'), '--policy', base], 3, base, 'there is no run.json in it');
    await refused(['run', '--resume', base], 3, base, 'there is no run.json in it');
    await refused(['report', at('nowhere')], 3, at('nowhere'), 'there is no run.json in it');
  });

  it.concurrent('a run that is not finished has no report', async () => {
    createRun(at('begun'), header).close();
    await refused(['report', at('begun')], 3, 'the run is not finished', `run --resume ${at('begun')}`);
  });

  it.concurrent('a run whose records are damaged, by file and line', async () => {
    const dir = at('damaged');
    createRun(dir, header).close();
    const event = '{"details":null,"message":"m","time":"2026-01-01T00:00:00.000Z","type":"t"}';
    writeFileSync(join(dir, 'events.jsonl'), `${event}\n${event.slice(0, 30)}\n${event}\n`);
    await refused(['run', '--resume', dir], 3, `${join(dir, 'events.jsonl')}, line 2`, 'Restore the file');
    writeFileSync(join(dir, 'events.jsonl'), `${event}\n${event.replace('"m"', '3')}\n`);
    await refused(['run', '--resume', dir], 3, `${join(dir, 'events.jsonl')}, line 2`, 'message must be a string');
    writeFileSync(join(dir, 'run.json'), '{');
    await refused(['run', '--resume', dir], 3, join(dir, 'run.json'), 'it is not JSON');
  });
});

it.concurrent('a Python that is not there, exit code 4', () =>
  refused(['bench', 'round', '--peers', '--python', at('no-python')], 4, 'Cannot run PyTorch and PEFT', 'name it with --python'),
);

describe('no usable model, exit code 4', () => {
  const model = (name: string) => {
    cpSync(shippedModel, at(name), { recursive: true });
    return at(name);
  };
  const ask = (directory: string, ...texts: string[]) => refused(['ask', 'who keeps the gecko ?', '--model', directory], 4, directory, ...texts);

  it.concurrent('that is not there', () => ask(at('nothing'), 'Cannot find a model', 'there is no such directory'));
  it.concurrent('that is a file, or nothing', async () => {
    await ask(file('model.bin', 'weights'), 'it is not a directory');
    await refused(['ask', 'who keeps the gecko ?', '--model', ''], 4, 'give a directory or a hub name');
  });
  it.concurrent('whose configuration is a directory', async () => {
    const dir = model('folder');
    rmSync(join(dir, 'config.json'));
    mkdirSync(join(dir, 'config.json'));
    await ask(dir, 'config.json: it is a directory, not a file');
  });
  it.concurrent('that was never pulled', async () => {
    const texts = ['Cannot find a model nobody/none', 'seal -- pull nobody/none loads it'];
    await ask('nobody/none', ...texts);
    await refused(['tune', '--model', 'nobody/none'], 4, ...texts);
  });

  it.concurrent('whose weights are missing, cut off or lie', async () => {
    const dir = model('cut');
    const weights = join(dir, 'model.safetensors');
    truncateSync(weights, 100_000);
    await ask(dir, weights, 'is the file cut off?');
    rmSync(weights);
    await ask(dir, weights, 'there is no such file');
  });

  it.concurrent('whose configuration and weights disagree', async () => {
    const dir = model('other');
    const config = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8')) as Record<string, unknown>;
    const write = (change: object) => writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...config, ...change }));
    write({ num_hidden_layers: Number(config['num_hidden_layers']) + 1 });
    await ask(dir, 'is missing, config.json asks for it');
    write({ num_hidden_layers: 1 });
    await ask(dir, 'belongs to no part that config.json asks for');
    write({ model_type: 'mamba' });
    await ask(dir, 'model_type is "mamba", supported is "llama"');
  });
});

it.concurrent('help and version are no errors', async () => {
  const help = await seal(['run', '--help']);
  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toContain('--max-time');
  expect(await seal(['--version'])).toMatchObject({ code: 0, stderr: '' });
});

it.concurrent('words prints its vocabulary as one document', async () => {
  const ended = await seal(['words', '--json']);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.stringify(JSON.parse(ended.stdout))).toContain('gecko');
});

it('refuses an output where no directory can be made, at once', async () => {
  const place = process.platform === 'linux' ? '/proc/nothing/model' : '/dev/null/model';
  const refused = await seal(['convert', '--model', shippedModel, '--out', place]);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toMatch(/^seal: Cannot write [^\n]+: [^\n]+$/);
});

it.runIf(existsSync('/dev/full'))('says that its document could not be written, exit code 75', () => {
  const ended = spawnSync(process.execPath, ['apps/cli/src/main.ts', 'words'], { stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'], encoding: 'utf8' });
  expect(ended).toMatchObject({ status: 75, stderr: expect.stringMatching(/^seal: Cannot write to stdout: [^\n]+$/m) as string });
});
