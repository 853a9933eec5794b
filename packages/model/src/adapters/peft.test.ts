import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { drawnAdapter, smallConfig, uniform } from '../fixture.ts';
import { readAdapterDirectory } from './adapter-directory.ts';
import { loraLayout, moduleName, type LoraConfig } from './lora.ts';
import { PROJECTIONS } from '../model-config.ts';
import { adapterConfigFile, parseAdapterConfig } from './peft-config.ts';
import { adapterFile, adapterFiles, parseAdapterFile, readAdapter } from './peft.ts';
import { parseSafetensors, toFloat32, writeSafetensors, type StoredTensor } from '../files/safetensors.ts';

const lora: LoraConfig = { rank: 3, alpha: 6, targets: ['self_attn.q_proj', 'mlp.down_proj'] };
const layout = loraLayout(smallConfig, lora);
const draw = uniform(5);
const values = drawnAdapter(layout, draw, 1);
const bytes = adapterFile(layout, lora, values);

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
    expect(parseAdapterConfig(json, 'x', smallConfig)).toMatchObject({ lora, baseModel: 'model', notes: [] });
    const all = { ...lora, rankStabilised: true, targets: PROJECTIONS };
    expect(parseAdapterConfig(adapterConfigFile(all, 'model'), 'x', smallConfig).lora).toEqual(all);
  });
});

it('writes and reads an adapter of some layers: its modules by their whole names, everything else zero', () => {
  const upper: LoraConfig = { ...lora, layers: [1] };
  const own = loraLayout(smallConfig, upper);
  const drawn = drawnAdapter(own, uniform(6), 1);
  const files = adapterFiles(own, upper, drawn, 'model');
  const json = JSON.parse(files['adapter_config.json']) as object;
  expect(json).toMatchObject({ target_modules: ['model.layers.1.self_attn.q_proj', 'model.layers.1.mlp.down_proj'] });
  expect([...parseSafetensors(files['adapter_model.safetensors'], 'x').keys()].every((name) => name.includes('.layers.1.'))).toBe(true);
  expect(parseAdapterFile(files['adapter_model.safetensors'], own, upper.rank, 'x')).toEqual(drawn);
  const read = readAdapter({ json, place: 'c' }, { bytes: files['adapter_model.safetensors'], place: 'w' }, smallConfig);
  expect(read).toMatchObject({ lora, notes: [], modules: own.places.map(({ layer, projection }) => ({ layer, projection })) });
  // Both layers are of one shape.
  expect(read.values.subarray(0, own.stride).every((value) => value === 0)).toBe(true);
  expect(read.values.subarray(own.stride)).toEqual(drawn);
  expect(adapterFiles(read.layout, read.lora, read.values, read.baseModel, read.modules)).toEqual(files);
});

describe('parseAdapterFile', () => {
  it.each<[string, Uint8Array, string]>([
    ['a missing tensor', changed({ [`${prefix}.lora_B.weight`]: null }), `tensor ${prefix}.lora_B.weight is missing`],
    ['an extra tensor', changed({ 'base_model.model.lm_head.lora_A.weight': { shape: [1], data: new Float32Array(1) } }), 'base_model.model.lm_head.lora_A.weight belongs to no target module'],
    ['another rank', changed({ [`${prefix}.lora_A.weight`]: { shape: [4, 16], data: new Float32Array(64) } }), 'is (4, 16), expected (3, 16)'],
    ['a transposed matrix', changed({ [`${prefix}.lora_B.weight`]: { shape: [3, 16], data: new Float32Array(48) } }), 'is (3, 16), expected (16, 3)'],
    ['values that are not finite', changed({ [`${prefix}.lora_A.weight`]: { shape: [3, 16], data: new Float32Array(48).fill(Infinity, 7) } }), 'holds Infinity at element 7'],
    ['a file cut off', bytes.subarray(0, -4), 'is the file cut off?'],
    ['a module trained whole', changed({ 'base_model.model.lm_head.modules_to_save.weight': { shape: [1], data: new Float32Array(1) } }), 'is a module trained whole (modules_to_save), which is not computed; merge the adapter with PEFT'],
    ['a saved embedding', changed({ 'base_model.model.model.embed_tokens.weight': { shape: [1], data: new Float32Array(1) } }), 'is a whole embedding or head saved with the adapter'],
    ['a saved head', changed({ 'base_model.model.lm_head.weight': { shape: [1], data: new Float32Array(1) } }), 'save_embedding_layers=False'],
    ['a Git LFS pointer', new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'), 'fetch the file itself with git lfs pull'],
  ])('refuses %s, naming the file', (_, file, message) => {
    const read = () => parseAdapterFile(file, layout, lora.rank, 'dir/adapter_model.safetensors');
    expect(read).toThrow('dir/adapter_model.safetensors: ');
    expect(read).toThrow(message);
  });
});

it('names the model that an adapter of other sizes was trained on', () => {
  const json = adapterConfigFile(lora, 'somebody/larger');
  const wide = changed({ [`${prefix}.lora_A.weight`]: { shape: [3, 32], data: new Float32Array(96) } });
  const read = () => readAdapter({ json, place: 'adapter_config.json' }, { bytes: wide, place: 'adapter_model.safetensors' }, smallConfig);
  expect(read).toThrow('is (3, 32), expected (3, 16); the adapter was trained on "somebody/larger"');
});

describe('parseAdapterConfig', () => {
  const good = adapterConfigFile(lora, 'model');
  const parse = (change: object) => parseAdapterConfig({ ...good, ...change }, 'dir/adapter_config.json', smallConfig);
  const modulesOf = (change: object) => parse(change).modules.map(moduleName);
  const both = (...projections: string[]) => [0, 1].flatMap((layer) => projections.map((p) => `model.layers.${layer}.${p}`));

  it('ignores keys that change nothing and knows full module names', () => {
    const change = { lora_dropout: 0.05, revision: null, loftq_config: {}, megatron_core: 'megatron.core', target_modules: ['mlp.down_proj', 'q_proj'] };
    expect(parse(change).lora).toEqual(lora);
    expect(parse({ base_model_name_or_path: null }).baseModel).toBeNull();
  });

  it('follows target modules by list, by ends, by name, by expression and all', () => {
    expect(modulesOf({})).toEqual(both('self_attn.q_proj', 'mlp.down_proj'));
    expect(modulesOf({ target_modules: ['model.layers.1.mlp.up_proj', 'attn.o_proj'] })).toEqual(['model.layers.1.mlp.up_proj']);
    expect(modulesOf({ target_modules: 'all-linear' })).toEqual(both(...PROJECTIONS));
    expect(modulesOf({ target_modules: String.raw`.*(gate|up)_proj` })).toEqual(both('mlp.gate_proj', 'mlp.up_proj'));
    expect(modulesOf({ exclude_modules: ['layers.0.mlp.down_proj'] })).toEqual(['model.layers.0.self_attn.q_proj', 'model.layers.1.self_attn.q_proj', 'model.layers.1.mlp.down_proj']);
    expect(modulesOf({ exclude_modules: String.raw`.*\.0\..*` })).toEqual(['model.layers.1.self_attn.q_proj', 'model.layers.1.mlp.down_proj']);
    expect(modulesOf({ layers_to_transform: 0 })).toEqual(['model.layers.0.self_attn.q_proj', 'model.layers.0.mlp.down_proj']);
    expect(modulesOf({ layers_to_transform: [1], layers_pattern: ['h', 'layers'], target_modules: ['q_proj'] })).toEqual(['model.layers.1.self_attn.q_proj']);
    expect(modulesOf({ layers_to_transform: [] })).toHaveLength(4);
  });

  it('follows ranks and scales by module: of several keys the first that matches counts', () => {
    const change = {
      rank_pattern: { 'layers.1.self_attn.q_proj': 7, down_proj: 1, 'mlp.down_proj': 9 },
      alpha_pattern: { 'o_proj|q_proj': 5, '^model.layers.0.mlp.down_proj': 2, proj: 1 },
    };
    expect(parse(change)).toMatchObject({
      lora: {
        rank: 7,
        alpha: 5,
        ownScales: {
          'model.layers.0.self_attn.q_proj': { rank: 3, alpha: 5 },
          'model.layers.0.mlp.down_proj': { rank: 1, alpha: 2 },
          'model.layers.1.mlp.down_proj': { rank: 1, alpha: 6 },
        },
      },
      notes: ['dir/adapter_config.json: alpha_pattern: "proj" names no adapted module'],
    });
    expect(parse({ rank_pattern: {}, alpha_pattern: null }).lora).toEqual(lora);
    // A rank that all modules have is the adapter's own.
    expect(parse({ rank_pattern: { q_proj: 5, down_proj: 5 } }).lora).toEqual({ ...lora, rank: 5 });
  });

  it('says which names mean nothing, as those of other families', () => {
    const { notes, modules } = parse({ target_modules: ['q_proj', 'c_attn'] });
    expect(modules).toHaveLength(2);
    expect(notes).toEqual(['dir/adapter_config.json: target module "c_attn" names nothing in this model']);
  });

  it.each<[string, object, string]>([
    ['another method', { peft_type: 'IA3' }, 'peft_type must be "LORA" (was "IA3")'],
    ['rank zero', { r: 0 }, 'r must be at least 1 (was 0)'],
    ['an absurd rank', { r: 1e9 }, 'r must be at most 4096'],
    ['alpha that is a word', { lora_alpha: '16' }, 'lora_alpha must be a number (was a string)'],
    ['no targets', { target_modules: [] }, 'target_modules must be'],
    ['targets that are nowhere', { target_modules: ['c_attn'] }, 'target_modules ["c_attn"] match no module of the model'],
    ['the embedding', { target_modules: ['q_proj', 'embed_tokens'] }, 'target_modules ["q_proj","embed_tokens"] adapt model.embed_tokens, supported are self_attn.q_proj'],
    ['the head', { target_modules: '.*' }, 'target_modules ".*" adapt lm_head'],
    ['an expression that is none', { target_modules: '(q_proj' }, 'dir/adapter_config.json: target_modules: "(q_proj" is not an expression'],
    ['layers with an expression', { target_modules: '.*q_proj', layers_to_transform: [0] }, 'layers_to_transform and layers_pattern go with a list'],
    ['layers that are not there', { layers_to_transform: [7] }, 'match no module'],
    ['trained biases', { bias: 'all' }, 'bias must be "none" (was "all")'],
    ['weight decomposition', { use_dora: true }, 'use_dora is true, which is not computed (weight decomposition)'],
    ['whole modules', { modules_to_save: ['lm_head'] }, 'modules_to_save is ["lm_head"]'],
    ['a rank of a module that is none', { rank_pattern: { q_proj: 0 } }, 'rank_pattern.q_proj must be at least 1 (was 0)'],
    ['ranks that are no mapping', { rank_pattern: [4] }, 'rank_pattern must be'],
    ['a scale of a module that is a word', { alpha_pattern: { q_proj: '4' } }, 'alpha_pattern.q_proj must be a number (was a string)'],
    ['a rank for an expression that is none', { rank_pattern: { 'q_proj)': 4 } }, 'rank_pattern: "q_proj)" is not an expression'],
    ['a scale for an expression that may not end', { alpha_pattern: { '(.*a)*(.*b)*(.*c)*': 4 } }, 'alpha_pattern: the expression'],
    ['biases of B', { lora_bias: true }, 'lora_bias is true'],
    ['transposed weights', { fan_in_fan_out: true }, 'fan_in_fan_out is true'],
    ['trained tokens', { trainable_token_indices: [1] }, 'trainable_token_indices is [1]'],
    ['principal components', { init_lora_weights: 'pissa_niter_4' }, 'init_lora_weights is "pissa_niter_4", which changes the base weights'],
    ['what is not known yet', { use_tomorrow: true }, 'use_tomorrow is true, which is not known'],
  ])('refuses %s', (_, change, message) => {
    expect(() => parse(change)).toThrow('Cannot use dir/adapter_config.json');
    expect(() => parse(change)).toThrow(message);
  });
});

describe('readAdapterDirectory', () => {
  it.each([
    ['adapter_model.bin', 'adapter_model.safetensors is missing; adapter_model.bin is not read, load the adapter with PEFT and save it again'],
    ['adapters.safetensors', 'adapter_model.safetensors is missing; adapters.safetensors is not read, convert it'],
    ['notes.txt', 'adapter_model.safetensors is missing'],
  ])('says what to do with %s', (name, message) => {
    const folder = mkdtempSync(join(tmpdir(), 'seal-adapter-'));
    writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(adapterConfigFile(lora, null)));
    writeFileSync(join(folder, name), '');
    const read = () => readAdapterDirectory(folder, smallConfig);
    expect(read).toThrow(`Cannot use the adapter in ${folder}: `);
    expect(read).toThrow(message);
    rmSync(folder, { recursive: true });
  });
});

describe('readAdapter', () => {
  const read = (json: unknown, file: Uint8Array) => readAdapter({ json, place: 'dir/c' }, { bytes: file, place: 'dir/w' }, smallConfig);
  const json = adapterConfigFile(lora, null);
  const renamed = (rename: (name: string, index: number) => string) =>
    writeSafetensors(
      [...parseSafetensors(bytes, 'x')].map(([name, tensor], i) => [rename(name, i), { shape: tensor.shape, data: toFloat32(tensor, name) }] as const),
    );

  it('reads names that were wrapped twice, if all of them were', () => {
    const twice = read(json, renamed((name) => `base_model.model.${name}`));
    expect(twice.values).toEqual(values);
    expect(twice.notes).toEqual(['dir/w: all names begin with base_model.model. twice, it was read once']);
    expect(twice.digest).not.toBe(read(json, bytes).digest);
    expect(() => read(json, renamed((name, i) => (i === 3 ? name : `base_model.model.${name}`)))).toThrow('is missing');
  });

  it('leaves modules zero that are not adapted, and writes none of them', () => {
    const some = { ...json, layers_to_transform: [1] };
    const own = [...parseSafetensors(bytes, 'x')].filter(([name]) => name.includes('layers.1.'));
    const file = writeSafetensors(own.map(([name, tensor]) => [name, { shape: tensor.shape, data: toFloat32(tensor, name) }]));
    const adapter = read(some, file);
    for (const { layer, offsetA, offsetB, inner, out } of adapter.layout.places) {
      const nonZero = adapter.values.slice(offsetA, offsetA + 3 * inner).some((v) => v !== 0) || adapter.values.slice(offsetB, offsetB + 3 * out).some((v) => v !== 0);
      expect(nonZero).toBe(layer === 1);
    }
    const files = adapterFiles(adapter.layout, adapter.lora, adapter.values, adapter.baseModel, adapter.modules);
    expect(Buffer.from(files['adapter_model.safetensors']).equals(Buffer.from(file))).toBe(true);
    expect(read(JSON.parse(files['adapter_config.json']), file)).toMatchObject({ modules: adapter.modules, digest: adapter.digest });
    expect(() => read(some, bytes)).toThrow('belongs to no target module');
    expect(() => read(json, file)).toThrow('layers.0.self_attn.q_proj.lora_A.weight is missing');
  });
});
