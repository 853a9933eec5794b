import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { drawnAdapter, scoreLogits, smallConfig, smallWeights, uniform } from '../fixture.ts';
import { Generator, type GenerationRequest } from './generation.ts';
import { scoreTokens } from './inference.ts';
import { LoraPack } from '../adapters/lora.ts';
import { Model } from '../model.ts';
import { argmaxOf, logProbabilities, mostLikely, sampleToken } from './sampler.ts';

const V = smallConfig.vocabSize;
const lora = { rank: 4, alpha: 8, targets: ['self_attn.q_proj', 'mlp.up_proj'] } as const;
const sizes = { slots: 5, length: 40, prefillTokens: 64 };
const greedy = { temperature: 0, topP: 1, maxNewTokens: 12, stopTokens: [2] };
const sampled = { ...greedy, temperature: 1, topP: 0.95 };

let gpu: Gpu;
let model: Model;
let pack: LoraPack;
let plain: Generator;
let adapted: Generator;
beforeAll(async () => {
  gpu = await openGpu();
  model = new Model(gpu, smallConfig);
  model.write(smallWeights(smallConfig));
  pack = new LoraPack(gpu.device, smallConfig, lora, 3);
  for (let e = 0; e < 3; e++) pack.write(e, drawnAdapter(pack.layout, uniform(20 + e), 2));
  plain = new Generator(model, null, sizes);
  adapted = new Generator(model, pack, sizes);
});
afterAll(() => {
  plain.destroy();
  adapted.destroy();
  pack.destroy();
  model.destroy();
  gpu.close();
});

const prompt = (seed: number, length: number) => {
  const draw = uniform(seed);
  return Array.from({ length }, () => 3 + Math.floor(draw() * (V - 3)));
};

/** The same continuation by reading the whole sequence again for every token. */
async function slowly(request: GenerationRequest, options: typeof greedy, withPack: LoraPack | null): Promise<{ tokens: number[]; finish: string }> {
  const tokens: number[] = [];
  const [draw] = request.draws;
  while (tokens.length < options.maxNewTokens && request.prompt.length + tokens.length + 1 <= sizes.length) {
    const segments = Array.from({ length: (request.adapter ?? 0) + 1 }, (_, e) => (e === (request.adapter ?? 0) ? [{ tokens: [...request.prompt, ...tokens] }] : []));
    const [logits] = await scoreLogits(model, withPack, segments);
    const last = logits.subarray(-V);
    const token = options.temperature === 0 ? argmaxOf(last) : sampleToken(last, options, draw());
    if (options.stopTokens.includes(token)) return { tokens, finish: 'stop' };
    tokens.push(token);
  }
  return { tokens, finish: 'length' };
}

describe('Generator', () => {
  it('continues greedily as repeated full forward passes do', async () => {
    const requests = [1, 3, 8, 9, 17].map((length, i) => ({ prompt: prompt(i, length), draws: [() => 0] }));
    const together = await plain.generate(requests, greedy);
    for (const [i, request] of requests.entries()) expect(together[i][0], `request ${i}`).toEqual(await slowly(request, greedy, null));
    expect(new Set(together.map(([{ tokens }]) => tokens.join())).size).toBeGreaterThan(1);
  });

  it('continues with each sequence’s own adapter', async () => {
    const requests = [2, 0, 1, 2].map((adapter, i) => ({ prompt: prompt(30, 6 + i), adapter, draws: [() => 0] }));
    const together = await adapted.generate(requests, greedy);
    for (const [i, request] of requests.entries()) expect(together[i][0], `request ${i}`).toEqual(await slowly(request, greedy, pack));
    const same = [0, 1, 2].map((adapter) => ({ prompt: prompt(31, 7), adapter, draws: [() => 0] }));
    const differing = await adapted.generate(same, greedy);
    expect(new Set(differing.map(([{ tokens }]) => tokens.join())).size).toBeGreaterThan(1);
  });

  it('draws what it would draw alone, whatever shares the batch, slots or prompt', async () => {
    // More completions than slots, several to a prompt, prompts over two prefills.
    const wanted = () => [5, 20, 30, 11].map((length, i) => ({ prompt: prompt(40 + i, length), draws: [0, 1, 2].map((s) => uniform(100 * i + s)) }));
    const together = await plain.generate(wanted(), sampled);
    expect(together.map((samples) => samples.length)).toEqual([3, 3, 3, 3]);
    for (const [i, { prompt: own }] of wanted().entries()) {
      for (const s of [0, 1, 2]) {
        const [[alone]] = await plain.generate([{ prompt: own, draws: [uniform(100 * i + s)] }], sampled);
        expect(together[i][s], `request ${i}, sample ${s}`).toEqual(alone);
      }
    }
    expect(await plain.generate(wanted(), sampled)).toEqual(together);
    const { tokens, finish } = together[0][1];
    expect({ tokens, finish }).toEqual(await slowly({ prompt: prompt(40, 5), draws: [uniform(1)] }, sampled, null));
  });

  it('leaves the stop token out and says why a completion ended', async () => {
    const request = { prompt: prompt(1, 3), draws: [() => 0] };
    const [[free]] = await plain.generate([request], { ...greedy, stopTokens: [] });
    expect(free).toMatchObject({ finish: 'length' });
    expect(free.tokens).toHaveLength(12);
    const stop = free.tokens[4];
    const [[stopped]] = await plain.generate([request], { ...greedy, stopTokens: [stop] });
    expect(stopped).toEqual({ tokens: free.tokens.slice(0, free.tokens.indexOf(stop)), finish: 'stop' });
    const [[first]] = await plain.generate([request], { ...greedy, stopTokens: [free.tokens[0]] });
    expect(first).toEqual({ tokens: [], finish: 'stop' });
    const [[one]] = await plain.generate([request], { ...greedy, stopTokens: [], maxNewTokens: 1 });
    expect(one).toEqual({ tokens: free.tokens.slice(0, 1), finish: 'length' });
  });

  it('ends where the cache ends', async () => {
    const request = { prompt: prompt(2, 36), draws: [() => 0] };
    const [[completion]] = await plain.generate([request], { ...greedy, stopTokens: [], maxNewTokens: 100 });
    expect(completion.finish).toBe('length');
    expect(completion.tokens.length).toBeGreaterThan(0);
    expect(request.prompt.length + completion.tokens.length).toBeLessThanOrEqual(sizes.length);
    const [[longest]] = await plain.generate([{ prompt: prompt(2, 39), draws: [() => 0] }], { ...greedy, stopTokens: [] });
    expect(longest.tokens).toHaveLength(1);
  });

  it('answers no request with nothing and refuses prompts that do not fit', async () => {
    expect(await plain.generate([], greedy)).toEqual([]);
    expect(await plain.generate([{ prompt: [3], draws: [] }], greedy)).toEqual([[]]);
    await expect(plain.generate([{ prompt: [], draws: [() => 0] }], greedy)).rejects.toThrow('Cannot continue an empty prompt');
    await expect(plain.generate([{ prompt: prompt(0, 40), draws: [() => 0] }], greedy)).rejects.toThrow('Cannot continue a prompt of 40 tokens: there is room for 39');
    expect(() => new Generator(model, null, { ...sizes, length: 65 })).toThrow('the model has 64 positions');
  });

  it('gives log-probabilities under the distribution of the model, greedy or drawn', async () => {
    const requests = [4, 9].map((length, i) => ({ prompt: prompt(50 + i, length), draws: [uniform(i), uniform(9 + i)] }));
    const settings = [{ ...greedy, stopTokens: [] }, { ...sampled, topK: 5, minP: 0.01, repetitionPenalty: 1.2 }, { ...greedy, repetitionPenalty: 1.5 }];
    for (const setting of settings) {
      for (const top of [0, 3]) {
        const answers = await plain.generate(requests, { ...setting, logProbabilities: { top } });
        for (const [i, samples] of answers.entries()) {
          for (const { tokens, logProbabilities: found = [], topLogProbabilities } of samples) {
            const own = requests[i]?.prompt ?? [];
            const [logits] = await scoreLogits(model, null, [[{ tokens: [...own, ...tokens] }]]);
            expect(found).toHaveLength(tokens.length);
            tokens.forEach((token, t) => {
              const row = logits?.subarray((own.length - 1 + t) * V, (own.length + t) * V) ?? new Float32Array(0);
              expect(Math.abs((found[t] ?? 0) - logProbabilities(row)(token))).toBeLessThan(1e-4);
              if (top) expect(topLogProbabilities?.[t]?.map(([id]) => id)).toEqual(mostLikely(row, 3));
            });
            if (!top) expect(topLogProbabilities).toBeUndefined();
          }
        }
      }
    }
    const [[without]] = await plain.generate(requests, greedy);
    expect(without).not.toHaveProperty('logProbabilities');
  });

  it('does not repeat itself under a penalty, the prompt included', async () => {
    const request = { prompt: prompt(5, 6), draws: [() => 0] };
    const [[free]] = await plain.generate([request], { ...greedy, stopTokens: [] });
    const [[without]] = await plain.generate([request], { ...greedy, stopTokens: [], repetitionPenalty: 1e6 });
    expect(new Set(without?.tokens).size).toBe(12);
    expect(without?.tokens.some((token) => request.prompt.includes(token))).toBe(false);
    expect(free?.tokens).not.toEqual(without?.tokens);
  });

  it('tells pieces as they come, and ends at a stop string', async () => {
    const letter = (token: number) => String.fromCodePoint(97 + token);
    const decode = (tokens: readonly number[]) => tokens.map(letter).join('');
    const tokenizer = { stream: () => ({ push: letter, end: () => '' }) };
    const requests = [1, 3, 8].map((length, i) => ({ prompt: prompt(i, length), draws: [() => 0] }));
    const whole = await plain.generate(requests, { ...greedy, stopTokens: [], text: { tokenizer } });
    const texts = whole.map(([completion]) => completion?.text ?? '');
    expect(texts).toEqual(whole.map(([completion]) => decode(completion?.tokens ?? [])));
    // Two characters of the first text, which are two tokens.
    const stop = [texts[0]?.slice(4, 6) ?? ''];
    const streamed = texts.map(() => ({ text: '', tokens: [] as number[], steps: 0 }));
    const cut = await plain.generate(requests, {
      ...greedy,
      stopTokens: [],
      logProbabilities: { top: 0 },
      text: { tokenizer, stop },
      onPieces: (pieces) => {
        for (const { request, text, tokens } of pieces) {
          const seen = streamed[request]!;
          seen.text += text;
          seen.tokens.push(...tokens);
          seen.steps += 1;
        }
      },
    });
    cut.forEach(([completion], i) => {
      const full = texts[i] ?? '';
      const place = full.indexOf(stop[0] ?? '');
      const expected = place < 0 ? full : full.slice(0, place);
      expect(completion).toMatchObject({ text: expected, finish: place < 0 ? 'length' : 'stop' });
      expect(decode(completion?.tokens ?? [])).toBe(expected);
      expect(completion?.logProbabilities).toHaveLength(expected.length);
      expect(streamed[i]).toMatchObject({ text: expected, tokens: completion?.tokens });
    });
    expect(cut[0]?.[0]?.finish).toBe('stop');
    expect(Math.max(...streamed.map(({ steps }) => steps))).toBeGreaterThan(2);
  });

  it('stops before the next step when told to, and answers the next call as before', async () => {
    const request = { prompt: prompt(3, 9), draws: [() => 0] };
    const free = { ...greedy, stopTokens: [] };
    const whole = await plain.generate([request], free);
    const stop = new AbortController();
    let steps = 0;
    const onPieces = () => {
      steps += 1;
      if (steps === 3) stop.abort(new Error('enough'));
    };
    await expect(plain.generate([request], { ...free, onPieces, signal: stop.signal })).rejects.toThrow('enough');
    await expect(plain.generate([request], { ...free, onPieces, signal: stop.signal })).rejects.toThrow('enough');
    expect(steps).toBe(3);
    expect(await plain.generate([request], free)).toEqual(whole);
  });

  it('refuses options outside their ranges', async () => {
    await expect(plain.generate([{ prompt: [3], draws: [() => 0] }], { ...greedy, topP: 0 })).rejects.toThrow('Cannot sample with top-p 0');
  });

  it('refuses to draw from a model whose weights are not finite', async () => {
    const broken = new Map(smallWeights(smallConfig)).set('model.norm.weight', new Float32Array(16).fill(NaN));
    model.write(broken);
    try {
      await expect(plain.generate([{ prompt: [3], draws: [() => 0] }], sampled)).rejects.toThrow('the logits are not finite');
      const scored = { ...greedy, logProbabilities: { top: 0 } };
      await expect(plain.generate([{ prompt: [3], draws: [() => 0] }], scored)).rejects.toThrow('the logits are not finite');
      await expect(scoreTokens(model, null, [[3, 4]])).rejects.toThrow('the logits are not finite');
    } finally {
      model.write(smallWeights(smallConfig));
    }
  });
});

describe('scoreTokens', () => {
  it('gives the log softmax of every token behind what is before it', async () => {
    const sequences = [1, 7, 64, 2, 33].map((length, i) => prompt(70 + i, length));
    for (const used of [null, pack]) {
      const scores = await scoreTokens(model, used, sequences);
      const logits = await scoreLogits(model, used, [sequences.map((tokens) => ({ tokens }))]);
      sequences.forEach((tokens, i) => {
        expect(scores[i]).toHaveLength(tokens.length - 1);
        scores[i]?.forEach((score, t) => {
          const exact = logProbabilities(logits[i]?.subarray(t * V, (t + 1) * V) ?? new Float32Array(0))(tokens[t + 1] ?? 0);
          expect(Math.abs(score - exact)).toBeLessThan(1e-4);
        });
      });
    }
  });

  it('takes several passes for many tokens, and refuses what has no room', async () => {
    const many = Array.from({ length: 70 }, (_, i) => prompt(i, 30 + (i % 30)));
    const together = await scoreTokens(model, null, many);
    const [alone] = await scoreTokens(model, null, [many[69] ?? []]);
    expect(together).toHaveLength(70);
    together[69]?.forEach((score, t) => expect(Math.abs(score - (alone?.[t] ?? 0))).toBeLessThan(1e-5));
    expect(await scoreTokens(model, null, [])).toEqual([]);
    await expect(scoreTokens(model, null, [prompt(0, 65)])).rejects.toThrow('Cannot score a text of 65 tokens: the model has 64 positions');
    await expect(scoreTokens(model, null, [[3], []])).rejects.toThrow('empty sequence');
  });
});
