import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ModelConfig } from './config.ts';
import { readStopTokens } from './stop-tokens.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-stop-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const config = { vocabSize: 100, eosTokenIds: [7] } as unknown as ModelConfig;
const read = (content: unknown, own = config) => {
  writeFileSync(join(base, 'generation_config.json'), JSON.stringify(content));
  return readStopTokens(base, own);
};

describe('readStopTokens', () => {
  it('is what config.json says where there is nothing else', async () => {
    expect(await readStopTokens(join(base, 'none'), config)).toEqual([7]);
    expect(await read({ bos_token_id: 3, temperature: 0.7 })).toEqual([7]);
    expect(await read({ eos_token_id: null })).toEqual([7]);
  });

  it('adds what generation_config.json names, once', async () => {
    expect(await read({ eos_token_id: 9 })).toEqual([7, 9]);
    expect(await read({ eos_token_id: [9, 7, 8] })).toEqual([7, 9, 8]);
    expect(await read({ eos_token_id: 9 }, { ...config, eosTokenIds: [] })).toEqual([9]);
  });

  it('refuses what is no token of the model, naming the file', async () => {
    await expect(read({ eos_token_id: 100 })).rejects.toThrow(/Cannot use .*generation_config\.json: eos_token_id is 100, the model has 100 tokens/);
    await expect(read({ eos_token_id: 'end' })).rejects.toThrow(SyntaxError);
  });
});
