/** GGUF against gguf-py: the values of blocks, what is quantised, and files that the one writes and the other reads. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { BLOCKS, dequantise, quantise, type GgufType, type GgufValue, type WrittenType } from '@seal/gguf';
import { openGguf, readBytes, writeGguf, type Gguf } from '@seal/gguf/node';
import { readJson } from './fixture.ts';

interface Golden {
  readonly blocks: Readonly<Record<GgufType, { readonly bytes: string; readonly values: string }>>;
  readonly quantised: Readonly<Record<WrittenType | 'values', string>>;
  readonly tensors: Readonly<Record<string, { readonly shape: number[]; readonly values: string }>>;
}

const golden = readJson(new URL('gguf/blocks.json', import.meta.url)) as Golden;
const written = fileURLToPath(new URL('gguf/written-by-gguf-py.gguf', import.meta.url));
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const bitsOf = (values: Float32Array) => [...new Uint32Array(values.buffer, values.byteOffset, values.length)];

const base = mkdtempSync(join(tmpdir(), 'seal-gguf-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

async function valuesOf({ tensors }: Gguf, name: string): Promise<{ shape: readonly number[]; bytes: Uint8Array; values: Float32Array }> {
  const tensor = tensors.get(name);
  if (!tensor) throw new RangeError(`no tensor ${name}`);
  const bytes = new Uint8Array(tensor.byteLength);
  await readBytes(tensor.path, bytes, tensor.start);
  return { shape: tensor.shape, bytes, values: dequantise(tensor.type, bytes) };
}

describe('blocks', () => {
  it('are those of every type that is read', () => {
    expect(Object.keys(golden.blocks).toSorted()).toEqual(Object.keys(BLOCKS).toSorted());
  });

  it.each(Object.keys(golden.blocks) as GgufType[])('%s has the values of gguf-py, to the bit', (type) => {
    const { bytes, values } = golden.blocks[type];
    expect(bitsOf(dequantise(type, bytesOf(bytes)))).toEqual([...new Uint32Array(bytesOf(values).buffer)]);
  });

  it.each(['F16', 'BF16', 'Q8_0'] as const)('%s is quantised as by gguf-py, to the byte', (type) => {
    const values = new Float32Array(bytesOf(golden.quantised.values).buffer);
    expect(Buffer.from(quantise(type, values)).toString('base64')).toBe(golden.quantised[type]);
  });
});

describe('a file that gguf-py wrote', () => {
  const gguf = openGguf(written);

  it('has its metadata, of every type', () => {
    const value = (key: string) => gguf.metadata.values.get(`a.${key}`);
    expect(value('u8')).toEqual({ type: 'u8', value: 255 });
    expect(value('i8')).toEqual({ type: 'i8', value: -128 });
    expect(value('u16')).toEqual({ type: 'u16', value: 65_535 });
    expect(value('i16')).toEqual({ type: 'i16', value: -32_768 });
    expect(value('u32')).toEqual({ type: 'u32', value: 4_294_967_295 });
    expect(value('i32')).toEqual({ type: 'i32', value: -2_147_483_648 });
    expect(value('f32')).toEqual({ type: 'f32', value: Math.fround(1e-5) });
    expect(gguf.metadata.number('a.f32')).toBe(1e-5);
    expect(value('u64')).toEqual({ type: 'u64', value: 2n ** 63n + 1n });
    expect(value('i64')).toEqual({ type: 'i64', value: -(2n ** 63n) });
    expect(value('f64')).toEqual({ type: 'f64', value: 0.1 });
    expect(value('bool')).toEqual({ type: 'bool', value: true });
    expect(value('string')).toEqual({ type: 'string', value: 'naïve 🦭\n' });
    expect(gguf.metadata.texts('a.strings')).toEqual(['', 'a', 'Ġb', '▁c']);
    expect(Array.from(gguf.metadata.numbers('a.ints') ?? [])).toEqual([1, -2, 3]);
    expect(Array.from(gguf.metadata.numbers('a.floats') ?? [])).toEqual([0.5, -1.5]);
    expect(value('flags')).toEqual({ type: 'array', items: 'bool', value: [true, false] });
  });

  it('has its tensors, rows first', async () => {
    expect([...gguf.tensors.keys()].toSorted()).toEqual(Object.keys(golden.tensors).toSorted());
    for (const [name, { shape, values }] of Object.entries(golden.tensors)) {
      const own = await valuesOf(gguf, name);
      expect(own.shape, name).toEqual(shape);
      expect(bitsOf(own.values), name).toEqual([...new Uint32Array(bytesOf(values).buffer)]);
    }
  });

  it('is written again with the same content', async () => {
    for (const alignment of [32, 256]) {
      const path = join(base, `again-${alignment}.gguf`);
      const metadata = new Map<string, GgufValue>([...gguf.metadata.values, ['general.alignment', { type: 'u32', value: alignment }]]);
      const tensors = await Promise.all([...gguf.tensors].map(async ([name, { type, shape }]) => {
        const { bytes } = await valuesOf(gguf, name);
        // In two pieces.
        return { name, type, shape, data: () => [bytes.subarray(0, 7), bytes.subarray(7)] };
      }));
      await writeGguf(path, metadata, tensors);
      const again = openGguf(path);
      expect(again.metadata.values).toEqual(metadata);
      for (const [name] of gguf.tensors) {
        expect(await valuesOf(again, name), name).toEqual(await valuesOf(gguf, name));
        expect(again.tensors.get(name)?.start).toSatisfy((start: number) => start % alignment === 0);
      }
    }
  });

  it('with the same alignment is the same to the byte', async () => {
    const path = join(base, 'same.gguf');
    const tensors = await Promise.all([...gguf.tensors].map(async ([name, { type, shape }]) => {
      const { bytes } = await valuesOf(gguf, name);
      return { name, type, shape, data: () => [bytes] };
    }));
    await writeGguf(path, gguf.metadata.values, tensors);
    expect(Buffer.compare(readFileSync(path), readFileSync(written))).toBe(0);
  });
});
