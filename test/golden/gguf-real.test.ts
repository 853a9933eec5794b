/**
 * Real GGUF files: logits against a float64 forward pass of what gguf-py dequantises, token ids against the models' own
 * tokenizers and SentencePiece.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openGpu } from '@seal/device';
import { dequantise } from '@seal/gguf';
import { generate } from '@seal/engine/generate';
import { loadModel, readWeights } from '@seal/model';
import { createTokenizer } from '@seal/tokenizer';
import { readTextSide } from '@seal/tokenizer/node';
import { readJson } from './fixture.ts';
import { expectLogits, realModel } from './gguf-logits.ts';

const reference = join(process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data', 'real');
const smollm = realModel('SmolLM2-135M-Instruct.Q4_1.gguf');
const qwen = realModel('Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf');
const gemma = realModel('gemma-3-270m.Q4_K_M.gguf');
const { rows } = readJson(new URL('gguf/gemma-tokens.json', import.meta.url)) as { rows: { text: string; ids: number[] }[] };

describe.skipIf(smollm.because)(`SmolLM2-135M-Instruct as Q4_1${smollm.why}`, () => {
  it('has the logits of a float64 forward pass', async () => {
    const gpu = await openGpu();
    const model = await loadModel(gpu, await readWeights(smollm.path));
    await expectLogits(model, 'gguf/smollm2-logits.json', 1e-5);
    model.destroy();
    gpu.close();
  });

  it('gives rows as blocks and as numbers, those of queries and keys in the order of the checkpoint', async () => {
    const { source } = await readWeights(smollm.path);
    for (const name of ['model.layers.3.self_attn.q_proj.weight', 'model.layers.3.self_attn.k_proj.weight', 'model.layers.3.mlp.down_proj.weight']) {
      const blocks = source.tensors.get(name)?.blocks ?? 'F32';
      const all = await source.readRows(name, 0, 100);
      for (const [first, count] of [[0, 100], [70, 3], [63, 2]] as const) {
        const bytes = (await source.readBlocks?.(name, first, count)) ?? new Uint8Array();
        const columns = all.length / 100;
        expect(dequantise(blocks, bytes), name).toEqual(all.subarray(first * columns, (first + count) * columns));
      }
    }
  });

  it('answers', async () => {
    const messages = [{ role: 'user', content: 'What is the capital of France?' }];
    const deps = { openGpu: () => openGpu(), hub: { cacheDirectory: '/nowhere' }, version: { package: '0' } } as unknown as Parameters<typeof generate>[1];
    const { completions } = await generate({ model: smollm.path, messages, maxTokens: 16 }, deps);
    expect(completions[0]).toMatchObject({ text: 'The capital of France is Paris.', finish: 'stop' });
  });
});

const SPECIALS = ['<|im_start|>user\nHi<|im_end|>\n', '<|endoftext|>a<tool_call> b', ' <|im_end|>'];

describe.each([
  ['SmolLM2', smollm, 'tokenizer-smollm2'],
  ['Qwen2.5', qwen, 'tokenizer-qwen2.5'],
] as const)('the tokenizer of %s', (_, { path, because }, folder) => {
  const place = join(reference, folder, 'tokenizer.json');
  const absent = because ?? (existsSync(place) ? null : `${place} is absent, it is not part of the repository`);
  it.skipIf(absent)(`is that of its tokenizer.json${absent ? `: ${absent}` : ''}`, async () => {
    const { tokenizer } = await readTextSide(path);
    const own = createTokenizer(readJson(pathToFileURL(place)), place);
    for (const text of [...rows.map((row) => row.text), ...SPECIALS]) {
      const ids = own.encode(text);
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
      expect(tokenizer.encodeWithSpecials(text), JSON.stringify(text)).toEqual(own.encodeWithSpecials(text));
      expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(own.decode(ids, { skipSpecialTokens: false }));
      expect(tokenizer.decode(ids)).toBe(own.decode(ids));
    }
  });
});

describe.skipIf(gemma.because)(`the tokenizer of Gemma 3${gemma.why}`, () => {
  it('has the ids of SentencePiece', async () => {
    const { tokenizer } = await readTextSide(gemma.path);
    for (const { text, ids } of rows) {
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
      expect(tokenizer.decode(ids), JSON.stringify(text)).toBe(text.replaceAll('▁', ' '));
    }
    expect(tokenizer.encodeWithSpecials('a')).toEqual([2, ...tokenizer.encode('a')]);
    expect(tokenizer.encode('<start_of_turn>')).toEqual([105]);
  }, 60_000);
});
