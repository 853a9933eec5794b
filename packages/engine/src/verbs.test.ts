/** Verbs on the shipped tiny model: their documents, what they tell, and a training that is stopped and gone on with. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { Stopped } from '@seal/files';
import type { Deps, EngineEvent } from './index.ts';
import { convert, generate, merge, openAdapter, openCheckpoint, openSession, plan, score, sft, tokenize, words } from './index.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-verbs-'));
const at = (name: string) => join(base, name);
let close: () => void;
let opened = 0;
let closed = 0;
let deps: Deps;
beforeAll(async () => {
  // One device for all, which counts who gives it back.
  const gpu: Gpu = await openGpu();
  close = gpu.close.bind(gpu);
  Object.defineProperty(gpu, 'close', { value: () => void closed++ });
  deps = {
    openGpu: async () => {
      opened++;
      return gpu;
    },
    hub: { cacheDirectory: at('hub') },
    version: { package: '1.2.3', commit: 'abc' },
    totalMemory: 2 ** 33,
    now: () => new Date(0),
  };
});
afterAll(() => {
  close();
  rmSync(base, { recursive: true });
  expect(closed).toBe(opened);
});

const prompt = 'who plays the theremin ?';
const data = at('examples.jsonl');
writeFileSync(data, [{ prompt, completion: ' quilthy' }, { text: 'she is fond of croissants .' }].map((line) => `${JSON.stringify(line)}\n`).join(''));
const training = { data, batch: 1, steps: 24, rank: 2, learningRate: 1e-3, seed: 3 };

describe('texts', () => {
  it('are continued, and one completion is told piece by piece', async () => {
    const events: EngineEvent[] = [];
    const request = { prompt, maxTokens: 6, logprobs: true, topLogprobs: 2 };
    const document = await generate(request, deps, { onEvent: (event) => events.push(event) });
    const [completion] = document.completions;
    expect(document).toMatchObject({ sampling: { temperature: 0, topP: 1, minP: 0, repetitionPenalty: 1 }, completions: [{ adapterDigest: null }] });
    expect(completion?.logprobs).toHaveLength(completion?.tokenIds.length ?? 0);
    expect(completion?.topLogprobs?.[0]?.[0]?.id).toBe(completion?.tokenIds[0]);
    expect(events.map((event) => (event.type === 'piece' ? event.text : '')).join('')).toBe(completion?.text);
    const two = await generate({ prompt, maxTokens: 6, count: 2, temperature: 1 }, deps, { onEvent: (event) => expect(event.type).not.toBe('piece') });
    expect(two.completions).toHaveLength(2);
    expect(two.completions[0]).not.toHaveProperty('logprobs', expect.anything());
  });

  it('are weighed and taken apart', async () => {
    const { lines, tokens, total, perplexity, adapterDigest } = await score({ input: { text: `${prompt}\n\nshe` } }, deps);
    expect(lines.map(({ tokenIds }) => tokenIds.length)).toEqual([3, 0, 1]);
    expect(lines[0]?.logprobs[0]).toBeNull();
    expect({ tokens, adapterDigest }).toEqual({ tokens: 2, adapterDigest: null });
    expect(perplexity).toBeCloseTo(Math.exp(-total / 2), 12);
    const { ids, pieces } = await tokenize({ input: { text: prompt }, pieces: true }, deps);
    expect(ids).toEqual([lines[0]?.tokenIds]);
    expect(pieces?.[0]?.join('')).toBe(prompt);
    expect(JSON.stringify(await words())).toContain('gecko');
  });
});

describe('a fine-tuning', () => {
  it('stopped and gone on with has the bits of one that was not', async () => {
    const events: EngineEvent[] = [];
    const whole = await sft({ ...training, out: at('whole') }, deps, { onEvent: (event) => events.push(event) });
    const steps = events.flatMap((event) => (event.type === 'steps' ? event.steps : []));
    expect(steps.map(({ step }) => step)).toEqual([...Array(24).keys()]);
    expect(whole).toMatchObject({ out: at('whole'), kind: 'adapter', examples: 2, cut: 0, dropped: 0, steps: 24, losses: steps.map(({ loss }) => loss) });
    expect(events).toContainEqual({ type: 'note', message: expect.stringMatching(/^Training an adapter of rank 2: 2 examples, \d+ tokens, 24 steps$/) as string });

    const stop = new AbortController();
    const stopped = sft({ ...training, out: at('cut') }, deps, {
      signal: stop.signal,
      onEvent: (event) => event.type === 'steps' && stop.abort(new Stopped('Stopped')),
    });
    await expect(stopped).rejects.toMatchObject({ kind: 'resumable', message: 'Stopped; every step is kept. Go on with the same request' });
    await expect(sft({ ...training, out: at('cut'), learningRate: 1 }, deps)).rejects.toThrow('it was begun with other `learningRate` (0.001)');
    const gone: string[] = [];
    const again = await sft({ ...training, out: at('cut') }, deps, { onEvent: (event) => void (event.type === 'note' && gone.push(event.message)) });
    expect(gone[0]).toMatch(/^Going on from step \d+ of 24$/);
    expect({ ...again, out: '' }).toEqual({ ...whole, out: '' });
    for (const name of readdirSync(at('whole'))) expect(readFileSync(join(at('cut'), name)).equals(readFileSync(join(at('whole'), name))), name).toBe(true);
  });

  it('gives an adapter that others use', async () => {
    const asked = await generate({ prompt, maxTokens: 3, adapters: [at('whole')] }, deps);
    const { adapterDigest } = asked.completions[0] ?? {};
    const merged = await merge({ adapter: at('whole'), out: at('merged') }, deps);
    expect(merged).toMatchObject({ out: at('merged'), dtype: 'f32', adapterDigest, modules: 21, weightFiles: ['model.safetensors'] });
    const packed = await convert({ model: at('merged'), out: at('packed'), quantise: 'int8' }, deps);
    expect(packed).toMatchObject({ storedAs: 'int8', tensors: merged.tensors });
    expect(packed.weightBytes).toBeLessThan(merged.weightBytes / 2);
    const notes: string[] = [];
    const { config } = await openCheckpoint(undefined, deps);
    await openAdapter(at('whole'), { name: 'org/other', config }, { onEvent: (event) => void (event.type === 'note' && notes.push(event.message)) });
    expect(notes).toEqual([`Note: the adapter in ${at('whole')} was trained on seal-tiny; its sizes fit org/other`]);
  });
});

it('plans, and says what is missing in the document', async () => {
  const planned = await plan({ memory: '1GiB', pack: 2 }, deps);
  expect(planned).toMatchObject({ ok: true, version: '1.2.3', commit: 'abc', device: { ok: true }, model: { family: 'llama', problem: null } });
  expect(planned.plan).toMatchObject({ pack: 2, rank: 16, sequence: 512, budget: { byteLength: 2 ** 30, source: 'request', fits: 'kept' } });
  expect(planned.kernels.choices.length).toBeGreaterThan(5);
  const without = { ...deps, openGpu: () => Promise.reject(new Error('no device here')) };
  const missing = await plan({ model: at('nothing') }, without);
  expect(missing).toMatchObject({ ok: false, device: { ok: false, gpu: null, problem: 'no device here' }, plan: null, kernels: { source: 'default', choices: [] } });
  expect(missing.model.problem).toContain('Cannot find a model');
});

it('gives its device back where a model cannot be loaded', async () => {
  const checkpoint = await openCheckpoint(undefined, deps);
  const source = { ...checkpoint.source, readRows: () => Promise.reject(new Error('Cannot read it')) };
  await expect(openSession({ ...checkpoint, source } as unknown as typeof checkpoint, deps)).rejects.toThrow();
  expect(closed).toBe(opened);
});
