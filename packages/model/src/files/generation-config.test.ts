import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ModelConfig } from '../model-config.ts';
import { generationSettings } from './generation-config.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'seal-generation-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const config = { eosTokenIds: [7] } as unknown as ModelConfig;
const write = (content: unknown) => writeFileSync(join(directory, 'generation_config.json'), typeof content === 'string' ? content : JSON.stringify(content));

it('takes the most likely tokens where nobody says otherwise', () => {
  expect(generationSettings(directory, config, {})).toEqual({
    sampling: { temperature: 0, topP: 1, topK: undefined, minP: 0, repetitionPenalty: 1 },
    maxNewTokens: 256,
    stopTokens: [7],
    fromFile: [],
  });
});

it('draws as the makers do, what was chosen first', () => {
  write({ do_sample: true, temperature: 0.6, top_p: 0.9, top_k: 0, repetition_penalty: 1.1, max_new_tokens: 50, eos_token_id: [1, 2] });
  expect(generationSettings(directory, config, { topP: 0.5, maxNewTokens: 9 })).toEqual({
    sampling: { temperature: 0.6, topP: 0.5, topK: undefined, minP: 0, repetitionPenalty: 1.1 },
    maxNewTokens: 9,
    stopTokens: [1, 2],
    fromFile: ['temperature 0.6', 'repetition-penalty 1.1'],
  });
  const greedy = generationSettings(directory, config, { temperature: 0 });
  expect(greedy.sampling).toMatchObject({ temperature: 0, topP: 1, repetitionPenalty: 1.1 });
});

it('refuses a file that is none', () => {
  write({ temperature: 'hot' });
  expect(() => generationSettings(directory, config, {})).toThrow(/^Cannot use .*generation_config\.json: temperature must be/);
  write('{');
  expect(() => generationSettings(directory, config, {})).toThrow(/it is not JSON/);
});
