/** Finding models in a cache that others write and that may be damaged. */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { linkBlob } from './cache.ts';
import { COMMIT, noise } from './fixture.ts';
import { HubError, resolveModel } from './index.ts';

let cacheDirectory: string;
beforeEach(() => {
  cacheDirectory = mkdtempSync(join(tmpdir(), 'seal-cache-'));
});
afterEach(() => rmSync(cacheDirectory, { recursive: true }));

const folder = () => join(cacheDirectory, 'models--org--tiny');
const snapshot = () => join(folder(), 'snapshots', COMMIT);
const put = (path: string, content: string | Uint8Array) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
};
const resolve = (name = 'org/tiny') => resolveModel(name, { cacheDirectory });

/** A snapshot with plain files, as on a file system without links. */
function whole(): void {
  put(join(folder(), 'refs/main'), COMMIT);
  for (const name of ['config.json', 'model.safetensors']) put(join(snapshot(), name), '{}');
}

describe('resolveModel', () => {
  it('gives a directory as it is', async () => {
    expect(await resolve(cacheDirectory)).toBe(cacheDirectory);
  });

  it('finds a snapshot by ref and by commit', async () => {
    whole();
    put(join(folder(), 'refs/v1/x'), `${COMMIT}\n`);
    for (const name of ['org/tiny', `org/tiny@${COMMIT}`, 'org/tiny@v1/x']) expect(await resolve(name)).toBe(snapshot());
  });

  it('finds a model without an organisation', async () => {
    put(join(cacheDirectory, 'models--gpt/refs/main'), COMMIT);
    await expect(resolve('gpt')).rejects.toMatchObject({ verb: ['pull', 'gpt'] });
  });

  it.each(['./absent', '/absent/model', 'a b', 'a\0b', 'org/tiny@../../x'])('says that %j is neither directory nor name', async (name) => {
    await expect(resolve(name)).rejects.toThrow(HubError);
    await expect(resolve(name)).rejects.toThrow(/no (such )?directory/);
  });

  it.each(['org/tiny', 'org/tiny@v2'])('says how to pull %s', async (name) => {
    const message = `Cannot find a model ${name}: there is no such directory, and it is not in ${cacheDirectory}`;
    await expect(resolve(name)).rejects.toMatchObject({ message, verb: ['pull', name] });
  });

  it.each(['', 'main', '../../../etc', 'g'.repeat(40), `${COMMIT}${COMMIT}`, 'x'.repeat(100_000), '\0'.repeat(40), noise(40)])(
    'refuses a ref that holds garbage (%#)',
    async (content) => {
      whole();
      put(join(folder(), 'refs/main'), content);
      await expect(resolve()).rejects.toMatchObject({ message: expect.stringMatching(/holds no commit; delete it$/) as string, verb: ['pull', 'org/tiny'] });
    },
  );

  it('finds a GGUF file by its path, its name and its end', async () => {
    put(join(folder(), 'refs/main'), COMMIT);
    const file = join(snapshot(), 'tiny-Q4_K_M.gguf');
    put(file, 'GGUF');
    for (const name of [file, 'org/tiny:Q4_K_M', 'org/tiny:q4_k_m', 'org/tiny/tiny-Q4_K_M.gguf', 'org/tiny:Q4_K_M@main']) expect(await resolve(name)).toBe(file);
    await expect(resolve('org/tiny')).rejects.toThrow('there are GGUF files of it alone; choose one, as org/tiny/tiny-Q4_K_M.gguf');
    await expect(resolve('org/tiny:Q8_0')).rejects.toMatchObject({
      message: 'Cannot use org/tiny from the cache: it has no GGUF file of Q8_0; choose one of tiny-Q4_K_M.gguf',
      verb: ['pull', 'org/tiny:Q8_0'],
    });
    await expect(resolve('org/other:Q8_0')).rejects.toMatchObject({ verb: ['pull', 'org/other:Q8_0'] });
    await expect(resolve('/absent/tiny.gguf')).rejects.toThrow('there is no such file');
  });

  it('finds the first part of a GGUF file where all are there', async () => {
    put(join(folder(), 'refs/main'), COMMIT);
    const part = (i: number) => join(snapshot(), `tiny-Q8_0-0000${i}-of-00002.gguf`);
    put(part(1), 'GGUF');
    await expect(resolve('org/tiny:Q8_0')).rejects.toThrow('it has 1 of the 2 parts of Q8_0');
    put(part(2), 'GGUF');
    expect(await resolve('org/tiny:Q8_0')).toBe(part(1));
  });

  it('names what a snapshot lacks', async () => {
    whole();
    rmSync(join(snapshot(), 'model.safetensors'));
    await expect(resolve()).rejects.toMatchObject({ message: expect.stringMatching(/model\.safetensors is missing or damaged$/) as string, verb: ['pull', 'org/tiny'] });
    symlinkSync('../../blobs/absent', join(snapshot(), 'model.safetensors'));
    await expect(resolve()).rejects.toThrow(/model\.safetensors is missing/);
    rmSync(join(snapshot(), 'model.safetensors'));
    mkdirSync(join(snapshot(), 'model.safetensors'));
    await expect(resolve()).rejects.toThrow(/model\.safetensors is missing/);
    symlinkSync('adapter_config.json', join(snapshot(), 'adapter_config.json'));
    await expect(resolve()).rejects.toThrow(/adapter_config\.json is missing/);
  });

  it('names the shard that is missing, and an index that is none', async () => {
    whole();
    rmSync(join(snapshot(), 'model.safetensors'));
    const index = join(snapshot(), 'model.safetensors.index.json');
    put(index, JSON.stringify({ weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' } }));
    put(join(snapshot(), 'model-00001-of-00002.safetensors'), 'x');
    await expect(resolve()).rejects.toThrow(/model-00002-of-00002\.safetensors is missing/);
    put(join(snapshot(), 'model-00002-of-00002.safetensors'), 'x');
    expect(await resolve()).toBe(snapshot());
    for (const garbage of ['', '{', '[]', 'null', '{"weight_map":[]}', '{"weight_map":{}}', '{"weight_map":{"a":"../../x"}}', '{"weight_map":{"a":1}}']) {
      put(index, garbage);
      await expect(resolve()).rejects.toThrow(/index\.json is missing or damaged/);
    }
  });

  it('refuses a snapshot that is a file and a ref that is a directory', async () => {
    put(join(folder(), 'refs/main'), COMMIT);
    put(snapshot(), 'a file');
    await expect(resolve()).rejects.toMatchObject({ verb: ['pull', 'org/tiny'] });
    rmSync(join(folder(), 'refs/main'));
    mkdirSync(join(folder(), 'refs/main'));
    await expect(resolve()).rejects.toMatchObject({ verb: ['pull', 'org/tiny'] });
  });
});

it('puts the file itself into the snapshot where there are no links', () => {
  const blob = join(folder(), 'blobs/abc');
  put(blob, 'content');
  const refusing = () => {
    throw Object.assign(new Error('no links here'), { code: 'EPERM' });
  };
  linkBlob(blob, join(snapshot(), 'config.json'), refusing);
  expect(readFileSync(join(snapshot(), 'config.json'), 'utf8')).toBe('content');
  expect(existsSync(blob)).toBe(false);
});
