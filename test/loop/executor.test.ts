/** What an executor promises: policies by reference, groups in any order, files by wish, one call at a time, a stop. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { digest } from '@seal/files/node';
import {
  BASE_POLICY,
  executorSettings,
  LocalExecutor,
  loraConfig,
  weightsDigest,
  type AdaptResult,
  type AdaptWork,
  type Executor,
  type PolicyRef,
  type WorkProgress,
} from '@seal/trainer';
import { config, openWorld } from './world.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

/** The world with an executor that reads adapters from a map. */
async function open() {
  const { model, codec, executor: unused, input } = openWorld(gpu);
  await unused.close();
  const base = await model.read();
  const adapters = new Map<string, Uint8Array>();
  const asked: string[] = [];
  const executor = new LocalExecutor({
    model,
    baseWeights: () => Promise.resolve(base),
    settings: executorSettings(config, input.lengths, codec, 'untrained'),
    readAdapter(sha) {
      asked.push(sha);
      const bytes = adapters.get(sha);
      return bytes ? Promise.resolve(bytes) : Promise.reject(new RangeError(`Cannot find adapter ${sha}`));
    },
  });
  const document = (text: string) => codec.document({ prompt: '', text });
  const [context] = input.evaluation;
  const ask = input.domain.tasks(context!).slice(0, 2).map(({ prompt }) => codec.prompt(prompt));
  const work = (name: number, policy: PolicyRef = BASE_POLICY, keep = false): AdaptWork => ({
    policy, documents: [document('gecko counts as reptile')], replay: [], steps: 3 + name, stream: [1, 'work', name], ask, keep,
    rate: { learningRate: 0.01, schedule: 'constant', warmUpSteps: 0 },
  });
  const close = async () => {
    await executor.close();
    model.destroy();
  };
  return { model, executor, adapters, asked, document, ask, work, close };
}

async function adapt(executor: Executor, work: readonly AdaptWork[], onProgress?: (progress: WorkProgress) => void): Promise<AdaptResult[]> {
  const results: AdaptResult[] = [];
  for await (const group of executor.adapt(work, { onProgress })) results.push(...group);
  return results.toSorted((a, b) => a.index - b.index);
}

it('merges the adapters of a policy in their order, each once, and goes back to the weights as they were loaded', async () => {
  const { model, executor, adapters, asked, document, ask, close } = await open();
  const lora = loraConfig(config.outer.sft.lora);
  const weights = async () => weightsDigest(await model.read());
  const loaded = await executor.baseDigest();
  expect(await weights()).toBe(loaded);
  const policies = [BASE_POLICY];
  const digests = [loaded];
  for (const [round, text] of ['gecko counts as reptile', 'amber counts as colour'].entries()) {
    const policy = policies[round]!;
    const { digest: sha, files, policyDigest, losses } = await executor.fineTune({ policy, documents: [document(text)], stream: [1, 'sft', round] });
    expect(losses).toHaveLength(config.outer.sft.epochs);
    const bytes = files['adapter_model.safetensors'] as Uint8Array;
    expect(digest(bytes)).toBe(sha);
    adapters.set(sha, bytes);
    policies.push({ adapters: [...policy.adapters, { digest: sha, lora }] });
    digests.push(policyDigest);
  }
  expect(new Set(digests).size).toBe(3);
  const answers: unknown[] = [];
  for (const round of [2, 0, 1, 2]) {
    answers.push(await executor.answer([{ policy: policies[round]!, ask }]));
    expect(await weights()).toBe(digests[round]);
  }
  expect(answers[3]).toEqual(answers[0]);
  // The second fine-tuning read the first adapter; its own policy goes on from there, and from the base both are read.
  const [first, second] = [...adapters.keys()];
  expect(asked).toEqual([first, second, first, second]);
  await expect(executor.answer([{ policy: { adapters: [{ digest: 'none', lora }] }, ask }])).rejects.toThrow('Cannot find adapter none');
  // A policy that cannot be had leaves the executor as it was.
  expect(await executor.answer([{ policy: policies[2]!, ask }])).toEqual(answers[0]);
  await close();
});

it('gives every adaptation its own result, whichever policy and whoever shares its steps', async () => {
  const { executor, adapters, document, work, close } = await open();
  const { digest: sha, files } = await executor.fineTune({ policy: BASE_POLICY, documents: [document('gecko')], stream: [1, 'sft'] });
  adapters.set(sha, files['adapter_model.safetensors'] as Uint8Array);
  const tuned = { adapters: [{ digest: sha, lora: loraConfig(config.outer.sft.lora) }] };
  const all = Array.from({ length: 6 }, (_, i) => work(i, i % 2 === 0 ? BASE_POLICY : tuned, i === 4));
  const progress: WorkProgress[] = [];
  const results = await adapt(executor, all, (one) => progress.push(one));
  expect(results.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
  for (const [i, { adapted, answers }] of results.entries()) {
    expect(adapted).toMatchObject({ steps: 3 + i, status: 'ok', cause: null });
    expect(answers).toHaveLength(2);
    expect(adapted.files === null).toBe(i !== 4);
  }
  const kept = results[4]!.adapted;
  expect(digest(kept.files!['adapter_model.safetensors'] as Uint8Array)).toBe(kept.digest);
  expect(new Set(results.map(({ adapted }) => adapted.digest)).size).toBe(6);
  for (const i of [0, 5]) expect((await adapt(executor, [all[i]!]))[0]).toEqual({ ...results[i], index: 0 });
  // Adapters are counted over the whole call, and what was spent is told of both.
  const counts = progress.flatMap((one) => (one.type === 'trained' ? [one.adapters] : []));
  expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  expect(counts.at(-1)).toBe(6);
  const spent = progress.flatMap((one) => (one.type === 'spent' ? [one.on] : []));
  expect(new Set(spent)).toEqual(new Set(['adapting', 'answering']));
  await close();
});

it('does one thing at a time, and goes on after a stop and after whoever stops listening', async () => {
  const { executor, ask, work, close } = await open();
  const order: string[] = [];
  const both = Promise.all([
    adapt(executor, [work(0)]).then(() => order.push('adapt')),
    executor.answer([{ policy: BASE_POLICY, ask }]).then(() => order.push('answer')),
  ]);
  await both;
  expect(order).toEqual(['adapt', 'answer']);
  const stop = new AbortController();
  const stopped = async () => {
    for await (const _ of executor.adapt([work(40)], { signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) }));
  };
  await expect(stopped()).rejects.toThrow('enough');
  for await (const _ of executor.adapt(Array.from({ length: 6 }, (__, i) => work(i)))) break;
  expect(await adapt(executor, [work(1)])).toHaveLength(1);
  await close();
});
