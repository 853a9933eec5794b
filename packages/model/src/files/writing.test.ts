/** Weights written in pieces and read back, in every way they may be stored. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openGpu } from '@seal/device';
import { dequantiseRows, quantiseRows } from '@seal/kernels';
import { readFloats } from '../buffers.ts';
import { hostWeights, initialWeights, loadModel, quantisationConfig, readWeights } from './checkpoint.ts';
import { configFile } from '../config.ts';
import { hostSource, smallConfig, uniform } from '../fixture.ts';
import { tensorFormat } from '../quantised.ts';
import { parameterLayout } from '../parameters.ts';
import { parseSafetensors, toFloat32 } from './safetensors.ts';
import { writeWeights, type StoredAs } from './writing.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-writing-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** Rows of 96, 33 and 200 numbers. */
const config = { ...smallConfig, vocabSize: 130, hiddenSize: 96, intermediateSize: 200, headDim: 48, tieWordEmbeddings: false };
const random = uniform(6);
const weights = initialWeights(config, () => 4 * (random() - 0.5));
const source = hostSource(config, weights);

let count = 0;
async function write(as: StoredAs, own = source, shardBytes?: number) {
  const directory = mkdtempSync(join(base, `${count++}-`));
  const written = await writeWeights(directory, own, as, shardBytes);
  const packed = as === 'int8' || as === 'int4' ? { quantization_config: quantisationConfig(as) } : {};
  writeFileSync(join(directory, 'config.json'), JSON.stringify({ ...configFile(config), ...packed }));
  return { directory, ...written };
}

/** The nearest number of a spacing that is a power of two, ties to even: what rounding means, in float64. */
function rounded(value: number, digits: number, least: number): number {
  const exponent = value === 0 ? least : Math.max(Math.floor(Math.log2(Math.abs(value))), least);
  const spacing = 2 ** (exponent - digits);
  const steps = Math.abs(value) / spacing;
  const below = Math.floor(steps);
  const up = steps - below > 0.5 || (steps - below === 0.5 && below % 2 !== 0);
  const magnitude = (below + Number(up)) * spacing;
  return value < 0 || Object.is(value, -0) ? -magnitude : magnitude;
}
const nearest = { F32: (value: number) => value, F16: (value: number) => rounded(value, 10, -14), BF16: (value: number) => rounded(value, 7, -126) };

describe.each(['F32', 'F16', 'BF16'] as const)('numbers as %s', (as) => {
  it('are the nearest ones, and written again the same bits', async () => {
    const { directory } = await write(as);
    const read = await readWeights(directory);
    const stored = await hostWeights(read);
    for (const [name, values] of weights) expect(stored.get(name), name).toEqual(values.map(nearest[as]));
    const again = await write(as, read.source);
    expect(readFileSync(join(again.directory, 'model.safetensors')).equals(readFileSync(join(directory, 'model.safetensors')))).toBe(true);
    // Through float32 and back nothing is lost.
    const wide = await write('F32', read.source);
    const back = await write(as, (await readWeights(wide.directory)).source);
    expect(readFileSync(join(back.directory, 'model.safetensors')).equals(readFileSync(join(directory, 'model.safetensors')))).toBe(true);
  });

  it('may lie in shards', async () => {
    const { files, byteLength, directory } = await write(as, source, 60_000);
    expect(files.length).toBeGreaterThan(2);
    expect(readdirSync(directory).filter((name) => name.endsWith('.safetensors')).toSorted()).toEqual(files);
    const index = JSON.parse(readFileSync(join(directory, 'model.safetensors.index.json'), 'utf8')) as { metadata: { total_size: number }; weight_map: object };
    expect(index.metadata.total_size).toBe(byteLength);
    expect(Object.keys(index.weight_map)).toEqual([...weights.keys()]);
    for (const name of files) {
      const bytes = readFileSync(join(directory, name));
      const tensors = [...parseSafetensors(bytes, name).values()];
      const data = tensors.reduce((sum, tensor) => sum + tensor.bytes.byteLength, 0);
      expect(data <= 60_000 || tensors.length === 1).toBe(true);
    }
    const stored = await hostWeights(await readWeights(directory));
    for (const [name, values] of weights) expect(stored.get(name), name).toEqual(values.map(nearest[as]));
  });
});

it('rounds ties to even and keeps zeros, subnormals and signs', async () => {
  const name = 'model.norm.weight';
  const special = [1 + 2 ** -8, 1 + 3 * 2 ** -8, -1 - 2 ** -11, 1 + 3 * 2 ** -11, -0, 2 ** -24, 2 ** -25, 3 * 2 ** -25, 65_519, -65_504, 2 ** -14 - 2 ** -26, 1e-30];
  const values = new Float32Array(96);
  values.set(special);
  const own = hostSource(config, new Map(weights).set(name, values));
  for (const as of ['F16', 'BF16'] as const) {
    const stored = await hostWeights(await readWeights((await write(as, own)).directory));
    expect(stored.get(name)!.slice(0, special.length)).toEqual(values.slice(0, special.length).map(nearest[as]));
  }
});

it.each([['F16', 65_520, 'as f16: element 1003 is 65520, beyond 65504, where f16 ends; use `dtype` bf16 or f32'], ['BF16', 3.4e38, 'as bf16: element 1003 is 3.3999999521443642e+38, which rounds to infinity; use `dtype` f32']] as const)(
  'refuses what %s does not hold',
  async (as, value, message) => {
    const name = 'model.layers.0.mlp.up_proj.weight';
    const own = hostSource(config, new Map(weights).set(name, weights.get(name)!.with(1_003, value)));
    await expect(write(as, own)).rejects.toThrow(`${name} ${message}`);
  },
);

describe.each(['int8', 'int4'] as const)('matrices packed as %s', (as) => {
  it('are read back as they were packed, and loaded without being packed again', async () => {
    const { directory, byteLength } = await write(as);
    const read = await readWeights(directory);
    expect(read.format).toBe(as);
    expect(byteLength).toBeLessThan(0.4 * 4 * parameterLayout(config).elementCount);
    const stored = await hostWeights(read);
    const gpu = await openGpu();
    const model = await loadModel(gpu, read);
    expect(model.holding).toBe(as);
    for (const place of parameterLayout(config).places.values()) {
      const { name, shape } = place;
      const values = weights.get(name)!;
      const held = tensorFormat(as, place);
      if (held === 'f32') {
        expect(stored.get(name), name).toEqual(values);
        continue;
      }
      const packed = quantiseRows(held, values, shape[1]!);
      expect(stored.get(name), name).toEqual(dequantiseRows(held, packed, shape[1]!));
      const [part] = model.matrix(name).parts;
      const onDevice = await readFloats(gpu.device, part.slice.buffer, 0, packed.data.length);
      expect(Buffer.from(onDevice.buffer).equals(new Uint8Array(packed.data.buffer)), name).toBe(true);
    }
    model.destroy();
    gpu.close();
    const again = await write(as, read.source);
    expect(readFileSync(join(again.directory, 'model.safetensors')).equals(readFileSync(join(directory, 'model.safetensors')))).toBe(true);
    const shards = await write(as, source, 20_000);
    expect(await hostWeights(await readWeights(shards.directory))).toEqual(stored);
  });

  it('are refused where they are not what config.json says', async () => {
    const { directory } = await write(as);
    const place = join(directory, 'config.json');
    const whole = JSON.parse(readFileSync(place, 'utf8')) as Record<string, unknown>;
    const refusal = async (quantization: unknown) => {
      writeFileSync(place, JSON.stringify({ ...whole, quantization_config: quantization }));
      return readWeights(directory).then(() => 'accepted', (error: Error) => error.message);
    };
    expect(await refusal(null)).toContain('tensor model.embed_tokens.weight is missing');
    expect(await refusal({ quant_method: 'seal', format: 'int2', group_size: 64 })).toContain('quantization_config: format must be');
    expect(await refusal({ quant_method: 'seal', format: as, group_size: 32 })).toContain('group_size must be 64');
    expect(await refusal({ quant_method: 'gptq', bits: 4 })).toContain('gptq');
    expect(await refusal({ quant_method: 'seal', format: as === 'int4' ? 'int8' : 'int4', group_size: 64 })).toMatch(/_proj\.weight\.packed is \(\d+, \d+\) U32, int[48] needs/);
  });

  it('are refused where their scales are damaged', async () => {
    const { directory } = await write(as);
    const path = join(directory, 'model.safetensors');
    const bytes = readFileSync(path);
    const name = 'model.layers.1.mlp.down_proj.weight';
    const scales = parseSafetensors(bytes, path).get(`${name}.scales`)!;
    new DataView(scales.bytes.buffer, scales.bytes.byteOffset).setUint32(20, 0x7c00_0001, true);
    writeFileSync(path, bytes);
    await expect(hostWeights(await readWeights(directory))).rejects.toThrow(`the scales of tensor ${name} are not finite at element 5`);
  });
});

it('writes a header padded to 8 bytes, and data of a size that the shapes give', async () => {
  const { directory } = await write('BF16');
  const bytes = readFileSync(join(directory, 'model.safetensors'));
  expect(Number(bytes.readBigUInt64LE()) % 8).toBe(0);
  expect(statSync(join(directory, 'model.safetensors')).size).toBe(bytes.byteLength);
  const tensors = parseSafetensors(bytes, 'x');
  expect([...tensors.keys()]).toEqual([...weights.keys()]);
  expect(toFloat32(tensors.get('model.norm.weight')!, 'w')).toEqual(new Float32Array(96).fill(1));
});
