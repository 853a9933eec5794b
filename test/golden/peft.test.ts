/** Adapters that PEFT saved: the same modules, the same logits, and every tensor written again as it was. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import {
  adapterFiles,
  LoraPack,
  mergeAdapter,
  Model,
  parseConfig,
  parseSafetensors,
  readAdapter,
  toFloat32,
  type ModelConfig,
  type PeftAdapter,
} from '@seal/model';
import { scoreLogits } from './fixture.ts';

interface Expected {
  readonly config: object;
  readonly tokens: readonly number[];
  readonly baseLogits: readonly number[];
  readonly cases: Readonly<Record<string, { readonly modules: readonly string[]; readonly logits: readonly number[]; readonly merged?: Readonly<Record<string, readonly number[]>> }>>;
}

const directory = fileURLToPath(new URL('peft', import.meta.url));
const expected = JSON.parse(readFileSync(join(directory, 'expected.json'), 'utf8')) as Expected;
const config = parseConfig(expected.config, 'expected.json');
const weights = tensorsOf(join(directory, 'model.safetensors'));
const reference = process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data';

function tensorsOf(path: string): Map<string, Float32Array> {
  return new Map([...parseSafetensors(readFileSync(path), path)].map(([name, tensor]) => [name, toFloat32(tensor, name)]));
}

function adapterIn(folder: string, model: ModelConfig): PeftAdapter {
  const [place, weightsPlace] = ['adapter_config.json', 'adapter_model.safetensors'].map((name) => join(folder, name));
  const json: unknown = JSON.parse(readFileSync(place, 'utf8'));
  return readAdapter({ json, place }, { bytes: readFileSync(weightsPlace), place: weightsPlace }, model);
}

function relativeError(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    difference += (found[i] - wanted[i]) ** 2;
    size += wanted[i] ** 2;
  }
  return Math.sqrt(difference / size);
}

/** The tensors of an adapter's file after it was read and written, against the file itself. */
function expectSameTensors(adapter: PeftAdapter, path: string, rename: (name: string) => string = (name) => name): void {
  const files = adapterFiles(adapter.layout, adapter.lora, adapter.values, adapter.baseModel, adapter.modules);
  const written = parseSafetensors(files['adapter_model.safetensors'], 'written');
  const read = parseSafetensors(readFileSync(path), path);
  expect([...written.keys()].sort()).toEqual([...read.keys()].map(rename).sort());
  for (const [name, tensor] of read) {
    const again = written.get(rename(name))!;
    expect(again.shape).toEqual(tensor.shape);
    const exact = Buffer.from(toFloat32(tensor, name).buffer);
    expect(Buffer.from(toFloat32(again, name).buffer).equals(exact), name).toBe(true);
    if (tensor.dtype === 'F32') expect(Buffer.from(again.bytes).equals(Buffer.from(tensor.bytes)), name).toBe(true);
  }
}

let gpu: Gpu;
let model: Model;
beforeAll(async () => {
  gpu = await openGpu();
  model = new Model(gpu, config);
  model.write(weights);
});
afterAll(() => {
  model.destroy();
  gpu.close();
});

describe.each(Object.entries(expected.cases))('PEFT adapter %s', (name, { modules, logits: wanted, merged }) => {
  const adapter = adapterIn(join(directory, name), config);

  it('adapts the modules that PEFT adapts', () => {
    expect(adapter.modules.map(({ layer, projection }) => `model.layers.${layer}.${projection}`).sort()).toEqual([...modules].sort());
  });

  it('is written again as it was read', () => expectSameTensors(adapter, join(directory, name, 'adapter_model.safetensors')));

  it('gives PEFT’s logits, packed and merged', async () => {
    const pack = new LoraPack(gpu.device, config, adapter.lora, 1);
    pack.write(0, adapter.values);
    const [logits] = await scoreLogits(model, pack, [[{ tokens: expected.tokens }]]);
    pack.destroy();
    expect(relativeError(wanted, expected.baseLogits), 'the adapter changes something').toBeGreaterThan(1e-2);
    expect(relativeError(logits ?? [], wanted)).toBeLessThan(1e-5);
    const whole = mergeAdapter(weights, adapter.layout, adapter.lora, adapter.values);
    model.write(whole);
    const [after] = await scoreLogits(model, null, [[{ tokens: expected.tokens }]]);
    model.write(weights);
    expect(relativeError(after ?? [], wanted)).toBeLessThan(1e-5);
    for (const [tensor, values] of Object.entries(merged ?? {})) {
      // Rounded once to float32.
      expect(relativeError(whole.get(tensor) ?? [], values), tensor).toBeLessThan(6e-8);
    }
  });
});

/** Sizes of the models that the real adapters were made for. */
const sizes = {
  'adapter-qwen2.5-0.5b-muzammel': {
    model_type: 'qwen2', vocab_size: 151_936, hidden_size: 896, intermediate_size: 4_864, num_hidden_layers: 24,
    num_attention_heads: 14, num_key_value_heads: 2, tie_word_embeddings: true,
  },
  'adapter-smollm-timothy': {
    model_type: 'llama', vocab_size: 49_152, hidden_size: 960, intermediate_size: 2_560, num_hidden_layers: 32,
    num_attention_heads: 15, num_key_value_heads: 5, tie_word_embeddings: true,
  },
};

describe('real adapters', () => {
  const absent = !existsSync(join(reference, 'real'));
  const why = absent ? ' (skipped: SEAL_REFERENCE_DATA has no real files)' : '';

  it.skipIf(absent)(`read and write Qwen2.5-0.5B’s, bit by bit${why}`, () => {
    const folder = join(reference, 'real', 'adapter-qwen2.5-0.5b-muzammel');
    const adapter = adapterIn(folder, parseConfig(sizes['adapter-qwen2.5-0.5b-muzammel'], 'Qwen2.5-0.5B'));
    expect(adapter).toMatchObject({ lora: { rank: 8, alpha: 16, targets: ['self_attn.q_proj', 'self_attn.v_proj'] }, notes: [] });
    expect(adapter.baseModel).toBe('Qwen/Qwen2.5-0.5B-Instruct');
    expect(adapter.modules).toHaveLength(48);
    expectSameTensors(adapter, join(folder, 'adapter_model.safetensors'));
  });

  it.skipIf(absent)(`read names that were wrapped twice${why}`, () => {
    const folder = join(reference, 'real', 'adapter-smollm-timothy');
    const adapter = adapterIn(folder, parseConfig(sizes['adapter-smollm-timothy'], 'SmolLM-360M'));
    expect(adapter.notes).toEqual([expect.stringContaining('base_model.model. twice')]);
    expect(adapter.baseModel).toBeNull();
    expect(adapter.values.some((value) => value !== 0)).toBe(true);
    expectSameTensors(adapter, join(folder, 'adapter_model.safetensors'), (name) => name.slice('base_model.model.'.length));
  });

  it.skipIf(absent)(`refuse another model’s by its sizes, and a Git LFS pointer by name${why}`, () => {
    const folder = join(reference, 'real', 'adapter-qwen2.5-0.5b-muzammel');
    expect(() => adapterIn(folder, config)).toThrow(/adapter_model\.safetensors: tensor .*layers\.0\.self_attn\.q_proj\.lora_A\.weight is \(8, 896\), expected \(8, 16\)/);
    expect(() => adapterIn(join(reference, 'real', 'adapter-lfs-pointer-karbolak'), config)).toThrow('it is a Git LFS pointer, not the weights');
  });
});
