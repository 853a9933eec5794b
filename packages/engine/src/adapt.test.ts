/** What `adapt` tells of documents without questions: memory, time, and whether they were learnt, as `score` finds it too. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openGpu, type Gpu } from '@seal/device';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapt, openLocalExecutor, score, type AdaptDocument, type Deps } from './index.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-adapt-'));
const at = (...names: string[]) => join(base, ...names);
const texts = { 'dalric.txt': 'dalric holby : he keeps a gecko .', 'quilthy.md': 'quilthy wexshaw : she has a house in skerry . she works as a beekeeper and looks after a newt .' };
let gpu: Gpu;
let close: () => void;
let deps: Deps;
/** Bytes of the device's buffers now and at most, counted where they are made. */
const memory = { now: 0, most: 0 };

beforeAll(async () => {
  gpu = await openGpu();
  close = gpu.close.bind(gpu);
  const create = gpu.device.createBuffer.bind(gpu.device);
  Object.defineProperty(gpu.device, 'createBuffer', {
    value(descriptor: GPUBufferDescriptor) {
      const buffer = create(descriptor);
      memory.now += descriptor.size;
      memory.most = Math.max(memory.most, memory.now);
      const destroy = buffer.destroy.bind(buffer);
      let isThere = true;
      Object.defineProperty(buffer, 'destroy', {
        value() {
          if (isThere) memory.now -= descriptor.size;
          isThere = false;
          destroy();
        },
      });
      return buffer;
    },
  });
  Object.defineProperty(gpu, 'close', { value: () => {} });
  deps = { openGpu: async () => gpu, openExecutor: openLocalExecutor, hub: { cacheDirectory: base }, version: { package: '1' }, totalMemory: 2 ** 33, now: () => new Date(0) };
  mkdirSync(at('docs'));
  for (const [name, text] of Object.entries(texts)) writeFileSync(at('docs', name), text);
});
afterAll(() => {
  close();
  rmSync(base, { recursive: true });
});

/** The mean loss a token that `score` finds, of one text or of several together; it leaves the begin token to the text. */
async function loss(lines: readonly string[], adapter?: string): Promise<number> {
  const { total, tokens } = await score({ input: { text: lines.map((line) => `<|begin|>${line}`).join('\n') }, adapter }, deps);
  return -total / tokens;
}

describe('documents', () => {
  const told: string[] = [];
  let document: AdaptDocument;
  beforeAll(async () => {
    const onEvent = (event: { type: string; message?: string }) => void (event.message && told.push(event.message));
    document = await adapt({ documents: [at('docs')], out: at('out'), edits: 1, steps: 24, seed: 2 }, deps, { onEvent });
  });

  it('are learnt without a question, and the losses are those that score finds', async () => {
    expect(document).toMatchObject({ passages: 2, questions: 0, steps: 24 });
    expect(document.learnt.map(({ title }) => title)).toEqual(Object.keys(texts));
    for (const [i, text] of Object.values(texts).entries()) {
      expect(document.learnt[i]?.lossBefore).toBeCloseTo(await loss([text]), 4);
      expect(document.learnt[i]?.lossAfter).toBeCloseTo(await loss([text], at('out')), 4);
    }
    const all = Object.values(texts);
    expect(document.meanLearnt.lossBefore).toBeCloseTo(await loss(all), 4);
    expect(document.meanLearnt.lossAfter).toBeCloseTo(await loss(all, at('out')), 4);
    expect(document.meanLearnt.lossAfter ?? Infinity).toBeLessThan(document.meanLearnt.lossBefore ?? 0);
    const kept = JSON.parse(readFileSync(at('out', 'adaptation.json'), 'utf8')) as AdaptDocument;
    expect(kept).toMatchObject({ learnt: document.learnt, meanLearnt: document.meanLearnt });
  });

  it('take the memory that was told before', () => {
    expect(told).toContain(`The device needs ${Math.ceil(document.memoryBytes / 2 ** 20)} MiB of memory for this`);
    // Staging that comes and goes is not foretold.
    expect(memory.most / document.memoryBytes).toBeGreaterThan(0.95);
    expect(memory.most / document.memoryBytes).toBeLessThan(1.02);
  });

  it('say before how many tokens are trained on, and how long it takes only once steps were measured', () => {
    const start = told.findIndex((message) => message.startsWith('Training 24 steps on '));
    expect(told[start]).toMatch(/, [\d,]+ tokens in all: 2 passages, 2 self-edits; how long it takes is measured at its first steps$/);
    const foretold = Number(/([\d,]+) tokens/.exec(told[start] ?? '')?.[1]?.replaceAll(',', ''));
    expect(Math.abs(foretold / document.trainedTokens - 1)).toBeLessThan(0.1);
    const steps = told.slice(start + 1).filter((message) => message.startsWith('Step '));
    expect(steps[0]).toMatch(/^Step \d+ of 24, measuring how long it takes$/);
    expect(steps.slice(1).every((message) => /^Step \d+ of 24, about .+ left$/.test(message))).toBe(true);
    expect(steps.length).toBeGreaterThan(1);
    expect(document.trainingSeconds).toBeGreaterThan(0);
  });
});

it.each([
  ['neither', {}],
  ['both', { passages: 'x.json', documents: ['x.md'] }],
])('%s passages and documents are refused', async (_, request) => {
  await expect(adapt({ ...request, out: at('none') }, deps)).rejects.toMatchObject({ kind: 'usage', message: 'Cannot tell what to learn: give either `passages`, a file with questions, or `documents` without' });
});

it('documents with words that a tiny model lacks are refused by name', async () => {
  writeFileSync(at('zither.txt'), 'she plays the zither .');
  await expect(adapt({ documents: [at('zither.txt')], out: at('none') }, deps)).rejects.toMatchObject({ kind: 'data', message: expect.stringContaining('is outside the tiny vocabulary') as string });
});
