import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digest } from '@seal/files/node';
import { openGpu, type Gpu } from '@seal/device';
import { AdapterPool, type PooledAdapter } from './adapter-pool.ts';
import { PoolGenerator, type PoolRequest } from '../sampling/pool-generator.ts';
import { initialWeights } from '../files/checkpoint.ts';
import { parseConfig } from '../config.ts';
import { scoreLogits, uniform } from '../fixture.ts';
import { Generator } from '../sampling/generation.ts';
import { loraLayout, LoraPack, type LoraConfig } from './lora.ts';
import { Model } from '../model.ts';
import { layerTensor } from '../parameters.ts';
import { PROJECTIONS } from '../model-config.ts';
import { adapterFile } from './peft.ts';

const ADAPTERS = 64;
const config = parseConfig(
  {
    model_type: 'llama', vocab_size: 80, hidden_size: 16, intermediate_size: 12, num_hidden_layers: 1,
    num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 32, tie_word_embeddings: false,
  },
  'the test',
);
const { vocabSize: V, hiddenSize: C } = config;
const greedy = { temperature: 0, topP: 1, maxNewTokens: 2, stopTokens: [] };
const draws = [() => 0];

/**
 * Weights under which an adapter can say its number: rows of the head have length 1, and the first unit of the
 * feed-forward layer, z silu(z), is positive.
 */
function speakingWeights(): Map<string, Float32Array> {
  const draw = uniform(1);
  const weights = initialWeights(config, () => 4 * (draw() + draw() + draw() - 1.5));
  const head = weights.get('lm_head.weight')!;
  for (let v = 0; v < V; v++) {
    const row = head.subarray(v * C, (v + 1) * C);
    const length = Math.hypot(...row);
    row.forEach((value, c) => (row[c] = value / length));
  }
  // Short, so that silu stays clear of its vanishing end: |z| is at most 2.
  const gate = weights.get(layerTensor(0, 'mlp.gate_proj'))!.subarray(0, C);
  const length = Math.hypot(...gate);
  gate.forEach((value, c) => (gate[c] = value / (2 * length)));
  weights.get(layerTensor(0, 'mlp.up_proj'))!.set(gate);
  return weights;
}
const weights = speakingWeights();

const TARGETS: readonly LoraConfig['targets'][] = [
  ['mlp.down_proj'],
  ['self_attn.q_proj', 'mlp.down_proj'],
  ['self_attn.v_proj', 'self_attn.o_proj', 'mlp.down_proj'],
  ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj', 'mlp.down_proj'],
];

/** An adapter after which every next token is `number`: it adds so much of that token's row of the head that nothing else counts. */
function speaking(number: number): PooledAdapter {
  const draw = uniform(100 + number);
  const rank = 1 + (number % 4);
  const lora: LoraConfig = { rank, alpha: 1 + (number % 7), rankStabilised: number % 5 === 0, targets: TARGETS[(number >> 2) % 4]! };
  const layout = loraLayout(config, lora);
  const values = Float32Array.from({ length: layout.stride }, () => 0.2 * (draw() - 0.5));
  const { offsetA, offsetB, inner } = layout.places.find(({ projection }) => projection === 'mlp.down_proj')!;
  values.fill(0, offsetA, offsetA + rank * inner);
  values[offsetA] = 1;
  const row = weights.get('lm_head.weight')!.subarray(number * C, (number + 1) * C);
  row.forEach((value, c) => (values[offsetB + c] = 1e10 * value));
  return { lora, layout, values, digest: digest(adapterFile(layout, lora, values)) };
}
const adapters = Array.from({ length: ADAPTERS }, (_, number) => speaking(number));

let gpu: Gpu;
let model: Model;
let plain: Generator;
beforeAll(async () => {
  gpu = await openGpu();
  model = new Model(gpu, config);
  model.write(weights);
  plain = new Generator(model, null, { slots: 64, length: 16, prefillTokens: 512 });
});
afterAll(() => {
  plain.destroy();
  model.destroy();
  gpu.close();
});

function poolOf(slots: number): AdapterPool {
  const pool = new AdapterPool(model, { slots, rank: 4, targets: PROJECTIONS });
  adapters.forEach((adapter) => pool.add(adapter));
  return pool;
}

describe('PoolGenerator', () => {
  it('answers 10,000 interleaved requests over 64 adapters in 16 slots, each by the adapter that was asked', async () => {
    const pool = poolOf(16);
    const generator = new PoolGenerator(model, pool, { slots: 64, length: 16, prefillTokens: 512 });
    const draw = uniform(3);
    const prompts = Array.from({ length: 40 }, (_, i) => Array.from({ length: 1 + (i % 6) }, () => Math.floor(draw() * V)));
    const alone = await plain.generate(prompts.map((prompt) => ({ prompt, draws })), greedy);
    const calls = Array.from({ length: 50 }, () =>
      Array.from({ length: 200 }, () => {
        // One in 65 asks the weights alone.
        const number = Math.floor(draw() * (ADAPTERS + 1));
        const which = Math.floor(draw() * prompts.length);
        return { number, which, request: { prompt: prompts[which] ?? [], adapter: adapters[number]?.digest ?? null, draws } satisfies PoolRequest };
      }),
    );
    const answers = await Promise.all(calls.map((call) => generator.generate(call.map(({ request }) => request), greedy)));
    let [answered, unadapted] = [0, 0];
    calls.forEach((call, i) =>
      call.forEach(({ number, which, request }, j) => {
        const [completion] = answers[i]?.[j] ?? [];
        const said = number < ADAPTERS ? [number, number] : alone[which]?.[0]?.tokens;
        if (completion?.tokens.join() !== said?.join() || completion?.adapterDigest !== request.adapter) {
          throw new Error(`asked ${number} (${request.adapter}), answered ${completion?.tokens.join()} (${completion?.adapterDigest})`);
        }
        answered += 1;
        if (number === ADAPTERS) unadapted += 1;
      }),
    );
    expect(answered).toBe(10_000);
    expect(unadapted).toBeGreaterThan(50);
    // Every call needs nearly all adapters, which take turns.
    expect(pool.loads).toBeGreaterThan(1_000);
    generator.destroy();
    pool.destroy();
  });

  it('gives the bits that the adapter gives in a pack of its own', async () => {
    const pool = poolOf(3);
    const tokens = [5, 9, 77, 3];
    for (const number of [0, 7, 13, 31]) {
      const adapter = adapters[number]!;
      const lease = pool.bind(adapter.digest);
      const segments = Array.from({ length: 4 }, (_, slot) => (slot === lease.slot ? [{ tokens }] : []));
      const [pooled] = await scoreLogits(model, pool.pack, segments);
      const own = new LoraPack(gpu.device, config, adapter.lora, 1);
      own.write(0, adapter.values);
      const [alone] = await scoreLogits(model, own, [[{ tokens }]]);
      own.destroy();
      lease.release();
      expect(pooled?.length).toBe(4 * V);
      const worst = Math.max(...pooled!.map((logit, i) => Math.abs(logit - alone![i]!)));
      // Another rank sums in another order.
      expect(worst, `adapter ${number}`).toBeLessThan(1e-5);
    }
    pool.destroy();
  });

  it('tells pieces by the request that they belong to', async () => {
    const pool = poolOf(2);
    const generator = new PoolGenerator(model, pool, { slots: 4, length: 16, prefillTokens: 64 });
    const wanted = [9, 50, 9, 33, 12];
    const requests = wanted.map((number) => ({ prompt: [1, 2], adapter: adapters[number]!.digest, draws }));
    const seen: number[][] = wanted.map(() => []);
    await generator.generate(requests, { ...greedy, onPieces: (pieces) => pieces.forEach(({ request, tokens }) => seen[request]!.push(...tokens)) });
    expect(seen).toEqual(wanted.map((number) => [number, number]));
    expect(pool.loads).toBe(4);
    generator.destroy();
    pool.destroy();
  });

  it('refuses what it cannot answer, and goes on', async () => {
    const pool = poolOf(1);
    const generator = new PoolGenerator(model, pool, { slots: 4, length: 16, prefillTokens: 64 });
    const ask = (adapter: string | null) => generator.generate([{ prompt: [1], adapter, draws }], greedy);
    await expect(ask('no such digest')).rejects.toThrow('Cannot ask adapter no such digest: the pool does not have it');
    const lease = pool.bind(adapters[4]!.digest);
    await expect(ask(adapters[5]!.digest)).rejects.toThrow('all slots of the pool are in use');
    expect((await ask(adapters[4]!.digest))[0]?.[0]?.tokens).toEqual([4, 4]);
    expect((await ask(null))[0]?.[0]?.adapterDigest).toBeNull();
    lease.release();
    lease.release();
    expect((await ask(adapters[5]!.digest))[0]?.[0]).toMatchObject({ tokens: [5, 5], adapterDigest: adapters[5]!.digest });
    generator.destroy();
    pool.destroy();
  });
});

describe('AdapterPool', () => {
  it('gives the slot that was used longest ago, and none in use', () => {
    const pool = poolOf(3);
    const of = (number: number) => adapters[number]!.digest;
    const bound = () => [1, 2, 3].map((slot) => adapters.findIndex(({ digest: own }) => own === pool.digestIn(slot)));
    for (const number of [0, 1, 2, 0]) pool.bind(of(number)).release();
    expect(bound()).toEqual([0, 1, 2]);
    pool.bind(of(3)).release();
    expect(bound()).toEqual([0, 3, 2]);
    const held = [pool.bind(of(2)), pool.bind(of(0)), pool.bind(of(2))];
    pool.bind(of(4)).release();
    expect(bound()).toEqual([0, 4, 2]);
    expect(pool.canBind(of(5))).toBe(true);
    held.push(pool.bind(of(4)));
    expect(pool.canBind(of(5))).toBe(false);
    expect(() => pool.bind(of(5))).toThrow(`Cannot bind adapter ${of(5)}: all 3 slots are in use`);
    held[0]?.release();
    expect(pool.canBind(of(5))).toBe(false);
    held[2]?.release();
    pool.bind(of(5)).release();
    expect(bound()).toEqual([0, 4, 5]);
    expect(pool.loads).toBe(6);
    pool.destroy();
  });

  it('refuses adapters that do not fit', () => {
    const pool = new AdapterPool(model, { slots: 2, rank: 2, targets: ['mlp.down_proj'] });
    expect(() => pool.add(speaking(3))).toThrow('it has rank 4, the pool was made for ranks up to 2 of mlp.down_proj');
    expect(() => pool.add(speaking(4))).toThrow('it adapts self_attn.q_proj');
    expect(() => new AdapterPool(model, { slots: 0, rank: 1, targets: PROJECTIONS })).toThrow('with 0 slots');
    pool.destroy();
  });

  it('is not believed where a slot changes under an answer', async () => {
    const pack = new LoraPack(gpu.device, config, { rank: 1, alpha: 1, targets: ['mlp.down_proj'] }, 1);
    let reads = 0;
    const generator = new Generator(model, pack, { slots: 1, length: 16, prefillTokens: 64 }, () => `digest ${reads++}`);
    await expect(generator.generate([{ prompt: [1], draws }], greedy)).rejects.toThrow('slot 0 held adapter digest 0 at first and digest 1 at last');
    generator.destroy();
    pack.destroy();
  });
});
