/**
 * Ten thousand damaged GGUF headers: each is refused at once by a message that names the file, or lists tensors that lie in
 * the file. Most damage is to lengths, counts and types, of which a header mostly is.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stream, type Random } from '@seal/files';
import { BLOCKS, huggingFaceConfig, parseGguf, type GgufHeader, type GgufInput, type GgufValue } from '@seal/gguf';
import { writeGguf } from '@seal/gguf/node';
import { mutateBytes } from './mutations.ts';
import { tryReading, type Outcomes } from './outcome.ts';

const CASES = 10_000;
const MEGABYTE = 1024 * 1024;
const base = mkdtempSync(join(tmpdir(), 'seal-fuzz-gguf-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const number = (value: number): GgufValue => ({ type: 'u32', value });
const metadata = new Map<string, GgufValue>([
  ['general.architecture', { type: 'string', value: 'llama' }],
  ['general.alignment', number(32)],
  ['llama.block_count', number(1)],
  ['llama.context_length', number(64)],
  ['llama.embedding_length', number(32)],
  ['llama.feed_forward_length', number(64)],
  ['llama.attention.head_count', number(4)],
  ['llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: 1e-5 }],
  ['tokenizer.ggml.tokens', { type: 'array', items: 'string', value: ['a', 'b', 'ab'] }],
  ['tokenizer.ggml.scores', { type: 'array', items: 'f32', value: Float32Array.of(0, -1, -2) }],
  ['a.flags', { type: 'array', items: 'bool', value: [true, false] }],
  ['a.nested', { type: 'array', items: 'array', value: [{ items: 'i64', value: BigInt64Array.of(1n, -1n) }] }],
  ['a.large', { type: 'u64', value: 2n ** 60n }],
]);

let whole: Uint8Array;
let headerBytes: number;
beforeAll(async () => {
  const path = join(base, 'whole.gguf');
  const tensor = (name: string, type: keyof typeof BLOCKS, shape: number[]) => {
    const { elements, bytes } = BLOCKS[type];
    const length = (shape.reduce((product, size) => product * size, 1) / elements) * bytes;
    return { name, type, shape, data: () => [new Uint8Array(length)] };
  };
  await writeGguf(path, metadata, [tensor('token_embd.weight', 'Q8_0', [3, 32]), tensor('output_norm.weight', 'F32', [32]), tensor('blk.0.ffn_up.weight', 'Q4_0', [64, 32])]);
  whole = new Uint8Array(readFileSync(path));
  headerBytes = Math.min(...[...parseGguf(inputOf(whole), 'whole.gguf').tensors.values()].map(({ start }) => start));
});

function inputOf(file: Uint8Array): GgufInput {
  return { byteLength: file.byteLength, read: (position, target) => target.set(file.subarray(position, position + target.byteLength)) };
}

/** Lengths and counts that readers trip over. */
const SIZES = [0n, 1n, 255n, 2n ** 16n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 40n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/** The file with some words of its header replaced, or bytes changed, cut, doubled. */
function damaged(random: Random): Uint8Array {
  if (random.integer(3) === 0) return mutateBytes(whole, random, headerBytes);
  const file = whole.slice();
  const view = new DataView(file.buffer);
  for (let times = 1 + random.integer(2); times > 0; times--) {
    const at = 4 + random.integer(headerBytes - 12);
    if (random.integer(2) === 0) view.setBigUint64(at, SIZES[random.integer(SIZES.length)] ?? 0n, true);
    else view.setUint32(at, random.integer(64), true);
  }
  return file;
}

/** What is accepted lies in the file, no two tensors in the same place. */
function check({ tensors }: GgufHeader, fileBytes: number): void {
  let end = 0;
  for (const { type, shape, start, byteLength } of [...tensors.values()].toSorted((a, b) => a.start - b.start)) {
    const { elements, bytes } = BLOCKS[type];
    expect(start).toBeGreaterThanOrEqual(end);
    expect(byteLength).toBe((shape.reduce((product, size) => product * size, 1) / elements) * bytes);
    end = start + byteLength;
    expect(end).toBeLessThanOrEqual(fileBytes);
  }
}

it('are refused, or are what they say', async () => {
  const outcomes: Outcomes = { loaded: 0, refused: 0 };
  const held = () => process.memoryUsage().heapUsed + process.memoryUsage().external;
  const before = held();
  let most = before;
  let slowest = 0;
  for (let index = 0; index < CASES; index++) {
    const file = damaged(stream(1, 'gguf', index));
    const started = performance.now();
    await tryReading(outcomes, 'damaged.gguf', () => Buffer.from(file).toString('latin1'), () => {
      const header = parseGguf(inputOf(file), 'damaged.gguf');
      check(header, file.byteLength);
      huggingFaceConfig({ path: 'damaged.gguf', ...header, ropeFactors: null });
    });
    slowest = Math.max(slowest, performance.now() - started);
    if (index % 64 === 0) most = Math.max(most, held());
  }
  expect(outcomes.loaded + outcomes.refused).toBe(CASES);
  expect(outcomes.refused, 'damage is noticed').toBeGreaterThan(CASES / 10);
  expect(outcomes.loaded, 'harmless damage is none').toBeGreaterThan(0);
  // Garbage of many readings may lie about, yet none takes what a length of gigabytes claims.
  expect(most - before).toBeLessThan(512 * MEGABYTE);
  expect(slowest, 'ms').toBeLessThan(2_000);
});
