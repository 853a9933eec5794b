/** Small models of every family against transformers and PEFT in float64; families/README.md tells what was recorded. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import {
  adapterFiles,
  checkpointFiles,
  FullTrainer,
  Generator,
  loadModel,
  LoraPack,
  LoraTrainer,
  parseAdapterFile,
  parseConfig,
  parseSafetensors,
  readAdapter,
  readWeights,
  type Segment,
} from '@seal/model';
import { type Expected, logProbability, openFixture, readJson, readTensors, relativeL2, scoreLogits, settings } from './fixture.ts';

interface Continuation {
  readonly tokens: readonly number[];
}
interface FamilyExpected extends Expected {
  readonly prompt: readonly number[];
  readonly base: { readonly greedy: Continuation };
  readonly lora: Expected['lora'] & {
    readonly greedy: Continuation;
    readonly sampled: Continuation & { readonly logprobs: readonly number[] };
  };
}

const VARIANTS = [
  'llama-tied',
  'llama-untied',
  'llama-llama3',
  'llama-linear',
  'llama-bias',
  'qwen2',
  'qwen2-window',
  'qwen3',
  'qwen3-window',
  'gemma3',
  'gemma3-linear',
] as const;

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

const open = (variant: string, change?: object) =>
  openFixture<FamilyExpected>(gpu, new URL(`families/${variant}/`, import.meta.url), change);

describe.each(VARIANTS)('%s', (variant) => {
  it('has the logits of transformers and PEFT', async () => {
    const { model, pack, segment, tensor } = open(variant);
    for (const [kind, adapters] of [['base', null], ['lora', pack]] as const) {
      const all = await scoreLogits(model, adapters, [segment]);
      all.forEach((logits, i) => expect(relativeL2(logits, tensor(`${kind}.logits.${i}`)), kind).toBeLessThanOrEqual(1e-5));
    }
    expect(relativeL2(tensor('base.logits.1'), tensor('lora.logits.1'))).toBeGreaterThan(1e-2);
  });

  it('has them to 5e-3 where weights are held as f16', async () => {
    const { pack, segment, tensor } = open(variant);
    const model = await loadModel(gpu, await readWeights(fileURLToPath(new URL(`families/${variant}`, import.meta.url))), { weights: 'f16' });
    for (const [kind, adapters] of [['base', null], ['lora', pack]] as const) {
      const all = await scoreLogits(model, adapters, [segment]);
      for (const [i, logits] of all.entries()) {
        const error = relativeL2(logits, tensor(`${kind}.logits.${i}`));
        expect(error, kind).toBeLessThanOrEqual(5e-3);
        expect(error, `${kind}: the weights are rounded`).toBeGreaterThan(1e-5);
      }
    }
    model.destroy();
  });

  it.each([false, true])('has the loss, every LoRA gradient and 20 steps of AdamW, recompute %s', async (recompute) => {
    const { model, pack, segment, expected, adapter, adapterErrors } = open(variant);
    const { loss, optimizer, losses } = expected.lora;
    const trainer = new LoraTrainer(model, pack, { tokens: 48, steps: optimizer.steps, recompute }, settings(optimizer));
    trainer.begin([adapter]);
    trainer.step([segment], [optimizer.learningRate]);
    const [gradient] = await pack.readGradients();
    for (const { name, error } of adapterErrors('lora.grad.', gradient)) expect(error, name).toBeLessThanOrEqual(1e-4);
    for (let step = 1; step < optimizer.steps; step++) trainer.step([segment], [optimizer.learningRate]);
    const measured = (await trainer.losses()).map(([first]) => first);
    expect(Math.abs(measured[0] / loss - 1)).toBeLessThanOrEqual(1e-4);
    expect(relativeL2(measured, losses)).toBeLessThanOrEqual(1e-4);
    const [after] = await pack.read(1);
    for (const { name, error } of adapterErrors('lora.after.', after)) expect(error, name).toBeLessThanOrEqual(1e-4);
  });

  it('continues greedily with the same 64 tokens', async () => {
    const { model, pack, expected } = open(variant);
    const { prompt } = expected;
    for (const [kind, adapters] of [['base', null], ['lora', pack]] as const) {
      const generator = new Generator(model, adapters, { slots: 1, length: 128, prefillTokens: 64 });
      const options = { temperature: 0, topP: 1, maxNewTokens: 64, stopTokens: [] };
      const [[completion]] = await generator.generate([{ prompt, draws: [() => 0] }], options);
      expect(completion.tokens, kind).toEqual(expected[kind].greedy.tokens);
      generator.destroy();
    }
  });

  it('gives sampled tokens their log-probabilities', async () => {
    const { model, pack, expected } = open(variant);
    const { prompt, lora: { sampled } } = expected;
    const V = model.config.vocabSize;
    const [logits] = await scoreLogits(model, pack, [[{ tokens: [...prompt, ...sampled.tokens] }]]);
    sampled.tokens.forEach((token, i) => {
      const at = (prompt.length + i - 1) * V;
      expect(Math.abs(logProbability(logits.subarray(at, at + V), token) - sampled.logprobs[i])).toBeLessThanOrEqual(1e-4);
    });
  });
});

describe.each(['llama-bias', 'qwen2', 'qwen3', 'gemma3'])('all weights of %s', (variant) => {
  it('follow three steps of AdamW', async () => {
    const { model, segment, expected, weightErrors } = open(variant);
    const { optimizer, losses, rowStride } = expected.full!;
    const trainer = new FullTrainer(model, { tokens: 48, steps: optimizer.steps }, settings(optimizer));
    trainer.step(segment, optimizer.learningRate);
    const gradients = weightErrors('full.grad', await trainer.gradients(), rowStride);
    for (const { name, error } of gradients) expect(error, name).toBeLessThanOrEqual(1e-4);
    for (let step = 1; step < optimizer.steps; step++) trainer.step(segment, optimizer.learningRate);
    expect(relativeL2(await trainer.losses(), losses)).toBeLessThanOrEqual(1e-4);
    for (const { name, error } of weightErrors('full.after', await model.read(), rowStride)) {
      expect(error, name).toBeLessThanOrEqual(1e-4);
    }
  });
});

describe('weights that are stored less 1', () => {
  it('keep their bits when they are read, trained at a rate of 0 and written', async () => {
    const folder = fileURLToPath(new URL('families/gemma3', import.meta.url));
    const checkpoint = await readWeights(folder);
    const model = await loadModel(gpu, checkpoint);
    const { segment, expected } = open('gemma3');
    const trainer = new FullTrainer(model, { tokens: 48, steps: 1 }, settings(expected.full!.optimizer));
    trainer.step(segment, 0);
    const { config, weights } = checkpointFiles(model.config, await model.read());
    const written = parseSafetensors(weights, 'written');
    const stored = parseSafetensors(readFileSync(`${folder}/model.safetensors`), 'stored');
    expect([...written.keys()].toSorted()).toEqual([...stored.keys()].toSorted());
    for (const [name, { bytes }] of stored) expect(Buffer.from(bytes).equals(written.get(name)!.bytes), name).toBe(true);
    expect(parseConfig(JSON.parse(config), 'written')).toEqual(model.config);
    model.destroy();
  });
});

describe.each(['llama-bias', 'qwen2-window', 'qwen3-window', 'gemma3'])('an adapter of %s', (variant) => {
  it('is trained to the same bytes whatever shares its pack', async () => {
    const { model, lora, adapter, segment, expected } = open(variant);
    const pack = new LoraPack(gpu.device, model.config, lora, 3);
    const optimiser = settings(expected.lora.optimizer);
    const train = async (slot: number, others: Segment) => {
      const trainer = new LoraTrainer(model, pack, { tokens: 128, steps: 3 }, optimiser);
      trainer.begin([0, 1, 2].map((e) => (e === slot ? adapter : adapter.map((value) => value / (e + 2)))));
      for (let step = 0; step < 3; step++) {
        trainer.step([0, 1, 2].map((e) => (e === slot ? segment : others)), [1e-3, 1e-3, 1e-3]);
      }
      const [values, losses] = [await pack.readSlot(slot), await trainer.losses()];
      trainer.destroy();
      return { values, losses: losses.map((row) => row[slot]) };
    };
    const [first] = segment;
    const alone = await train(0, []);
    expect(alone.values).not.toEqual(adapter);
    expect(await train(2, [first])).toEqual(alone);
    expect(await train(1, [first, first])).toEqual(alone);
    pack.destroy();
  });
});

describe.each(['llama-untied', 'qwen2', 'gemma3'])('an exported adapter of %s', (variant) => {
  const at = (name: string) => new URL(`families/exported/${variant}/${name}`, import.meta.url);

  it('has the logits that PEFT computes with it', async () => {
    const { model, pack, expected } = open(variant);
    const config = { json: readJson(at('adapter_config.json')), place: 'adapter_config.json' };
    const weights = { bytes: readFileSync(at('adapter_model.safetensors')), place: 'adapter_model.safetensors' };
    const { lora, values } = readAdapter(config, weights, model.config);
    expect(lora).toEqual(pack.config);
    pack.write(0, values);
    const { tokens } = expected.sequences[1];
    const [logits] = await scoreLogits(model, pack, [[{ tokens }]]);
    expect(relativeL2(logits, readTensors(at('peft-logits.safetensors')).get('logits') ?? [])).toBeLessThanOrEqual(1e-5);
  });

  it('is what is written today', () => {
    const { layout, lora } = open(variant);
    const bytes = readFileSync(at('adapter_model.safetensors'));
    const files = adapterFiles(layout, lora, parseAdapterFile(bytes, layout, lora.rank, 'adapter'), variant);
    expect(bytes.equals(files['adapter_model.safetensors'])).toBe(true);
    expect(files['adapter_config.json']).toBe(readFileSync(at('adapter_config.json'), 'utf8'));
  });
});

describe('what the configuration says counts', () => {
  it.each<[string, object]>([
    ['llama-llama3', { rope_scaling: null }],
    ['llama-linear', { rope_scaling: null }],
    ['llama-bias', { rope_theta: 20_000 }],
    ['qwen2-window', { use_sliding_window: false }],
    ['qwen2-window', { sliding_window: 9 }],
    ['qwen2-window', { max_window_layers: 2 }],
    ['qwen3-window', { layer_types: ['full_attention', 'sliding_attention'] }],
    ['gemma3', { sliding_window: 8 }],
    ['gemma3', { sliding_window_pattern: 3 }],
    ['gemma3', { rope_theta: 10_000 }],
    ['gemma3', { rope_local_base_freq: 1_000_000 }],
    ['gemma3', { query_pre_attn_scalar: 16 }],
    ['gemma3-linear', { rope_parameters: { full_attention: { rope_theta: 1e6 }, sliding_attention: { rope_theta: 500 } } }],
    ['gemma3-linear', { rope_parameters: { full_attention: { rope_type: 'linear', factor: 8, rope_theta: 1e6 } } }],
  ])('%s with %o has other logits', async (variant, change) => {
    const { model, segment, tensor } = open(variant, change);
    const [, logits] = await scoreLogits(model, null, [segment]);
    expect(relativeL2(logits, tensor('base.logits.1'))).toBeGreaterThan(1e-3);
  });
});
