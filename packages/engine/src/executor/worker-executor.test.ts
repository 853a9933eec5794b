/** A process that is killed or loses its device in the middle of its work: what is done stays done, and the rest is done elsewhere. */

import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Problem, stream } from '@seal/files';
import { readCheckpoint } from '@seal/model';
import { BASE_POLICY, createCodec, executorSettings, lengthsOf, type AdaptResult, type AdaptWork, type Codec, type ExecutorSettings } from '@seal/trainer';
import { contextsOf, tinyDomain } from '@seal/tiny';
import { tinyConfig } from '../presets/tiny.ts';
import { SHIPPED_MODEL } from '../session.ts';
import { WorkerExecutor } from './worker-executor.ts';

/** One adapter at a time, so that work is done piece by piece. */
const config = { ...tinyConfig, inner: { ...tinyConfig.inner, packSize: 1, tokensPerStep: 512, documentsPerStep: 1 } };
const contexts = contextsOf('dev', 4, 5);

let codec: Codec;
let settings: ExecutorSettings;
let expected: AdaptResult[];
const open: WorkerExecutor[] = [];
const notes: string[] = [];

function start(): WorkerExecutor {
  const executor = new WorkerExecutor({
    work: { directory: SHIPPED_MODEL, weights: null, settings, tuningFolder: null, dawnVersion: null, verbose: false },
    readAdapter: () => Promise.reject(new RangeError('no adapter is asked for')),
    onNote: (note) => notes.push(note),
  });
  open.push(executor);
  return executor;
}

const work = (steps: number): AdaptWork[] =>
  contexts.map((context, i) => ({
    policy: BASE_POLICY,
    documents: tinyDomain.always(context).map((sequence) => codec.document(sequence)),
    replay: [],
    steps,
    rate: { learningRate: 3e-3, schedule: 'constant', warmUpSteps: 0 },
    stream: [7, 'adapt', i],
    ask: tinyDomain.tasks(context).slice(0, 2).map(({ prompt }) => codec.prompt(prompt)),
    keep: i === 0,
  }));

beforeAll(async () => {
  const { tokenizer, config: model } = await readCheckpoint(SHIPPED_MODEL);
  codec = createCodec(tokenizer, model, model.maxPositionEmbeddings);
  settings = executorSettings(config, lengthsOf(config, model.maxPositionEmbeddings, 256), codec, 'seal-tiny');
  const executor = start();
  expected = [];
  for await (const group of executor.adapt(work(12))) expected.push(...group);
  await executor.close();
}, 120_000);

afterEach(async () => {
  notes.length = 0;
  for (const executor of open.splice(0)) await executor.close();
});

const byIndex = (results: readonly AdaptResult[]) => results.toSorted((a, b) => a.index - b.index);

describe('a worker executor', () => {
  it.each<[string, (executor: WorkerExecutor) => void]>([
    ['is killed', (executor) => process.kill(executor.pid ?? 0, 'SIGKILL')],
    ['loses its device', (executor) => executor.dropDevice()],
  ])('that %s in the middle of an adaptation does again that one and no other', async (_, strike) => {
    const executor = start();
    const results: AdaptResult[] = [];
    /** Adapters under way when the process ended, and what was yielded by then. */
    let struck: number | null = null;
    const first = executor.pid;
    let afterwards = 0;
    const onProgress = (progress: { readonly type: string; readonly adapters?: number; readonly underWay?: number }) => {
      if (progress.type !== 'trained') return;
      if (struck !== null) afterwards = Math.max(afterwards, progress.adapters ?? 0);
      else if (results.length === 2 && progress.underWay === 1) {
        struck = results.length;
        strike(executor);
      }
    };
    for await (const group of executor.adapt(work(12), { onProgress })) results.push(...group);
    expect(struck).toBe(2);
    expect(executor.pid).not.toBe(first);
    expect(byIndex(results)).toEqual(byIndex(expected));
    // The second process was given what the first had not finished, and nothing else.
    expect(afterwards).toBeLessThanOrEqual(2);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/^The process that computes was lost: .*Another one does again what it was at$/);
  }, 60_000);

  it('stops after the step under way, and answers the next call', async () => {
    const executor = start();
    const controller = new AbortController();
    let stopped = NaN;
    const onProgress = () => {
      if (controller.signal.aborted) return;
      stopped = performance.now();
      controller.abort(new Error('enough'));
    };
    const all = async () => {
      for await (const _ of executor.adapt(work(5_000), { onProgress, signal: controller.signal }));
    };
    await expect(all()).rejects.toThrow('enough');
    expect(performance.now() - stopped).toBeLessThan(5_000);
    const [[answer] = []] = await executor.answer([{ policy: BASE_POLICY, ask: [codec.prompt('mossy')] }]);
    expect(answer?.tokens.length).toBeGreaterThanOrEqual(0);
  }, 60_000);

  it('stops what nobody waits for any more', async () => {
    const executor = start();
    const long = work(24).map((one, i) => (i === 0 ? one : { ...one, steps: 5_000 }));
    // Those with the most steps come first, so one that takes none is the first of all.
    for await (const _ of executor.adapt([{ ...long[0]!, steps: 0 }, ...long.slice(1)])) break;
    const left = performance.now();
    await executor.answer([{ policy: BASE_POLICY, ask: [codec.prompt('mossy')] }]);
    expect(performance.now() - left).toBeLessThan(10_000);
  }, 60_000);

  it('passes on what a listener throws, without taking the process for lost', async () => {
    const executor = start();
    const before = executor.pid;
    const onProgress = () => {
      throw new TypeError('a listener of ours is wrong');
    };
    const all = async () => {
      for await (const _ of executor.adapt(work(24), { onProgress }));
    };
    await expect(all()).rejects.toThrow('a listener of ours is wrong');
    await executor.baseDigest();
    expect(executor.pid).toBe(before);
    expect(notes).toEqual([]);
  }, 60_000);

  it('starts no other process for what was under way when it was closed', async () => {
    const executor = start();
    const digest = executor.baseDigest();
    const { pid } = executor;
    await Promise.all([expect(digest).rejects.toThrow('The executor was closed'), executor.close()]);
    expect(executor.pid).toBe(pid);
    expect(notes).toEqual([]);
  }, 60_000);

  it('says why an adapter cannot be had', async () => {
    const executor = new WorkerExecutor({
      work: { directory: SHIPPED_MODEL, weights: null, settings, tuningFolder: null, dawnVersion: null, verbose: false },
      readAdapter: () => Promise.reject(new Problem('data', 'Cannot read adapter x: its bytes do not have the hash it is named by')),
      onNote: () => {},
    });
    open.push(executor);
    const policy = { adapters: [{ digest: 'x', lora: settings.inner.lora }] };
    await expect(executor.answer([{ policy, ask: [codec.prompt('mossy')] }])).rejects.toMatchObject({ kind: 'data', message: expect.stringContaining('the hash it is named by') });
  }, 60_000);

  it('leaves the thread that talks to people free while it works', async () => {
    const executor = start();
    const adapting = (async () => {
      for await (const _ of executor.adapt(work(12)));
    })();
    let longest = 0;
    let before = performance.now();
    let over = false;
    void adapting.then(() => (over = true));
    while (!over) {
      await setTimeout(5);
      const now = performance.now();
      longest = Math.max(longest, now - before);
      before = now;
    }
    await adapting;
    // Compiling, training and hashing go on elsewhere; what is left is a busy machine's scheduling.
    expect(longest).toBeLessThan(1_000);
  }, 60_000);

  it('gives up where no process lasts, and says so as something to go on with', async () => {
    const executor = start();
    const kill = () => process.kill(executor.pid ?? 0, 'SIGKILL');
    const killing = setInterval(kill, 30);
    try {
      await expect(executor.baseDigest()).rejects.toMatchObject({ kind: 'resumable', message: expect.stringMatching(/was lost 3 times in a row/) });
    } finally {
      clearInterval(killing);
    }
  }, 60_000);

  it('passes on what is wrong with what it is given, with its kind', async () => {
    const missing = new WorkerExecutor({
      work: { directory: '/nowhere', weights: null, settings, tuningFolder: null, dawnVersion: null, verbose: false },
      readAdapter: () => Promise.reject(new RangeError('none')),
      onNote: () => {},
    });
    open.push(missing);
    await expect(missing.open()).rejects.toMatchObject({ kind: 'unavailable', message: expect.stringContaining('/nowhere') });
    const executor = start();
    const long = { ...work(1)[0]!, documents: [{ tokens: Array.from({ length: 600 }, () => 5) }], stream: [1, 'long'] as const };
    const all = async () => {
      for await (const _ of executor.adapt([long]));
    };
    await expect(all()).rejects.toThrow('tokensPerStep is 512');
  }, 60_000);

  it('samples by the names of streams', async () => {
    const executor = start();
    const [context] = contexts;
    const prompt = codec.prompt(tinyDomain.prompt(context!));
    const write = async (streams: readonly (readonly [number, ...string[]])[]) => {
      const texts: string[] = [];
      for await (const group of executor.write([{ policy: BASE_POLICY, prompt, streams, temperature: 1 }])) texts.push(...group.flat().map(({ tokens }) => tokens.join()));
      return texts;
    };
    const [a, b] = await write([[1, 'a'], [1, 'b']]);
    expect(await write([[1, 'b'], [1, 'a']])).toEqual([b, a]);
    expect(a).not.toBe(b);
    expect(stream(1, 'a').next()).toBe(stream(1, 'a').next());
  }, 60_000);
});
