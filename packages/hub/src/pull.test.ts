/** Pulling against a mock hub: what is taken, how cuts and refusals end, what the cache looks like. */

import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { COMMIT, MockHub, noise, oidOf, refuse, tinyRepository } from './fixture.ts';
import { HubError, pull, resolveModel, type PullOptions, type PullProgress } from './index.ts';

const TOKEN = 'hf_secret';
let cacheDirectory: string;
let hub: MockHub;

beforeEach(async () => {
  cacheDirectory = mkdtempSync(join(tmpdir(), 'seal-hub-'));
  hub = await new MockHub(tinyRepository()).open();
});
afterEach(async () => {
  await hub.close();
  rmSync(cacheDirectory, { recursive: true });
});

const load = (name = 'org/tiny', options: Partial<PullOptions> = {}) =>
  pull(name, { cacheDirectory, endpoint: hub.endpoint, token: TOKEN, retryDelayMs: 1, idleTimeoutMs: 5_000, ...options });
const repository = () => join(cacheDirectory, 'models--org--tiny');
const blobs = () => (existsSync(join(repository(), 'blobs')) ? readdirSync(join(repository(), 'blobs')).sort() : []);
const weights = () => hub.files['model.safetensors']!;

async function failure(work: Promise<unknown>): Promise<HubError> {
  const error = await work.then(() => null, (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(HubError);
  return error as HubError;
}

/** Cuts the connection to the weights after `at` bytes of an answer, `times` times. */
function cutWeights(at: number, times = Infinity): void {
  let left = times;
  hub.interfere = (request, response, host) => {
    if (host !== 'cdn' || left === 0) return false;
    left -= 1;
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const { content } = weights();
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': content.byteLength - from,
      ...(from > 0 && { 'content-range': `bytes ${from}-${content.byteLength - 1}/${content.byteLength}` }),
    });
    response.write(content.subarray(from, from + at), () => setTimeout(() => response.destroy(), 20));
    return true;
  };
}

describe('a pull', () => {
  it('takes what a model needs into the standard layout', async () => {
    const progress: PullProgress[] = [];
    const pulled = await load('org/tiny', { onProgress: (now) => progress.push(now) });
    const wanted = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];
    expect(pulled).toMatchObject({ name: 'org/tiny', revision: 'main', commit: COMMIT, directory: join(repository(), 'snapshots', COMMIT) });
    expect(pulled.files.map(({ path }) => path).sort()).toEqual(wanted);
    expect(readdirSync(pulled.directory).sort()).toEqual(wanted);
    expect(blobs()).toEqual(wanted.map((path) => oidOf(hub.files[path]!)).sort());
    for (const path of wanted) {
      const { content } = hub.files[path]!;
      expect(readlinkSync(join(pulled.directory, path))).toBe(`../../blobs/${oidOf(hub.files[path]!)}`);
      expect(readFileSync(join(pulled.directory, path)).equals(content)).toBe(true);
    }
    expect(readFileSync(join(repository(), 'refs/main'), 'utf8')).toBe(COMMIT);
    const total = wanted.reduce((sum, path) => sum + hub.files[path]!.content.byteLength, 0);
    expect(pulled.receivedBytes).toBe(total);
    expect(progress.at(-1)).toMatchObject({ byteLength: total, totalBytes: total });
    expect(progress.every(({ byteLength }, i) => i === 0 || byteLength >= progress[i - 1]!.byteLength)).toBe(true);
    expect(await resolveModel('org/tiny', { cacheDirectory })).toBe(pulled.directory);
  });

  it('sends the token to the hub and to no other host', async () => {
    await load();
    const asked = (host: string) => hub.seen.filter((request) => request.host === host).map(({ authorization }) => authorization);
    expect(new Set(asked('hub'))).toEqual(new Set([`Bearer ${TOKEN}`]));
    expect(new Set(asked('cdn'))).toEqual(new Set([undefined]));
  });

  it('sends no token to where a next page or a redirect of the listing leads', async () => {
    hub.interfere = (request, response, host) => {
      if (host === 'hub' && request.url?.includes('cursor=3')) {
        response.writeHead(307, { location: `${hub.cdn}/elsewhere` });
        response.end();
        return true;
      }
      if (request.url !== '/elsewhere') return false;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end('[]');
      return true;
    };
    await failure(load());
    expect(hub.seen.find(({ url }) => url === '/elsewhere')).toMatchObject({ host: 'cdn', authorization: undefined });
  });

  it('loads nothing twice', async () => {
    await load();
    hub.seen.length = 0;
    const again = await load();
    expect(again.receivedBytes).toBe(0);
    expect(again.files.every(({ status }) => status === 'cached')).toBe(true);
    expect(hub.seen.filter(({ url }) => url.includes('/resolve/'))).toEqual([]);
  });

  it('takes shards by their index, and a whole file before shards', async () => {
    const shard = (seed: number) => ({ content: noise(5_000, seed), lfs: true });
    const index = { weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors', c: 'model-00001-of-00002.safetensors' } };
    const whole = weights();
    delete hub.files['model.safetensors'];
    hub.files = {
      ...hub.files,
      'model-00001-of-00002.safetensors': shard(3),
      'model-00002-of-00002.safetensors': shard(4),
      'consolidated.safetensors': shard(5),
      'model.safetensors.index.json': { content: new TextEncoder().encode(JSON.stringify(index)) },
    };
    const names = (await load()).files.map(({ path }) => path);
    expect(names.filter((path) => path.includes('safetensors')).sort()).toEqual([
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
    ]);
    hub.files['model.safetensors'] = whole;
    hub.revisions['main'] = COMMIT.replaceAll('0', '9');
    const later = (await load()).files.map(({ path }) => path);
    expect(later.filter((path) => path.includes('safetensors'))).toEqual(['model.safetensors']);
  });

  it('takes a GGUF file alone, all of its parts, and nothing that is not asked for', async () => {
    const gguf = (seed: number) => ({ content: noise(1_000, seed), lfs: true });
    hub.files = {
      'README.md': { content: noise(10) },
      'tiny-Q4_K_M.gguf': gguf(1),
      'tiny-IQ4_XS.gguf': gguf(2),
      'tiny-Q8_0-00001-of-00002.gguf': gguf(3),
      'tiny-Q8_0-00002-of-00002.gguf': gguf(4),
      'other-Q4_K_M.gguf': gguf(5),
    };
    const paths = async (name: string) => (await load(name)).files.map(({ path }) => path).toSorted();
    expect(await paths('org/tiny:iq4_xs')).toEqual(['tiny-IQ4_XS.gguf']);
    expect(await paths('org/tiny:Q8_0')).toEqual(['tiny-Q8_0-00001-of-00002.gguf', 'tiny-Q8_0-00002-of-00002.gguf']);
    expect(await paths('org/tiny/tiny-Q4_K_M.gguf')).toEqual(['tiny-Q4_K_M.gguf']);
    await expect(load('org/tiny:Q4_K_M')).rejects.toThrow(
      'Cannot pull org/tiny: it has 2 GGUF files of Q4_K_M; choose one of other-Q4_K_M.gguf, tiny-Q4_K_M.gguf',
    );
    await expect(load('org/tiny:K_M')).rejects.toThrow('it has 2 GGUF files of K_M');
    await expect(load('org/tiny:M')).rejects.toThrow('2 GGUF files of M');
    await expect(load('org/tiny:Q5_0')).rejects.toThrow('it has no GGUF file of Q5_0; choose one of other-Q4_K_M.gguf, tiny-IQ4_XS.gguf');
    await expect(load('org/tiny:../x')).rejects.toThrow('as a GGUF file of org/tiny');
  });

  it('takes an adapter of PEFT', async () => {
    hub.files = {
      'adapter_config.json': { content: new TextEncoder().encode('{"peft_type":"LORA"}') },
      'adapter_model.safetensors': { content: noise(2_000), lfs: true },
      'training_args.bin': { content: noise(50), lfs: true },
    };
    const { files } = await load();
    expect(files.map(({ path }) => path).sort()).toEqual(['adapter_config.json', 'adapter_model.safetensors']);
    expect(await resolveModel('org/tiny', { cacheDirectory })).toContain('snapshots');
  });

  it.each([
    [['pytorch_model.bin', 'config.json'], /pickle files \(pytorch_model\.bin\).*safetensors/],
    [['adapter_config.json', 'adapter_model.bin'], /pickle files \(adapter_model\.bin\)/],
    [['config.json', 'model-q4.gguf'], /its weights are GGUF files; choose one, as org\/tiny:Q4_K_M, of model-q4\.gguf$/],
    [['README.md'], /is it a model/],
    [['model.safetensors'], /no config\.json/],
  ])('refuses %s by name', async (names, message) => {
    hub.files = Object.fromEntries(names.map((name) => [name, { content: noise(100), lfs: true }]));
    const error = await failure(load());
    expect(error).toMatchObject({ problem: 'unusable', message: expect.stringMatching(message) as string });
    expect(hub.seen.filter(({ url }) => url.includes('/resolve/'))).toEqual([]);
  });

  it('goes by branch, tag and commit', async () => {
    const older = 'f'.repeat(40);
    hub.revisions = { main: COMMIT, 'v1.0': older, 'refs/pr/7': older, [older]: older };
    expect((await load('org/tiny@v1.0')).commit).toBe(older);
    expect((await load('org/tiny@refs/pr/7')).commit).toBe(older);
    expect((await load(`org/tiny@${older}`)).commit).toBe(older);
    expect(readFileSync(join(repository(), 'refs/refs/pr/7'), 'utf8')).toBe(older);
    expect(existsSync(join(repository(), 'refs', older))).toBe(false);
    const inOlder = join(repository(), 'snapshots', older);
    for (const name of ['org/tiny@v1.0', 'org/tiny@refs/pr/7', `org/tiny@${older}`]) expect(await resolveModel(name, { cacheDirectory })).toBe(inOlder);
    expect(await failure(resolveModel('org/tiny', { cacheDirectory }))).toMatchObject({ verb: ['pull', 'org/tiny'] });
  });
});

describe('a cut', () => {
  it('is followed by a range request within the same pull', async () => {
    cutWeights(100_000, 2);
    await load();
    const requests = hub.downloads('model.safetensors').filter(({ host }) => host === 'cdn');
    expect(requests.map(({ range }) => range)).toEqual([undefined, 'bytes=100000-', 'bytes=200000-']);
  });

  it('leaves what came for the next pull, and the ref untouched', async () => {
    cutWeights(20_000);
    const error = await failure(load());
    expect(error).toMatchObject({ problem: 'network', message: expect.stringContaining('100000 of 300000 bytes are kept') as string });
    expect(blobs().filter((name) => name.endsWith('.incomplete'))).toHaveLength(1);
    expect(existsSync(join(repository(), 'refs/main'))).toBe(false);
    hub.interfere = () => false;
    hub.seen.length = 0;
    const { files, receivedBytes } = await load();
    expect(files.find(({ path }) => path === 'model.safetensors')?.status).toBe('resumed');
    expect(receivedBytes).toBe(200_000);
    expect(hub.downloads('model.safetensors').at(-1)?.range).toBe('bytes=100000-');
    expect(blobs().filter((name) => name.endsWith('.incomplete'))).toEqual([]);
  });

  it('by the caller keeps what came', async () => {
    const stopping = new AbortController();
    hub.interfere = (_, response, host) => {
      if (host !== 'cdn') return false;
      response.writeHead(200, { 'content-length': 300_000 });
      response.write(weights().content.subarray(0, 50_000));
      return true;
    };
    const onProgress = ({ file, byteLength }: PullProgress) => {
      if (file === 'model.safetensors' && byteLength > 50_000) stopping.abort(new Error('enough'));
    };
    await expect(load('org/tiny', { signal: stopping.signal, onProgress })).rejects.toThrow('enough');
    hub.interfere = () => false;
    expect((await load()).receivedBytes).toBe(250_000);
  });

  it('starts over where the server ignores ranges', async () => {
    cutWeights(20_000);
    await failure(load());
    hub.interfere = () => false;
    hub.ignoresRange = true;
    const { files, directory, receivedBytes } = await load();
    expect(receivedBytes).toBe(300_000);
    expect(files.find(({ path }) => path === 'model.safetensors')?.status).toBe('loaded');
    expect(readFileSync(join(directory, 'model.safetensors')).equals(weights().content)).toBe(true);
  });

  it('of a server that ignores ranges and is cut again and again ends', async () => {
    const big = noise(3 * 2 ** 20, 5);
    hub.files['model.safetensors'] = { content: big, lfs: true };
    let requests = 0;
    hub.interfere = (_, response, host) => {
      if (host !== 'cdn') return false;
      requests += 1;
      // It gives way in the end, so that a client which asks for ever is told by its requests.
      if (requests > 20) return false;
      response.writeHead(200, { 'content-length': big.byteLength });
      response.write(big.subarray(0, 2 ** 21), () => setTimeout(() => response.destroy(), 20));
      return true;
    };
    expect((await failure(load())).problem).toBe('network');
    // The first came 2 MiB far, none after it came farther.
    expect(requests).toBe(6);
  });

  it('starts over where the server refuses the range', async () => {
    cutWeights(20_000);
    await failure(load());
    hub.interfere = (request, response, host) => {
      if (host !== 'cdn' || request.headers.range === undefined) return false;
      refuse(response, 416);
      return true;
    };
    expect((await load()).receivedBytes).toBe(300_000);
  });

  it('does not join bytes of another file: a wrong beginning is noticed and loaded again', async () => {
    mkdirSync(join(repository(), 'blobs'), { recursive: true });
    writeFileSync(join(repository(), 'blobs', `${oidOf(weights())}.free.1.incomplete`), noise(1_000, 77));
    const { directory } = await load();
    expect(hub.downloads('model.safetensors').filter(({ host }) => host === 'cdn').map(({ range }) => range)).toEqual(['bytes=1000-', undefined]);
    expect(readFileSync(join(directory, 'model.safetensors')).equals(weights().content)).toBe(true);
  });

  it('by a silent server ends', async () => {
    hub.interfere = (_, response, host) => {
      if (host !== 'cdn') return false;
      response.writeHead(200, { 'content-length': 300_000 });
      response.write('x');
      return true;
    };
    expect((await failure(load('org/tiny', { idleTimeoutMs: 50 }))).problem).toBe('network');
  });

  it('of a slow server that keeps sending does not', async () => {
    hub.interfere = (_, response, host) => {
      if (host !== 'cdn') return false;
      response.writeHead(200, { 'content-length': 300_000 });
      let at = 0;
      const more = () => {
        response.write(weights().content.subarray(at, (at += 30_000)));
        if (at < 300_000) setTimeout(more, 40);
        else response.end();
      };
      more();
      return true;
    };
    await load('org/tiny', { idleTimeoutMs: 200 });
  });

  it('of one of two pulls at once does the other no harm', async () => {
    cutWeights(100_000, 1);
    const both = await Promise.all([load(), load()]);
    for (const { directory } of both) expect(readFileSync(join(directory, 'model.safetensors')).equals(weights().content)).toBe(true);
    expect(blobs().filter((name) => name.endsWith('.incomplete'))).toEqual([]);
  });

  it('takes over from dead processes, not from live ones', async () => {
    const { hostname } = await import('node:os');
    const host = hostname().replaceAll(/[^A-Za-z0-9-]/g, '-').slice(0, 64);
    const place = (owner: string, byteLength: number) =>
      writeFileSync(join(repository(), 'blobs', `${oidOf(weights())}.${owner}.incomplete`), weights().content.subarray(0, byteLength));
    mkdirSync(join(repository(), 'blobs'), { recursive: true });
    place(`${host}.${process.pid}.aaaaaaaa`, 200_000);
    place('another-machine.4194303.aaaaaaaa', 150_000);
    place(`${host}.4194305.aaaaaaaa`, 100_000);
    await load();
    expect(hub.downloads('model.safetensors').at(-1)?.range).toBe('bytes=100000-');
    expect(blobs().filter((name) => name.endsWith('.incomplete'))).toHaveLength(2);
  });
});

describe('what is damaged', () => {
  it.each([
    ['SHA-256', 'model.safetensors', 'b'.repeat(64)],
    ['git SHA-1', 'config.json', 'b'.repeat(40)],
  ])('is not kept: a wrong %s', async (what, path, listedOid) => {
    hub.files[path] = { ...hub.files[path]!, listedOid };
    const error = await failure(load());
    expect(error).toMatchObject({ problem: 'damaged', message: expect.stringContaining(`${path}: what came is not what the hub lists (its ${what}`) as string });
    expect(blobs().filter((name) => name.startsWith('b'.repeat(40)))).toEqual([]);
    expect(existsSync(join(repository(), 'refs/main'))).toBe(false);
  });

  it.each([1, -1])('is noticed before it is loaded: a size that is off by %s', async (by) => {
    hub.files['model.safetensors'] = { ...weights(), listedSize: 300_000 + by };
    expect((await failure(load())).message).toMatch(/lists \d+ bytes and sends 300000/);
  });

  it('is cut off: a body without end', async () => {
    hub.interfere = (_, response, host) => {
      if (host !== 'cdn') return false;
      response.writeHead(200);
      const more = () => void (response.destroyed || response.write(noise(65_536), () => setImmediate(more)));
      more();
      return true;
    };
    expect((await failure(load())).message).toMatch(/more came than the 300000 bytes/);
  });

  it('is replaced: a blob of another size, a dangling link', async () => {
    const { directory } = await load();
    writeFileSync(join(repository(), 'blobs', oidOf(weights())), 'short');
    rmSync(join(repository(), 'blobs', oidOf(hub.files['config.json']!)));
    expect((await failure(resolveModel('org/tiny', { cacheDirectory }))).message).toMatch(/config\.json is missing or damaged$/);
    await load();
    expect(readFileSync(join(directory, 'model.safetensors')).equals(weights().content)).toBe(true);
    expect(await resolveModel('org/tiny', { cacheDirectory })).toBe(directory);
  });

  it('is refused: a listing that would lead out of the cache', async () => {
    const outside = ['../../../evil.json', '/etc/evil.json', 'a\0b.json', 'sub/../../config.json'];
    for (const path of outside) hub.files[path] = { content: noise(10) };
    const { files } = await load();
    expect(files.map(({ path }) => path).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']);
    expect(readdirSync(cacheDirectory)).toEqual(['models--org--tiny']);
  });

  it.each(['../../evil', '/etc/passwd', 'sub/model.safetensors', 'README.md', 7, 'model\0.safetensors', 'absent.safetensors'])(
    'is refused: an index that names %j',
    async (shard) => {
      delete hub.files['model.safetensors'];
      hub.files['model.safetensors.index.json'] = { content: new TextEncoder().encode(JSON.stringify({ weight_map: { a: shard } })) };
      expect(await failure(load())).toMatchObject({ problem: 'unusable', message: expect.stringContaining('index') as string });
    },
  );

  it.each([
    ['an oid that is a path', [{ type: 'file', path: 'config.json', size: 3, oid: '../../../evil' }]],
    ['a negative size', [{ type: 'file', path: 'config.json', size: -3, oid: 'a'.repeat(40) }]],
    ['no list', { entries: 1 }],
    ['null entries', [null]],
  ])('is refused: a listing with %s', async (_, listing) => {
    hub.interfere = (request, response) => {
      if (!request.url?.includes('/tree/')) return false;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(listing));
      return true;
    };
    expect((await failure(load())).problem).toBe('damaged');
  });

  it('is refused: what is no hub at all', async () => {
    hub.interfere = (_, response) => {
      response.end('<html>');
      return true;
    };
    expect((await failure(load())).message).toMatch(/`endpoint` .* a hub\?/);
  });
});

describe('a refusal', () => {
  const answer = (status: number, code?: string, where: RegExp = /\/api\//) => {
    hub.interfere = (request, response) => {
      if (!where.test(request.url ?? '')) return false;
      refuse(response, status, code);
      return true;
    };
  };

  it.each([
    [401, 'GatedRepo', undefined, 'gated', /gated \(401\); accept its licence on http.*org\/tiny and set `token`/],
    [403, 'GatedRepo', TOKEN, 'gated', /gated \(403\); accept its licence .* use the `token` of the account that did/],
    [401, 'RepoNotFound', undefined, 'gated', /knows no such model or does not show it \(401\).*set `token`/],
    [401, undefined, TOKEN, 'gated', /`token` is not valid/],
    [404, 'RepoNotFound', TOKEN, 'not-found', /has no such model/],
    [404, 'RevisionNotFound', TOKEN, 'not-found', /it has no revision main/],
    [400, undefined, TOKEN, 'damaged', /answered 400/],
  ])('of %s %s is explained', async (status, code, token, problem, message) => {
    answer(status, code);
    const error = await failure(load('org/tiny', { token }));
    expect(error.problem).toBe(problem);
    expect(error.message).toMatch(message);
    expect(hub.seen).toHaveLength(1);
  });

  it('of a gated file is explained though the listing was open', async () => {
    answer(403, 'GatedRepo', /\/resolve\//);
    expect(await failure(load())).toMatchObject({ problem: 'gated' });
  });

  it.each([429, 500, 503])('with %s is tried again, a bounded number of times', async (status) => {
    answer(status);
    const said: string[] = [];
    const error = await failure(load('org/tiny', { onRetry: (line) => said.push(line) }));
    expect(error).toMatchObject({ problem: 'network', message: expect.stringMatching(String(status)) as string });
    expect(hub.seen).toHaveLength(5);
    const { host } = new URL(hub.endpoint);
    expect(said).toEqual([2, 3, 4, 5].map((attempt) => `${host}: it answered with ${status}; attempt ${attempt} of 5 in 1 s`));
  });

  it('that passes is forgotten, after as long as the hub asks for', async () => {
    let left = 1;
    hub.interfere = (_, response) => {
      if (left-- <= 0) return false;
      response.writeHead(429, { 'retry-after': '1' });
      response.end();
      return true;
    };
    const begun = performance.now();
    await load();
    expect(performance.now() - begun).toBeGreaterThan(950);
  });

  it('of an unknown name or revision comes from the hub itself', async () => {
    expect(await failure(load('org/none'))).toMatchObject({ problem: 'not-found' });
    expect((await failure(load('org/tiny@v9'))).message).toMatch(/no revision v9/);
  });

  it('to connect is tried again where somebody answered before', async () => {
    const gone = await new MockHub({}).open();
    await gone.close();
    let left = 2;
    hub.interfere = (request, response, host) => {
      if (host !== 'hub' || !request.url?.endsWith('/model.safetensors') || left === 0) return false;
      left -= 1;
      response.writeHead(302, { location: `${gone.endpoint}/model.safetensors` });
      response.end();
      return true;
    };
    expect((await load()).files).toContainEqual({ path: 'model.safetensors', byteLength: weights().content.byteLength, status: 'loaded' });
    expect(left).toBe(0);
  });

  it('to connect says what to check, at once', async () => {
    const endpoint = hub.endpoint;
    await hub.close();
    // At once: a wait before another attempt would never end.
    const error = await failure(load('org/tiny', { endpoint, retryDelayMs: 1e9 }));
    expect(error).toMatchObject({ problem: 'network', message: expect.stringMatching(/^Cannot reach http:\/\/127\.0\.0\.1:\d+: the connection was refused; check `endpoint` and the connection\./) as string });
  });

  it('to write names the place', async () => {
    writeFileSync(repository(), 'in the way');
    expect(await failure(load())).toMatchObject({ problem: 'storage', message: expect.stringContaining('not a directory') as string });
  });

  it('for want of space comes before the download', async () => {
    hub.files['model.safetensors'] = { ...weights(), listedSize: 9e14 };
    expect(await failure(load())).toMatchObject({ problem: 'disk-full', message: expect.stringMatching(/needs 900000000000000 bytes and .* has \d+ left/) as string });
    expect(hub.downloads('model.safetensors')).toEqual([]);
  });

  it.each(['', 'a b', '../x', 'a/b/c', 'org/ti--ny', '-x/y', 'org/tiny@', 'org/tiny@../main', 'org/tiny@a//b', 'org/tiny@x\0', 'org/tiny@/main'])(
    'of %j as a name comes before any request',
    async (name) => {
      await expect(load(name)).rejects.toThrow(RangeError);
      expect(hub.seen).toEqual([]);
    },
  );

  it.each(['huggingface.co', 'file:///tmp', ''])('of %j as an endpoint says what one is', async (endpoint) => {
    await expect(load('org/tiny', { endpoint })).rejects.toThrow(/`endpoint` is an address/);
  });
});

it('leaves links in a snapshot, not copies', async () => {
  const { directory } = await load();
  expect(readdirSync(directory).every((name) => lstatSync(join(directory, name)).isSymbolicLink())).toBe(true);
});
