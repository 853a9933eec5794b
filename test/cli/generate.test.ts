/** `seal generate` and `seal score`: what a trained model says according to somebody else, adapters, bad input. */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stream } from '@seal/files';
import { digest } from '@seal/files/node';
import { adapterFiles, initialAdapter, loraLayout, parseConfig, PROJECTIONS, type LoraConfig } from '@seal/model';
import { seal, shippedModel } from './seal.ts';

interface Completion {
  readonly text: string;
  readonly tokenIds: readonly number[];
  readonly logprobs: readonly number[];
  readonly topLogprobs?: readonly (readonly { readonly id: number; readonly logprob: number }[])[];
  readonly adapterDigest: string | null;
  readonly finish: string;
}
interface Generated {
  readonly promptTokenIds: readonly number[];
  readonly sampling: object;
  readonly completions: readonly Completion[];
}
interface Scored {
  readonly lines: readonly { readonly tokenIds: readonly number[]; readonly logprobs: readonly (number | null)[]; readonly total: number }[];
  readonly tokens: number;
  readonly total: number;
  readonly perplexity: number;
  readonly adapterDigest: string | null;
}

const directory = mkdtempSync(join(tmpdir(), 'seal-generate-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function generated(...args: string[]): Promise<Generated> {
  const ended = await seal(['generate', '--json', ...args]);
  expect(ended.stderr === '' || ended.code === 0, ended.stderr).toBe(true);
  expect(ended.code, ended.stderr).toBe(0);
  return JSON.parse(ended.stdout) as Generated;
}

async function scored(...args: string[]): Promise<Scored> {
  const ended = await seal(['score', '--json', ...args]);
  expect(ended.code, ended.stderr).toBe(0);
  return JSON.parse(ended.stdout) as Scored;
}

/** An adapter directory for the shipped model, its matrices random and not small. */
function writeAdapter(name: string, lora: LoraConfig): string {
  const config = parseConfig(JSON.parse(readFileSync(join(shippedModel, 'config.json'), 'utf8')), 'config.json');
  const layout = loraLayout(config, lora);
  const random = stream(0, name);
  const values = initialAdapter(layout, lora.rank, () => random.next());
  for (const { out, offsetB } of layout.places) for (let i = 0; i < lora.rank * out; i++) values[offsetB + i] = random.next() - 0.5;
  const path = join(directory, name);
  mkdirSync(path);
  for (const [file, content] of Object.entries(adapterFiles(layout, lora, values, 'seal-tiny'))) writeFileSync(join(path, file), content);
  return path;
}

const digestOf = (path: string) => digest(new Uint8Array(readFileSync(join(path, 'adapter_model.safetensors'))));

describe('with the shipped model', () => {
  const prompt = 'who plays the theremin ?';
  const adapters: string[] = [];
  beforeAll(() => {
    adapters.push(
      writeAdapter('one', { rank: 2, alpha: 8, targets: ['self_attn.q_proj', 'mlp.down_proj'] }),
      writeAdapter('two', { rank: 5, alpha: 3, rankStabilised: true, targets: PROJECTIONS }),
    );
  });

  it('writes several completions with log-probabilities, the same for the same seed', async () => {
    const options = ['--prompt', prompt, '--n', '3', '--temperature', '1', '--top-k', '40', '--top-p', '0.95', '--min-p', '0.001', '--max-tokens', '8', '--top-logprobs', '2'];
    const first = await generated(...options, '--seed', '4');
    expect(first.completions).toHaveLength(3);
    for (const { tokenIds, logprobs, topLogprobs, adapterDigest, finish } of first.completions) {
      expect(tokenIds.length).toBeLessThanOrEqual(8);
      expect(logprobs).toHaveLength(tokenIds.length);
      expect(logprobs.every((value) => value <= 0)).toBe(true);
      expect(topLogprobs?.every((place) => place.length === 2 && place[0]!.logprob >= place[1]!.logprob)).toBe(true);
      expect(adapterDigest).toBeNull();
      expect(['stop', 'length']).toContain(finish);
    }
    expect(await generated(...options, '--seed', '4')).toEqual(first);
    expect(new Set(first.completions.map(({ tokenIds }) => tokenIds.join())).size).toBeGreaterThan(1);
  });

  it('asks every adapter and says who answered', async () => {
    const [one = '', two = ''] = adapters;
    const both = await generated('--prompt', prompt, '--adapter', one, '--adapter', two, '--max-tokens', '6');
    expect(both.completions.map(({ adapterDigest }) => adapterDigest)).toEqual([digestOf(one), digestOf(two)]);
    expect(both.completions[0]?.tokenIds).not.toEqual(both.completions[1]?.tokenIds);
    const shown = await seal(['generate', '--prompt', prompt, '--adapter', one, '--adapter', two, '--max-tokens', '6']);
    // The adapters name the shipped model as their base: there is nothing to note.
    expect(shown.stderr).toBe('');
    expect(shown.stdout).toContain(`--- 2, adapter ${digestOf(two).slice(0, 12)}\n${both.completions[1]?.text}`);
  });

  it('gives an adapter’s answer the same bits whoever else is asked, over packed weights too', async () => {
    const [one = ''] = adapters;
    const others = Array.from({ length: 7 }, (_, n) => ['--adapter', writeAdapter(`other ${n}`, { rank: 3 + n, alpha: 4, targets: PROJECTIONS })]);
    const options = ['--prompt', prompt, '--weights', 'int8', '--max-tokens', '6', '--temperature', '1', '--seed', '5', '--adapter', one];
    const alone = await generated(...options);
    const among = await generated(...options, '--n', '4', ...others.flat());
    expect(among.completions).toHaveLength(32);
    expect(among.completions[0]).toEqual(alone.completions[0]);
  });

  it('writes one completion to stdout as it comes', async () => {
    const { completions } = await generated('--prompt', prompt, '--max-tokens', '5');
    const { stdout, code } = await seal(['generate', '--prompt', prompt, '--max-tokens', '5']);
    expect(code).toBe(0);
    expect(stdout).toBe(`${completions[0]?.text}\n`);
  });

  it('ends without a complaint when nobody reads on', async () => {
    const ended = await seal(['generate', '--prompt', 'who plays the', '--max-tokens', '100'], { onStart: (child) => child.stdout?.once('data', () => child.stdout?.destroy()) });
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' });
  });

  it('scores what it would write as it writes it, and an adapter otherwise', async () => {
    const { promptTokenIds, completions } = await generated('--prompt', prompt, '--max-tokens', '4');
    const [{ text, logprobs }] = completions as [Completion];
    const path = join(directory, 'lines.txt');
    writeFileSync(path, `${prompt} ${text}\n\n${prompt}\n`);
    const { lines, tokens, total, perplexity, adapterDigest } = await scored('--input', path);
    expect(lines).toHaveLength(3);
    expect(lines[0]?.tokenIds.slice(0, promptTokenIds.length)).toEqual(promptTokenIds);
    logprobs.forEach((value, i) => expect(lines[0]?.logprobs[promptTokenIds.length + i]).toBeCloseTo(value, 4));
    expect(lines[1]).toEqual({ tokenIds: [], logprobs: [], total: 0 });
    expect(lines[0]?.logprobs[0]).toBeNull();
    expect(tokens).toBe((lines[0]?.tokenIds.length ?? 0) + (lines[2]?.tokenIds.length ?? 0) - 2);
    expect(total).toBeCloseTo((lines[0]?.total ?? 0) + (lines[2]?.total ?? 0), 6);
    expect(perplexity).toBeCloseTo(Math.exp(-total / tokens), 8);
    expect(adapterDigest).toBeNull();
    const adapted = await scored('--input', path, '--adapter', adapters[0] ?? '');
    expect(adapted.adapterDigest).toBe(digestOf(adapters[0] ?? ''));
    expect(Math.abs(adapted.total - total)).toBeGreaterThan(0.1);
  });

  it('takes the defaults of generation_config.json and says so', async () => {
    const model = join(directory, 'model');
    mkdirSync(model);
    for (const file of ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']) symlinkSync(join(shippedModel, file), join(model, file));
    const { completions } = await generated('--prompt', prompt, '--max-tokens', '8');
    const [{ tokenIds }] = completions as [Completion];
    const last = tokenIds.at(-1);
    const write = (file: object) => writeFileSync(join(model, 'generation_config.json'), JSON.stringify(file));
    write({ do_sample: true, temperature: 0.7, top_p: 0.8, top_k: 20, repetition_penalty: 1.1, eos_token_id: [0, last], transformers_version: '4' });
    const ended = await seal(['generate', '--json', '--model', model, '--prompt', prompt, '--max-tokens', '8']);
    expect(ended.stderr).toContain('From generation_config.json: temperature 0.7, top-p 0.8, top-k 20, repetition-penalty 1.1');
    expect((JSON.parse(ended.stdout) as Generated).sampling).toMatchObject({ temperature: 0.7, topP: 0.8, topK: 20, repetitionPenalty: 1.1 });
    const greedy = await generated('--model', model, '--prompt', prompt, '--max-tokens', '8', '--temperature', '0', '--repetition-penalty', '1');
    expect(greedy.completions[0]).toMatchObject({ tokenIds: tokenIds.slice(0, tokenIds.indexOf(last ?? -1)), finish: 'stop' });
    write({ temperature: 'hot' });
    expect((await seal(['generate', '--model', model, '--prompt', prompt])).stderr).toContain('generation_config.json: temperature must be');
  });

  it('continues a conversation by the model’s own chat template', async () => {
    const model = join(directory, 'chatting');
    mkdirSync(model);
    for (const file of ['config.json', 'model.safetensors', 'tokenizer.json']) symlinkSync(join(shippedModel, file), join(model, file));
    const template = "{% for message in messages %}{{ message.role + ' ' + message.content + ' ' }}{% endfor %}{% if add_generation_prompt %}{{ 'theremin' }}{% endif %}";
    writeFileSync(join(model, 'chat_template.jinja'), template);
    const messages = [{ role: 'who', content: 'plays the' }];
    const file = written('messages.json', JSON.stringify(messages));
    const chat = await generated('--model', model, '--messages', file, '--max-tokens', '3');
    const plain = await generated('--prompt', 'who plays the theremin', '--max-tokens', '3');
    // The template says where special tokens are, and this one has none.
    expect(chat.promptTokenIds).toEqual(plain.promptTokenIds.slice(plain.promptTokenIds.length - 4));
    const none = await seal(['generate', '--messages', file]);
    expect(none.stderr).toContain('has no chat template; use --prompt');
    const bad = await seal(['generate', '--model', model, '--messages', written('no.json', '[{"role": "user"}]')]);
    expect(bad).toMatchObject({ code: 3, stdout: '' });
    expect(bad.stderr).toContain('messages: ');
  });

  it('merges an adapter into a model that says the same', async () => {
    const [, two = ''] = adapters;
    const path = written('merged.txt', prompt);
    const wanted = await scored('--input', path, '--adapter', two);
    for (const [dtype, bound] of [['f32', 1e-4], ['bf16', 0.5]] as const) {
      const out = join(directory, `merged-${dtype}`);
      const ended = await seal(['merge', '--adapter', two, '--out', out, '--json', ...(dtype === 'f32' ? [] : ['--dtype', dtype])]);
      expect(ended.code, ended.stderr).toBe(0);
      expect(JSON.parse(ended.stdout)).toMatchObject({ out, dtype, adapterDigest: digestOf(two) });
      const merged = await scored('--model', out, '--input', path, '--weights', dtype === 'f32' ? 'f32' : 'f16');
      expect(Math.abs(merged.total - wanted.total), dtype).toBeLessThan(bound * wanted.tokens);
    }
    const again = await seal(['merge', '--adapter', two, '--out', join(directory, 'merged-f32')]);
    expect(again.stderr).toContain('it is not empty');
  });

  it.each<[string, () => string[], number, string]>([
    ['two things to continue', () => ['generate', '--prompt', prompt, '--messages', 'x.json'], 2, 'give either --prompt or --messages'],
    ['an empty prompt', () => ['generate', '--prompt', ''], 3, 'Cannot continue an empty prompt'],
    ['a prompt that is too long', () => ['generate', '--prompt', 'who '.repeat(600)], 3, /Cannot continue a prompt of \d+ tokens: the model has \d+ positions; shorten it/.source],
    ['an unknown adapter', () => ['generate', '--prompt', prompt, '--adapter', '/no/such'], 3, 'Cannot use the adapter in /no/such: /no/such/adapter_config.json is missing'],
    ['a nucleus of nothing', () => ['generate', '--prompt', prompt, '--top-p', '0'], 2, 'Cannot sample with top-p 0'],
    ['a text that is too long', () => ['score', '--input', written('long.txt', `who\n${'who '.repeat(600)}`)], 3, 'Cannot score line 2 of .*: it has .* tokens'],
    ['a line that is no JSON', () => ['score', '--input', written('bad.jsonl', '{"text": "who plays"}\nwho')], 3, 'Cannot score line 2 of .*: it is not JSON'],
  ])('refuses %s', async (_, args, code, message) => {
    const ended = await seal(args());
    expect(ended.stderr).toMatch(new RegExp(message));
    expect(ended.code).toBe(code);
    expect(ended.stdout).toBe('');
  });
});

function written(name: string, content: string): string {
  writeFileSync(join(directory, name), content);
  return join(directory, name);
}

const real = resolve(process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data', 'real');
const absent = !existsSync(join(real, 'llama-story-hf'));

describe.skipIf(absent)(`with a trained model${absent ? ' (skipped: SEAL_REFERENCE_DATA has no real files)' : ''}`, () => {
  const model = join(real, 'llama-story-hf');
  const expected = absent
    ? null
    : (JSON.parse(readFileSync(join(model, 'EXPECTED.json'), 'utf8')) as {
        prompt: string;
        prompt_ids: number[];
        greedy_ids: number[];
        top5_after_prompt: [number, number][];
        sum_logprob_of_greedy_ids_after_first: number;
      });

  it('continues greedily as an independent forward pass does, with its five most likely tokens', async () => {
    const { prompt, prompt_ids, greedy_ids, top5_after_prompt } = expected!;
    const length = String(greedy_ids.length - prompt_ids.length);
    const { promptTokenIds, completions } = await generated('--model', model, '--prompt', prompt, '--max-tokens', length, '--top-logprobs', '5');
    expect(promptTokenIds).toEqual(prompt_ids);
    expect([...promptTokenIds, ...(completions[0]?.tokenIds ?? [])]).toEqual(greedy_ids);
    const top = completions[0]?.topLogprobs?.[0] ?? [];
    expect(top.map(({ id }) => id)).toEqual(top5_after_prompt.map(([id]) => id));
    // Logits differ from log-probabilities by the same number.
    top.forEach(({ logprob }, i) => {
      const apart = top[0]!.logprob - logprob;
      expect(Math.abs(apart - (top5_after_prompt[0]![1] - top5_after_prompt[i]![1]))).toBeLessThan(1e-4);
    });
  });

  it('scores the greedy text with the sum of an independent forward pass', async () => {
    const { prompt, greedy_ids, sum_logprob_of_greedy_ids_after_first: sum } = expected!;
    const { completions } = await generated('--model', model, '--prompt', prompt, '--max-tokens', '58');
    const path = written('story.jsonl', `${JSON.stringify({ text: prompt + completions[0]?.text })}\n`);
    const { lines, total, tokens } = await scored('--model', model, '--input', path);
    expect(lines[0]?.tokenIds).toEqual(greedy_ids);
    expect(tokens).toBe(63);
    expect(Math.abs(total - sum)).toBeLessThan(1e-4 * 63);
  });

  it('refuses an adapter of another model by its sizes', async () => {
    const ended = await seal(['generate', '--model', model, '--prompt', 'Once', '--adapter', join(real, 'adapter-qwen2.5-0.5b-muzammel')]);
    expect(ended.code).toBe(3);
    expect(ended.stderr).toContain('lora_A.weight is (8, 896), expected (8, 128)');
  });
});
