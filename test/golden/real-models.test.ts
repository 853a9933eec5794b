/** Public models that nobody of this project made, against an independent forward pass and against transformers. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { Generator, loadModel, readCheckpoint, readWeights, type WeightFormat } from '@seal/model';
import { logProbability, readJson, readTensors, relativeL2, scoreLogits } from './fixture.ts';

const data = join(process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data', 'real');
const folders = ['mlxd-tiny_qwen3', 'mlxd-tiny_llama3', 'llama-story-hf'];
const absent = folders.map((name) => join(data, name, 'model.safetensors')).find((file) => !existsSync(file));
const because = absent ? `: ${absent} is absent, it is not part of the repository` : '';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

describe.skipIf(absent !== undefined)(`untrained models of another project, bfloat16, unaligned${because}`, () => {
  it.each(['mlxd-tiny_qwen3', 'mlxd-tiny_llama3'])('%s has the logits of transformers', async (name) => {
    const model = await loadModel(gpu, await readWeights(join(data, name)));
    const { tokens } = readJson(new URL('families/real.json', import.meta.url)) as { tokens: number[] };
    const wanted = readTensors(new URL('families/real.safetensors', import.meta.url));
    const [logits] = await scoreLogits(model, null, [[{ tokens }]]);
    expect(relativeL2(logits, wanted.get(name) ?? [])).toBeLessThanOrEqual(1e-5);
    model.destroy();
  });
});

describe.skipIf(absent !== undefined)(`a trained story model that stores its head alone${because}`, () => {
  interface Story {
    readonly prompt: string;
    readonly prompt_ids: number[];
    readonly greedy_ids: number[];
    readonly top5_after_prompt: [token: number, logit: number][];
    readonly sum_logprob_of_greedy_ids_after_first: number;
  }

  it('has the tokens, logits and log-probabilities of an independent float64 forward pass', async () => {
    const directory = join(data, 'llama-story-hf');
    const expected = readJson(pathToFileURL(join(directory, 'EXPECTED.json'))) as Story;
    const { prompt_ids: prompt, greedy_ids: greedy } = expected;
    const checkpoint = await readCheckpoint(directory);
    const model = await loadModel(gpu, checkpoint);

    const generator = new Generator(model, null, { slots: 1, length: 128, prefillTokens: 64 });
    const options = { temperature: 0, topP: 1, maxNewTokens: greedy.length - prompt.length, stopTokens: [] };
    const [[completion]] = await generator.generate([{ prompt, draws: [() => 0] }], options);
    expect([...prompt, ...completion.tokens]).toEqual(greedy);
    generator.destroy();

    const [logits] = await scoreLogits(model, null, [[{ tokens: greedy }]]);
    const V = model.config.vocabSize;
    const row = (t: number) => logits.subarray(t * V, (t + 1) * V);
    const after = row(prompt.length - 1);
    const best = [...after.keys()].toSorted((a, b) => after[b] - after[a]).slice(0, 5);
    expect(best).toEqual(expected.top5_after_prompt.map(([token]) => token));
    for (const [token, logit] of expected.top5_after_prompt) expect(Math.abs(after[token] / logit - 1)).toBeLessThanOrEqual(1e-5);
    const total = greedy.slice(1).reduce((sum, token, t) => sum + logProbability(row(t), token), 0);
    expect(Math.abs(total - expected.sum_logprob_of_greedy_ids_after_first)).toBeLessThanOrEqual(1e-3);
    model.destroy();
  });

  it('has nearly those logits where its weights are packed', async () => {
    const directory = join(data, 'llama-story-hf');
    const { greedy_ids: tokens } = readJson(pathToFileURL(join(directory, 'EXPECTED.json'))) as Story;
    const checkpoint = await readCheckpoint(directory);
    const score = async (weights: WeightFormat) => {
      const model = await loadModel(gpu, checkpoint, { weights });
      const [logits] = await scoreLogits(model, null, [[{ tokens }]]);
      model.destroy();
      return logits;
    };
    const exact = await score('f32');
    const [f16, int8, int4] = [await score('f16'), await score('int8'), await score('int4')].map((logits) => relativeL2(logits, exact));
    expect(f16).toBeLessThanOrEqual(5e-3);
    expect(int8).toBeLessThanOrEqual(0.02);
    expect(int4).toBeLessThanOrEqual(0.2);
  });
});
