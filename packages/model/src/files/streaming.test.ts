/** Weights pass through a bounded piece of the host's memory, and arrive where they belong. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openGpu } from '@seal/device';
import { quantiseRows } from '@seal/kernels';
import { readFloats } from '../buffers.ts';
import { initialWeights, loadModel } from './checkpoint.ts';
import { hostSource, smallConfig, uniform } from '../fixture.ts';
import { openWeights } from './sources.ts';
import { watchHost, writeSparseWeights } from './streaming.ts';

const directory = mkdtempSync(join(tmpdir(), 'seal-streaming-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it('loads a file in pieces much smaller than it', async () => {
  const config = { ...smallConfig, vocabSize: 200_000, hiddenSize: 384, headDim: 192, intermediateSize: 64 };
  const size = writeSparseWeights(directory, config);
  expect(size).toBeGreaterThan(150e6);
  const gpu = await openGpu({ backend: 'null' });
  const host = watchHost(gpu);
  const model = await loadModel(gpu, { config, source: await openWeights(directory, config) });
  expect(host.written).toBeGreaterThan(2 * size - 1e6);
  expect(host.grown).toBeLessThan(64e6);
  model.destroy();
  gpu.close();
});

it.each(['f32', 'int8'] as const)('puts every piece in its place, in every part: %s', async (format) => {
  // A table of 20 MiB: two pieces of the host and several parts of the device, which end at different rows.
  const config = { ...smallConfig, vocabSize: 41_000, hiddenSize: 128, headDim: 64, intermediateSize: 64 };
  const name = 'model.embed_tokens.weight';
  const random = uniform(4);
  const weights = initialWeights(config, random);
  const gpu = await openGpu();
  const model = await loadModel(gpu, { config, source: hostSource(config, weights) }, { weights: format, byteLimit: 3_000_000 });
  const { parts } = model.matrix(name);
  expect(parts.length).toBeGreaterThan(1);
  const values = weights.get(name)!;
  const expected = format === 'f32' ? { data: values, scales: new Float32Array() } : quantiseRows(format, values, 128);
  const read = async (slices: readonly (GPUBufferBinding | undefined)[]) => {
    const there = slices.filter((slice) => slice !== undefined);
    const all = await Promise.all(there.map(({ buffer, offset = 0, size = 0 }) => readFloats(gpu.device, buffer, offset / 4, size / 4)));
    return Buffer.concat(all.map((own) => new Uint8Array(own.buffer)));
  };
  expect((await read(parts.map(({ slice }) => slice))).equals(new Uint8Array(expected.data.buffer))).toBe(true);
  expect((await read(parts.map(({ scales }) => scales))).equals(new Uint8Array(expected.scales.buffer))).toBe(true);
  model.destroy();
  gpu.close();
});
