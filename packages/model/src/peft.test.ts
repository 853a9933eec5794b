import { describe, expect, it } from 'vitest';
import { smallConfig, uniform } from './fixture.ts';
import { initialAdapter, loraLayout, type LoraConfig } from './lora.ts';
import { PROJECTIONS } from './parameters.ts';
import { adapterConfigFile, adapterFile, parseAdapterConfig, parseAdapterFile } from './peft.ts';
import { parseSafetensors, toFloat32, writeSafetensors, type StoredTensor } from './safetensors.ts';

const lora: LoraConfig = { rank: 3, alpha: 6, targets: ['self_attn.q_proj', 'mlp.down_proj'] };
const layout = loraLayout(smallConfig, lora);
const draw = uniform(5);
const values = initialAdapter(layout, lora.rank, draw);
for (const { out, offsetB } of layout.places) for (let i = 0; i < lora.rank * out; i++) values[offsetB + i] = draw() - 0.5;
const bytes = adapterFile(layout, lora.rank, values);

/** The adapter's file with tensors replaced, added or (null) left out. */
function changed(change: Record<string, { shape: readonly number[]; data: Float32Array } | null>): Uint8Array {
  const tensors = new Map(
    [...parseSafetensors(bytes, 'x')].map(([name, tensor]) => [name, { shape: tensor.shape, data: toFloat32(tensor, name) }]),
  );
  for (const [name, tensor] of Object.entries(change)) {
    if (tensor) tensors.set(name, tensor);
    else tensors.delete(name);
  }
  return writeSafetensors(tensors);
}

const prefix = 'base_model.model.model.layers.0.self_attn.q_proj';

describe('adapterFile', () => {
  it('writes PEFT names and shapes: A (rank, in), B (out, rank)', () => {
    const tensors = parseSafetensors(bytes, 'x');
    expect(tensors.size).toBe(8);
    expect(tensors.get(`${prefix}.lora_A.weight`)?.shape).toEqual([3, 16]);
    expect(tensors.get(`${prefix}.lora_B.weight`)?.shape).toEqual([16, 3]);
    expect(tensors.get('base_model.model.model.layers.1.mlp.down_proj.lora_A.weight')?.shape).toEqual([3, 20]);
    // B lies transposed in memory: row r of rank r.
    const [place] = layout.places;
    const b = toFloat32(tensors.get(`${prefix}.lora_B.weight`) as StoredTensor, 'b');
    expect(b[5 * 3 + 2]).toBe(values[(place?.offsetB ?? 0) + 2 * 16 + 5]);
  });

  it('reads back to the same bits', () => {
    const read = parseAdapterFile(bytes, layout, lora.rank, 'x');
    expect(Buffer.from(read.buffer).equals(Buffer.from(values.buffer))).toBe(true);
    const json: unknown = JSON.parse(JSON.stringify(adapterConfigFile(lora, 'model')));
    expect(parseAdapterConfig(json, 'x')).toEqual(lora);
    const all = { ...lora, targets: PROJECTIONS };
    expect(parseAdapterConfig(adapterConfigFile(all, 'model'), 'x')).toEqual(all);
  });
});

describe('parseAdapterFile', () => {
  it.each<[string, Uint8Array, string]>([
    ['a missing tensor', changed({ [`${prefix}.lora_B.weight`]: null }), `tensor ${prefix}.lora_B.weight is missing`],
    ['an extra tensor', changed({ 'base_model.model.lm_head.lora_A.weight': { shape: [1], data: new Float32Array(1) } }), 'base_model.model.lm_head.lora_A.weight belongs to no target module'],
    ['another rank', changed({ [`${prefix}.lora_A.weight`]: { shape: [4, 16], data: new Float32Array(64) } }), 'is (4, 16), expected (3, 16)'],
    ['a transposed matrix', changed({ [`${prefix}.lora_B.weight`]: { shape: [3, 16], data: new Float32Array(48) } }), 'is (3, 16), expected (16, 3)'],
    ['values that are not finite', changed({ [`${prefix}.lora_A.weight`]: { shape: [3, 16], data: new Float32Array(48).fill(Infinity, 7) } }), 'holds Infinity at element 7'],
    ['a file cut off', bytes.subarray(0, -4), 'is the file cut off?'],
    ['a Git LFS pointer', new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'), 'fetch the file itself with git lfs pull'],
  ])('refuses %s, naming the file', (_, file, message) => {
    const read = () => parseAdapterFile(file, layout, lora.rank, 'dir/adapter_model.safetensors');
    expect(read).toThrow('dir/adapter_model.safetensors: ');
    expect(read).toThrow(message);
  });
});

describe('parseAdapterConfig', () => {
  const good = adapterConfigFile(lora, 'model');

  it('ignores keys that change nothing and knows full module names', () => {
    expect(parseAdapterConfig({ ...good, lora_dropout: 0.05, revision: null, target_modules: ['mlp.down_proj', 'q_proj'] }, 'x')).toEqual(lora);
  });

  it.each<[string, object, string]>([
    ['another method', { peft_type: 'IA3' }, 'peft_type must be "LORA" (was "IA3")'],
    ['rank zero', { r: 0 }, 'r must be at least 1 (was 0)'],
    ['an absurd rank', { r: 1e9 }, 'r must be at most 4096'],
    ['alpha that is a word', { lora_alpha: '16' }, 'lora_alpha must be a number (was a string)'],
    ['no targets', { target_modules: [] }, 'target_modules must be'],
    ['a target that is no linear layer', { target_modules: ['q_proj', 'embed_tokens'] }, 'target module "embed_tokens" is not one of self_attn.q_proj'],
    ['trained biases', { bias: 'all' }, 'bias must be "none" (was "all")'],
    ['rank-stabilised scaling', { use_rslora: true }, 'use_rslora must be false (was true)'],
    ['weight decomposition', { use_dora: true }, 'use_dora must be false'],
  ])('refuses %s', (_, change, message) => {
    expect(() => parseAdapterConfig({ ...good, ...change }, 'dir/adapter_config.json')).toThrow(SyntaxError);
    expect(() => parseAdapterConfig({ ...good, ...change }, 'dir/adapter_config.json')).toThrow(message);
  });
});
