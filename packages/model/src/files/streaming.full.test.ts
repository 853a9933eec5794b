/** A file of several gigabytes passes through a bounded piece of the host's memory. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openGpu } from '@seal/device';
import { loadModel } from './checkpoint.ts';
import { smallConfig } from '../fixture.ts';
import { openWeights } from './sources.ts';
import { watchHost, writeSparseWeights } from './streaming.ts';

/** Two layers of Qwen2.5-7B, whose embedding alone has more than a gigabyte. */
const config = {
  ...smallConfig,
  vocabSize: 152_064,
  hiddenSize: 3_584,
  intermediateSize: 18_944,
  numHiddenLayers: 2,
  numAttentionHeads: 28,
  numKeyValueHeads: 4,
  headDim: 128,
  tieWordEmbeddings: false,
  windows: [null, null],
};

const directory = mkdtempSync(join(tmpdir(), 'seal-streaming-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it('loads three gigabytes of weights within 1.5 GB of the host', { timeout: 600_000 }, async () => {
  const size = writeSparseWeights(directory, config);
  expect(size).toBeGreaterThan(3e9);
  const gpu = await openGpu();
  const host = watchHost(gpu);
  const begun = performance.now();
  const model = await loadModel(gpu, { config, source: await openWeights(directory, config) }, { weights: 'int4' });
  const seconds = (performance.now() - begun) / 1_000;
  console.log(`${(size / 1e9).toFixed(2)} GB in ${seconds.toFixed(1)} s, at most ${(host.grown / 2 ** 20).toFixed(0)} MiB more on the host`);
  // Embedding and head take a byte and a sixteenth a weight, layers half a byte and a sixteenth.
  expect(host.written).toBeGreaterThan(0.4 * size);
  // The whole of the limit is for what a command has besides; loading takes a few pieces.
  expect(host.grown).toBeLessThan(256 * 2 ** 20);
  const { heapUsed, external } = process.memoryUsage();
  expect(heapUsed + external).toBeLessThan(1.5e9);
  model.destroy();
  gpu.close();
});
