/** `seal pull` as users start it, against a mock hub: documents, exit codes, the environment it reads. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { COMMIT, MockHub, refuse, tinyRepository } from '@seal/hub/fixture';
import { seal, shippedModel, type Ended } from './seal.ts';

let home: string;
let hub: MockHub;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'seal-pull-'));
  hub = await new MockHub(tinyRepository()).open();
});
afterEach(async () => {
  await hub.close();
  rmSync(home, { recursive: true });
});

const run = (args: readonly string[], env: NodeJS.ProcessEnv = {}, onStderr?: Parameters<typeof seal>[1]) =>
  seal(args, { env: { HF_ENDPOINT: hub.endpoint, HF_HOME: home, HF_HUB_CACHE: '', HF_TOKEN: '', HF_TOKEN_PATH: '', HF_HUB_OFFLINE: '', ...env }, ...onStderr });
const snapshot = () => join(home, 'hub/models--org--tiny/snapshots', COMMIT);

it('puts a model where HF_HOME says and prints one document', async () => {
  const ended = await run(['pull', 'org/tiny', '--json'], { HF_TOKEN: 'hf_mine' });
  expect(ended).toMatchObject({ code: 0 });
  expect(JSON.parse(ended.stdout)).toMatchObject({ name: 'org/tiny', revision: 'main', commit: COMMIT, directory: snapshot() });
  expect(ended.stderr).toMatch(/MB of 0\.3 MB \| model\.safetensors/);
  expect(readdirSync(snapshot())).toContain('model.safetensors');
  expect(hub.seen[0]?.authorization).toBe('Bearer hf_mine');

  const again = await run(['pull', 'org/tiny']);
  expect(again.stdout).toContain('model.safetensors  0.3 MB  cached');
  expect(again.stdout).toContain(`0.0 MB loaded into ${snapshot()}`);
});

it('takes the token of a login where none is set, and never prints it', async () => {
  hub.interfere = (_, response) => {
    refuse(response, 401, 'GatedRepo');
    return true;
  };
  const sent = async (env: NodeJS.ProcessEnv = {}) => {
    hub.seen.length = 0;
    const { stdout, stderr } = await run(['pull', 'org/tiny'], env);
    expect(stdout + stderr).not.toContain('hf_');
    return hub.seen[0]?.authorization;
  };
  expect(await sent()).toBeUndefined();
  writeFileSync(join(home, 'token'), 'hf_login\n');
  writeFileSync(join(home, 'other'), ' hf_other ');
  writeFileSync(join(home, 'empty'), '\n');
  expect(await sent()).toBe('Bearer hf_login');
  expect(await sent({ HF_TOKEN_PATH: join(home, 'other') })).toBe('Bearer hf_other');
  expect(await sent({ HF_TOKEN_PATH: join(home, 'empty') })).toBeUndefined();
  expect(await sent({ HF_TOKEN_PATH: join(home, 'absent') })).toBeUndefined();
  expect(await sent({ HF_TOKEN: 'hf_set', HF_TOKEN_PATH: join(home, 'other') })).toBe('Bearer hf_set');
  mkdirSync(join(home, '.cache', 'huggingface'), { recursive: true });
  writeFileSync(join(home, '.cache', 'huggingface', 'token'), 'hf_default');
  expect(await sent({ HOME: home, HF_HOME: '', XDG_CACHE_HOME: '' })).toBe('Bearer hf_default');
});

it('is found by name afterwards, without the network, and answers as its directory does', async () => {
  const names = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors'];
  hub.files = Object.fromEntries(names.map((name) => [name, { content: readFileSync(join(shippedModel, name)), lfs: name.endsWith('.safetensors') }]));
  const elsewhere = { HF_HUB_CACHE: join(home, 'elsewhere') };
  await run(['pull', 'org/tiny'], elsewhere);
  hub.seen.length = 0;
  const ask = ['ask', 'who plays the theremin ?', '--preset', 'tiny', '--json'];
  const named = await run([...ask, '--model', 'org/tiny'], { ...elsewhere, HF_HUB_OFFLINE: '1' });
  const shipped = await run(ask);
  expect(named.code).toBe(0);
  expect(JSON.parse(named.stdout)).toEqual(JSON.parse(shipped.stdout));
  const absent = await run([...ask, '--model', 'org/tiny']);
  expect(absent).toMatchObject({ code: 4, stdout: '' });
  expect(absent.stderr).toMatch(/^seal: Cannot find a model org\/tiny: .*; npm run -s seal -- pull org\/tiny loads it$/);
  expect(hub.seen).toEqual([]);
});

it('refuses in one line with the remedy', async () => {
  hub.interfere = (_, response) => {
    refuse(response, 401, 'GatedRepo');
    return true;
  };
  const gated = await run(['pull', 'org/tiny']);
  expect(gated).toMatchObject({ code: 4, stdout: '' });
  expect(gated.stderr).toMatch(/^seal: Cannot pull org\/tiny: it is gated .* set HF_TOKEN$/);
  const offline = await run(['pull', 'org/tiny'], { HF_HUB_OFFLINE: 'yes' });
  expect(offline).toMatchObject({ code: 2, stdout: '' });
  const name = await run(['pull', '../tiny']);
  expect(name).toMatchObject({ code: 2, stdout: '' });
  expect(name.stderr).toContain('write ORGANISATION/NAME');
});

/** A pull that gets a signal when 120,000 of the weights' 300,000 bytes have come and no more follow. */
function stopped(signal: NodeJS.Signals): Promise<Ended> {
  const { content } = hub.files['model.safetensors']!;
  hub.interfere = (_, response, host) => {
    if (host !== 'cdn') return false;
    response.writeHead(200, { 'content-length': content.byteLength });
    response.write(content.subarray(0, 120_000));
    return true;
  };
  return run(['pull', 'org/tiny'], {}, {
    onStderr: (soFar, child) => {
      if (soFar.includes('| model.safetensors')) setTimeout(() => child.kill(signal), 300);
    },
  });
}

async function expectTheRest(): Promise<void> {
  hub.interfere = () => false;
  const after = await run(['pull', 'org/tiny', '--json']);
  expect(JSON.parse(after.stdout)).toMatchObject({ receivedBytes: 180_000 });
}

it('keeps what came when it is interrupted', async () => {
  const ended = await stopped('SIGINT');
  expect(ended).toMatchObject({ code: 75 });
  expect(ended.stderr).toContain('what came is kept. Go on with the same command');
  expect(existsSync(join(home, 'hub/models--org--tiny/refs/main'))).toBe(false);
  await expectTheRest();
});

it('loads the rest after it was killed', async () => {
  const ended = await stopped('SIGKILL');
  expect(ended.signal).toBe('SIGKILL');
  await expectTheRest();
});

it('keeps what fits where a file can grow no more, and goes on once there is room', async ({ skip }) => {
  if (process.platform === 'win32') return skip('the size of files is limited by ulimit');
  const main = fileURLToPath(new URL('../../apps/cli/src/main.ts', import.meta.url));
  const limited = spawn('sh', ['-c', 'ulimit -f 200; exec "$0" "$@"', process.execPath, main, 'pull', 'org/tiny'], {
    env: { ...process.env, HF_ENDPOINT: hub.endpoint, HF_HOME: home, HF_HUB_CACHE: '', HF_TOKEN: '', HF_HUB_OFFLINE: '' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  limited.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(limited, 'close')) as [number];
  expect(code).toBe(75);
  expect(stderr.trim().split('\n').at(-1)).toMatch(/^seal: Cannot write .*: the disk is full; free some space and pull again/);
  const after = await run(['pull', 'org/tiny', '--json']);
  const { receivedBytes } = JSON.parse(after.stdout) as { receivedBytes: number };
  expect(receivedBytes).toBeGreaterThan(0);
  expect(receivedBytes).toBeLessThan(250_000);
});
