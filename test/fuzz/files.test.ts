/**
 * Ten thousand damaged files of a model and an adapter: each is refused by a message that names the file, or loads as
 * what it says. Damaged tokenizers are in packages/model.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stream } from '@seal/files';
import {
  adapterFiles,
  checkpointFiles,
  configFile,
  hostWeights,
  initialAdapter,
  initialWeights,
  loraLayout,
  parseConfig,
  parseSafetensors,
  PROJECTIONS,
  readAdapter,
  readCheckpoint,
  writeSafetensors,
} from '@seal/model';
import { mutateBytes, mutateJson } from './mutations.ts';
import { tryReading, type Outcomes } from './outcome.ts';

const COUNTS = { headers: 3_000, headerJson: 1_500, configs: 3_000, indexes: 1_000, adapters: 2_000 };
const MEGABYTE = 1024 * 1024;

const families = [
  { model_type: 'llama', rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 } },
  { model_type: 'qwen2', use_sliding_window: true, sliding_window: 4, max_window_layers: 1 },
  { model_type: 'qwen3', head_dim: 8, attention_bias: true },
].map((own) => ({
  vocab_size: 24,
  hidden_size: 16,
  intermediate_size: 20,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-6,
  rope_theta: 10_000,
  tie_word_embeddings: true,
  hidden_act: 'silu',
  bos_token_id: 1,
  eos_token_id: [2, 3],
  torch_dtype: 'float32',
  ...own,
}));
const config = parseConfig({ ...families[0], rope_scaling: null }, 'the model');
const random = stream(0, 'weights');
const weights = initialWeights(config, () => random.normal());
const model = checkpointFiles(config, weights);
const lora = { rank: 2, alpha: 4, targets: PROJECTIONS };
const layout = loraLayout(config, lora);
const adapter = adapterFiles(layout, lora, initialAdapter(layout, 2, () => random.next()), 'the model');

const base = mkdtempSync(join(tmpdir(), 'seal-fuzz-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** Bytes that a process holds outside of the heap's spare room. */
function heldBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Runs `cases` readings; most must be refused, and nothing may hold much more memory than the files are long. */
async function fuzz(name: string, cases: number, one: (index: number, outcomes: Outcomes) => Promise<void>): Promise<Outcomes> {
  const outcomes: Outcomes = { loaded: 0, refused: 0 };
  let most = heldBytes();
  const before = most;
  for (let index = 0; index < cases; index++) {
    await one(index, outcomes);
    most = Math.max(most, heldBytes());
  }
  expect(outcomes.loaded + outcomes.refused, name).toBe(cases);
  expect(outcomes.refused, `${name}: damage is noticed`).toBeGreaterThan(cases / 10);
  // Garbage of many readings may lie about, yet no reading takes what a header of gigabytes claims.
  expect(most - before, `${name}: memory`).toBeLessThan(512 * MEGABYTE);
  return outcomes;
}

/** What a safetensors file says of itself holds for what was read. */
function checkTensors(file: Uint8Array, place: string): void {
  for (const [name, { shape, bytes }] of parseSafetensors(file, place)) {
    const elements = shape.reduce((product, axis) => product * axis, 1);
    expect(bytes.byteLength % Math.max(elements, 1), name).toBe(0);
    expect(bytes.byteOffset - file.byteOffset + bytes.byteLength).toBeLessThanOrEqual(file.byteLength);
  }
}

/** A file with another header before the same data. */
function withHeader(file: Uint8Array, header: unknown): Uint8Array {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const json = new TextEncoder().encode(JSON.stringify(header) ?? 'null');
  const data = file.subarray(8 + length);
  const out = new Uint8Array(8 + json.byteLength + data.byteLength);
  new DataView(out.buffer).setBigUint64(0, BigInt(json.byteLength), true);
  out.set(json, 8);
  out.set(data, 8 + json.byteLength);
  return out;
}

function headerOf(file: Uint8Array): unknown {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  return JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
}

describe('damaged safetensors', () => {
  const small = writeSafetensors([
    ['a', { shape: [2, 3], data: Float32Array.from({ length: 6 }, (_, i) => i) }],
    ['b', { shape: [4], data: Float32Array.of(1, 2, 3, 4) }],
  ]);

  it('changed bytes', async () => {
    await fuzz('bytes', COUNTS.headers, (index, outcomes) => {
      const file = mutateBytes(small, stream(1, 'bytes', index), 200);
      return tryReading(outcomes, 'damaged.safetensors', () => Buffer.from(file).toString('latin1'), () => checkTensors(file, 'damaged.safetensors'));
    });
  });

  it('changed headers that are still JSON', async () => {
    const header = headerOf(small);
    await fuzz('headers', COUNTS.headerJson, (index, outcomes) => {
      const changed = mutateJson(header, stream(1, 'header', index));
      const file = withHeader(small, changed);
      return tryReading(outcomes, 'damaged.safetensors', () => JSON.stringify(changed), () => checkTensors(file, 'damaged.safetensors'));
    });
  });
});

it('damaged configs', async () => {
  await fuzz('configs', COUNTS.configs, (index, outcomes) => {
    const changed = mutateJson(families[index % families.length], stream(1, 'config', index));
    return tryReading(outcomes, 'config.json', () => JSON.stringify(changed), () => {
      const read = parseConfig(changed, 'config.json');
      // What is accepted can be written and read again, to the same model.
      expect(parseConfig(configFile(read), 'config.json')).toEqual(read);
    });
  });
});

describe('damaged directories', () => {
  let directory: string;
  beforeAll(() => {
    directory = join(base, 'model');
    mkdirSync(directory);
    const vocab = Object.fromEntries(Array.from('abcdefghijklmnopqrstuvwx', (letter, id) => [letter, id]));
    const tokenizer = { version: '1.0', added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, model: { type: 'BPE', vocab, merges: [], unk_token: 'a' } };
    writeFileSync(join(directory, 'config.json'), model.config);
    writeFileSync(join(directory, 'tokenizer.json'), JSON.stringify(tokenizer));
  });

  it('indexes of shards, and shards', async () => {
    const tensors = [...parseSafetensors(model.weights, 'x')].map(([name]) => [name, weights.get(name) as Float32Array] as const);
    const shapes = headerOf(model.weights) as Record<string, { shape: number[] }>;
    const half = Math.ceil(tensors.length / 2);
    const shards = [tensors.slice(0, half), tensors.slice(half)].map((own, i) => ({
      name: `model-0000${i + 1}-of-00002.safetensors`,
      bytes: writeSafetensors(own.map(([name, data]) => [name, { shape: shapes[name]!.shape, data }])),
      tensors: own.map(([name]) => name),
    }));
    const index = {
      metadata: { total_size: model.weights.byteLength },
      weight_map: Object.fromEntries(shards.flatMap(({ name, tensors: own }) => own.map((tensor) => [tensor, name]))),
    };
    const write = (name: string, content: string | Uint8Array) => writeFileSync(join(directory, name), content);
    const read = async () => hostWeights(await readCheckpoint(directory));
    for (const { name, bytes } of shards) write(name, bytes);
    write('model.safetensors.index.json', JSON.stringify(index));
    expect(await read()).toEqual(weights);
    await fuzz('indexes', COUNTS.indexes, async (number, outcomes) => {
      const own = stream(1, 'index', number);
      const shard = shards[number % 2]!;
      const [damagedIndex, bytes] = number % 4 === 0 ? [index, mutateBytes(shard.bytes, own, 1_500)] : [mutateJson(index, own), shard.bytes];
      write('model.safetensors.index.json', JSON.stringify(damagedIndex) ?? '');
      write(shard.name, bytes);
      await tryReading(outcomes, directory, () => JSON.stringify(damagedIndex), async () => {
        const loaded = await read();
        expect([...loaded.keys()].toSorted()).toEqual([...weights.keys()].toSorted());
      });
      write(shard.name, shard.bytes);
    });
  });

  it('PEFT adapters', async () => {
    const adapterConfig: unknown = JSON.parse(adapter['adapter_config.json']);
    const file = adapter['adapter_model.safetensors'];
    const header = headerOf(file);
    await fuzz('adapters', COUNTS.adapters, (number, outcomes) => {
      const own = stream(1, 'adapter', number);
      const damagedConfig = number % 2 === 0 ? mutateJson(adapterConfig, own) : adapterConfig;
      const damaged = number % 4 === 1 ? mutateBytes(file, own, 2_000) : number % 4 === 3 ? withHeader(file, mutateJson(header, own)) : file;
      return tryReading(outcomes, 'adapter_', () => JSON.stringify(damagedConfig), () => {
        const json = { json: damagedConfig, place: 'adapter_config.json' };
        const { values, modules } = readAdapter(json, { bytes: damaged, place: 'adapter_model.safetensors' }, config);
        expect(values.every(Number.isFinite)).toBe(true);
        expect(modules.length).toBeGreaterThan(0);
      });
    });
  });
});
