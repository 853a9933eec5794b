/** Weights read by rows, from one file and from shards. */

import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CheckpointError } from './directory.ts';
import { smallConfig, smallWeights } from '../fixture.ts';
import { parameterLayout } from '../parameters.ts';
import { writeSafetensors } from './safetensors.ts';
import { openWeights } from './sources.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-sources-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const config = { ...smallConfig, tieWordEmbeddings: false };
const weights = smallWeights(config);
const layout = parameterLayout(config);
type Tensors = Record<string, { shape: readonly number[]; data: Float32Array }>;
const all: Tensors = Object.fromEntries(
  [...layout.places.values()].map(({ name, shape }) => [name, { shape, data: weights.get(name) ?? new Float32Array() }]),
);

let count = 0;
/** A directory with the files given. */
function directory(files: Record<string, string | Uint8Array>): string {
  const dir = join(base, `${count++}`);
  mkdirSync(dir);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
  return dir;
}
const pick = (wanted: (name: string) => boolean) => writeSafetensors(Object.entries(all).filter(([name]) => wanted(name)));
const index = (map: Record<string, unknown>, more: object = {}) => JSON.stringify({ metadata: { total_size: 1 }, weight_map: map, ...more });
const renamed = (change: (name: string) => string) =>
  writeSafetensors(Object.entries(all).map(([name, tensor]) => [change(name), tensor]));
const INDEX = 'model.safetensors.index.json';
const [A, B] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;
const inA = (name: string) => name.includes('layers.0');
const shardMap = Object.fromEntries(Object.keys(all).map((name) => [name, inA(name) ? A : B]));
const shards = { [A]: pick(inA), [B]: pick((name) => !inA(name)), [INDEX]: index(shardMap) };

/** A file of one tensor whose header is padded with `pad` spaces, so that data starts at any byte. */
function single(name: string, dtype: string, shape: readonly number[], data: Uint8Array, pad: number): Uint8Array {
  const json = Buffer.from(JSON.stringify({ [name]: { dtype, shape, data_offsets: [0, data.byteLength] } }) + ' '.repeat(pad));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.byteLength));
  return Buffer.concat([length, json, data]);
}

describe('a directory of shards', () => {
  it('has the tensors of all of them', async () => {
    const source = await openWeights(directory(shards), config);
    expect([...source.tensors.keys()].toSorted()).toEqual(Object.keys(all).toSorted());
    for (const [name, { shape, data }] of Object.entries(all)) {
      expect(await source.readRows(name, 0, shape.length === 2 ? shape[0]! : 1), name).toEqual(data);
    }
  });

  it('has each tensor from the file that the index names, where others hold older ones', async () => {
    const stale = Object.entries(all).map(([name, { shape, data }]) => [name, { shape, data: data.map((value) => value + 1) }] as const);
    for (const [old, fresh] of [[A, B], [B, A]] as const) {
      const mixed = { [old]: writeSafetensors(stale), [fresh]: pick(() => true), [INDEX]: index({ ...shardMap, 'model.norm.weight': old }) };
      const source = await openWeights(directory(mixed), config);
      for (const [name, { shape, data }] of Object.entries(all)) {
        const isOld = name === 'model.norm.weight' || shardMap[name] === old;
        expect(await source.readRows(name, 0, shape.length === 2 ? shape[0]! : 1), name).toEqual(isOld ? data.map((value) => value + 1) : data);
      }
    }
  });

  it('gives way to a single file, as in transformers', async () => {
    const source = await openWeights(directory({ ...shards, [INDEX]: 'not read', 'model.safetensors': pick(() => true) }), config);
    expect(await source.readRows('model.norm.weight', 0, 1)).toEqual(weights.get('model.norm.weight'));
  });

  it.each<[string, Record<string, string | Uint8Array>, string]>([
    ['a shard that is not there', { [B]: '' }, ''],
    ['a tensor that the index puts elsewhere', { [INDEX]: index({ ...shardMap, 'model.norm.weight': A }) }, `tensor model.norm.weight is not in ${A}`],
    ['a tensor that is not in the index', { [INDEX]: index(Object.fromEntries(Object.entries(shardMap).filter(([name]) => name !== 'model.norm.weight'))) }, 'looks for in no file'],
    ['a tensor that is in no shard', { [INDEX]: index({ ...shardMap, extra: A }) }, `tensor extra is not in ${A}`],
    ['a shard above the directory', { [INDEX]: index({ ...shardMap, 'model.norm.weight': `../${A}` }) }, 'is not the name of a safetensors file'],
    ['a shard at an absolute path', { [INDEX]: index({ ...shardMap, 'model.norm.weight': '/etc/x.safetensors' }) }, 'is not the name'],
    ['a shard in a folder', { [INDEX]: index({ ...shardMap, 'model.norm.weight': 'sub\\x.safetensors' }) }, 'is not the name'],
    ['an index without a map', { [INDEX]: '{}' }, 'weight_map must be'],
    ['a map of numbers', { [INDEX]: index({ a: 3 }) }, 'weight_map.a must be a string'],
    ['an index that is not JSON', { [INDEX]: '{' }, 'it is not JSON'],
    ['an empty map', { [INDEX]: index({}) }, 'tensor model.embed_tokens.weight is missing'],
  ])('refuses %s', async (what, change, message) => {
    const dir = directory({ ...shards, ...change });
    if (what === 'a shard that is not there') rmSync(join(dir, B));
    const failure = await openWeights(dir, config).then(() => 'accepted', (error: Error) => error.message);
    expect(failure).toContain(dir);
    expect(failure).toContain(message === '' ? `${B}: there is no such file` : message);
  });
});

describe('rows', () => {
  const one = 'model.embed_tokens.weight';
  /** The embedding alone in a file of its own dtype and alignment. */
  async function rowsOf(dtype: string, bytes: Uint8Array, pad: number) {
    const map = Object.fromEntries(Object.keys(all).map((name) => [name, name === one ? A : B]));
    const files = { [INDEX]: index(map), [A]: single(one, dtype, [24, 16], bytes, pad), [B]: pick((name) => name !== one) };
    return openWeights(directory(files), config);
  }
  const values = weights.get(one)!;
  const bf16 = (numbers: Float32Array) => new Uint8Array(Uint16Array.from(new Uint32Array(numbers.slice().buffer), (bits) => bits >>> 16).buffer);
  const truncated = (numbers: Float32Array) => new Float32Array(new Uint32Array(numbers.slice().buffer).map((bits) => bits & 0xffff0000).buffer);

  it.each([0, 1, 2, 3, 5])('are read where they lie, at any byte (%i bytes on)', async (pad) => {
    const wanted = truncated(values);
    const half = await rowsOf('BF16', bf16(values), pad);
    const whole = await rowsOf('F32', new Uint8Array(values.buffer), pad);
    for (const [first, rows] of [[0, 24], [5, 3], [23, 1], [7, 0]] as const) {
      expect(await half.readRows(one, first, rows)).toEqual(wanted.slice(first * 16, (first + rows) * 16));
      const target = new Float32Array(24 * 16 + 3).fill(9);
      expect(await whole.readRows(one, first, rows, target)).toEqual(values.slice(first * 16, (first + rows) * 16));
      expect(target[24 * 16 + 2]).toBe(9);
    }
    expect((await half.readTensor(one)).bytes).toEqual(bf16(values));
  });

  it('are refused outside the tensor, of another tensor, and where they are not finite', async () => {
    const source = await rowsOf('F32', new Uint8Array(values.with(16 * 20 + 3, -Infinity).buffer), 1);
    await expect(source.readRows(one, 20, 5)).rejects.toThrow(`Cannot read rows 20 to 25 of tensor ${one}: it has 24`);
    await expect(source.readRows('other', 0, 1)).rejects.toThrow('tensor other');
    await expect(source.readRows(one, 18, 4)).rejects.toThrow(`tensor ${one} holds -Infinity at element 323`);
    expect(await source.readRows(one, 0, 20)).toEqual(values.slice(0, 320));
  });

  it('are refused where the file was cut after it was opened', async () => {
    const dir = directory({ 'model.safetensors': pick(() => true) });
    const source = await openWeights(dir, config);
    truncateSync(join(dir, 'model.safetensors'), 4_000);
    await expect(source.readRows('model.norm.weight', 0, 1)).rejects.toThrow(RangeError);
    rmSync(join(dir, 'model.safetensors'));
    await expect(source.readRows(one, 0, 1)).rejects.toThrow(CheckpointError);
  });
});

describe('weights saved as F64', () => {
  /** All weights but one tensor as they are; that one as F64, whose data may begin at any byte. */
  const wide = (name: string, values: Float64Array, pad: number) => {
    const tensor = all[name]!;
    const rest = Object.fromEntries(Object.keys(all).map((other) => [other, other === name ? B : A]));
    return { [A]: pick((other) => other !== name), [B]: single(name, 'F64', tensor.shape, new Uint8Array(values.buffer), pad), [INDEX]: index(rest) };
  };
  const name = 'model.layers.1.mlp.up_proj.weight';
  const [rows = 0, columns = 0] = all[name]!.shape;

  it.each([0, 3])('are rounded to the nearest float32, with %i bytes of padding', async (pad) => {
    const third = (i: number) => (i % 2 === 0 ? 1 : -1) * (i + 1 / 3);
    const values = Float64Array.from({ length: rows * columns }, (_, i) => third(i));
    const source = await openWeights(directory(wide(name, values, pad)), config);
    expect(await source.readRows(name, 0, rows)).toEqual(Float32Array.from(values));
    expect(await source.readRows(name, 2, 3)).toEqual(Float32Array.from(values.subarray(2 * columns, 5 * columns)));
    // Half-way between two float32 goes to the even one.
    const ties = values.fill(1 + 2 ** -24, 0, 1).fill(1 + 3 * 2 ** -24, 1, 2);
    const [first, second] = await (await openWeights(directory(wide(name, ties, pad)), config)).readRows(name, 0, 1);
    expect([first, second]).toEqual([1, 1 + 2 ** -22]);
  });

  it.each([
    [1e39, 'holds 1e+39 at element 7, which is beyond float32'],
    [NaN, 'holds NaN at element 7; the file is damaged'],
    [-Infinity, 'holds -Infinity at element 7; the file is damaged'],
  ])('are refused where one is %d', async (value, message) => {
    const values = new Float64Array(rows * columns).fill(value, 7, 8);
    const source = await openWeights(directory(wide(name, values, 1)), config);
    await expect(source.readRows(name, 0, 1)).rejects.toThrow(`tensor ${name} ${message}`);
  });
});

describe('weights of another kind', () => {
  /** One matrix of another shape, with what its quantiser stores beside it. */
  const quantisedBy = (beside: string) => {
    const module = 'model.layers.0.mlp.gate_proj';
    const small = { shape: [2, 2], data: new Float32Array(4) };
    return writeSafetensors(Object.entries({ ...all, [`${module}.weight`]: small, [`${module}.${beside}`]: small }));
  };
  it.each<[string, Record<string, string | Uint8Array>, string]>([
    ['the decoder without its head', { 'model.safetensors': renamed((name) => name.replace(/^model\./, '')) }, 'tensor embed_tokens.weight lacks the prefix "model."'],
    ['matrices of GPTQ', { 'model.safetensors': renamed((name) => name.replace(/q_proj\.weight$/, 'q_proj.qweight')) }, 'q_proj.weight is stored quantised as model.layers.0.self_attn.q_proj.qweight (GPTQ or AWQ)'],
    ['matrices of MLX', { 'model.safetensors': quantisedBy('scales') }, 'is quantised (MLX), which is not read; use the unquantised checkpoint'],
    ['matrices of bitsandbytes', { 'model.safetensors': quantisedBy('weight.absmax') }, 'is quantised (bitsandbytes), which is not read'],
    ['shards of pickles', { 'pytorch_model-00001-of-00002.bin': '' }, 'pytorch_model-00001-of-00002.bin is not read, save the model as safetensors'],
    ['weights as Meta gives them', { 'consolidated.01.pth': '', 'params.json': '{}' }, 'consolidated.01.pth is not read'],
    ['the rest of a training', { 'optimizer.pt': '', 'training_args.bin': '' }, 'model.safetensors: there is no such file'],
    ['a pickle', { 'pytorch_model.bin': '' }, 'model.safetensors: there is no such file; pytorch_model.bin is not read, save the model as safetensors'],
  ])('are refused: %s', async (_, files, message) => {
    await expect(openWeights(directory(files), config)).rejects.toThrow(message);
  });

  it('are refused where a directory has the name of the file', async () => {
    const dir = directory({});
    mkdirSync(join(dir, 'model.safetensors'));
    await expect(openWeights(dir, config)).rejects.toThrow('model.safetensors: it is not a file');
  });
});
