import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { uniform } from '../fixture.ts';
import { sharedPrefixes, type PrefixCandidate } from './prefixes.ts';
import { createTokenizer } from '@seal/tokenizer';

/** Prompts over two tokens that part at random places, so that beginnings of all lengths are shared. */
function randomPrompts(seed: number, count: number): number[][] {
  const draw = uniform(seed);
  const prompts: number[][] = [];
  while (prompts.length < count) {
    const before = prompts[Math.floor(draw() * prompts.length)] ?? [];
    const kept = before.slice(0, Math.floor((1 - draw() ** 3) * (before.length + 1)));
    prompts.push([...kept, ...Array.from({ length: 1 + Math.floor(draw() * 30) }, () => Math.floor(draw() * 2))]);
  }
  return prompts;
}

const common = (prompts: readonly (readonly number[])[]): number => {
  let length = 0;
  while (prompts.every((prompt) => length < prompt.length - 1 && prompt[length] === prompts[0][length])) length++;
  return length;
};

/** The most tokens that any division of the prompts into groups can save. */
function mostSaved(prompts: readonly (readonly number[])[]): number {
  const [first, ...rest] = prompts;
  if (first === undefined) return 0;
  let most = 0;
  for (let choice = 0; choice < 2 ** rest.length; choice++) {
    const group = [first, ...rest.filter((_, i) => (choice >> i) & 1)];
    const length = common(group);
    const own = group.length > 1 && length >= 16 ? (group.length - 1) * length : 0;
    most = Math.max(most, own + mostSaved(rest.filter((_, i) => !((choice >> i) & 1))));
  }
  return most;
}

const saved = (shared: ReturnType<typeof sharedPrefixes>) =>
  shared.reduce((sum, one, index) => sum + (one && one.leader !== index ? one.length : 0), 0);

describe('sharedPrefixes', () => {
  const seeds = Array.from({ length: 60 }, (_, seed) => seed);
  const family = (seed: number) => randomPrompts(seed, 2 + (seed % 5)).map((prompt): PrefixCandidate => ({ prompt, family: 'f' }));

  it.each(seeds)('shares only what is the same %i', (seed) => {
    const requests = family(seed);
    const shared = sharedPrefixes(requests);
    shared.forEach((one, index) => {
      if (!one) return;
      const { prompt } = requests[index];
      const leader = requests[one.leader].prompt;
      expect(one.length).toBeGreaterThanOrEqual(16);
      expect(one.length).toBeLessThan(prompt.length);
      expect(prompt.slice(0, one.length)).toEqual(leader.slice(0, one.length));
      expect(shared[one.leader]).toEqual(one);
    });
    // The order of requests changes who leads, not how much is shared.
    expect(sharedPrefixes(requests.toReversed()).map((one) => one?.length).toReversed()).toEqual(shared.map((one) => one?.length));
  });

  it('saves nearly as much as any division into groups can', () => {
    const found = seeds.map((seed) => saved(sharedPrefixes(family(seed))));
    const possible = seeds.map((seed) => mostSaved(family(seed).map(({ prompt }) => prompt)));
    found.forEach((tokens, seed) => expect(tokens, `family ${seed}`).toBeLessThanOrEqual(possible[seed]));
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
    expect(possible.filter((tokens) => tokens > 0).length).toBeGreaterThan(30);
    expect(sum(found) / sum(possible)).toBeGreaterThan(0.98);
  });

  it('keeps adapters and families apart, whatever else is asked', () => {
    const prompt = Array.from({ length: 20 }, (_, i) => i);
    const asked = (own: Partial<PrefixCandidate>): PrefixCandidate => ({ prompt, ...own });
    const two = [asked({ family: 'a', adapter: 0 }), asked({ family: 'a', adapter: 0 })];
    const others = [asked({ family: 'a', adapter: 1 }), asked({ family: 'b', adapter: 0 }), asked({}), asked({})];
    expect(sharedPrefixes([...two, ...others])).toEqual([{ leader: 0, length: 19 }, { leader: 0, length: 19 }, null, null, null, null]);
    expect(sharedPrefixes(others)).toEqual([null, null, null, null]);
  });

  it('leaves a short beginning alone', () => {
    const ending = (length: number, last: number) => ({ prompt: [...Array.from({ length }, () => 7), last], family: 'f' });
    expect(sharedPrefixes([ending(15, 1), ending(15, 2)])).toEqual([null, null]);
    expect(sharedPrefixes([ending(16, 1), ending(16, 2)])).toEqual([{ leader: 0, length: 16 }, { leader: 0, length: 16 }]);
  });

  const recordings = process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data';
  const tokenizerFolder = join(recordings, 'real/tokenizer-smollm2');
  const squad = join(recordings, 'data/squad_val_eval_000_029.json');

  it('reads the preamble of a chat once for the SQuAD questions of a passage', ({ skip }) => {
    for (const path of [squad, tokenizerFolder]) skip(!existsSync(path), `${path} is absent: it is not part of the repository`);
    const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
    const tokenizer = createTokenizer(json(join(tokenizerFolder, 'tokenizer.json')), tokenizerFolder);
    const { items } = json(squad) as { items: { title: string; questions: { question: string }[] }[] };
    const preamble = (title: string) =>
      `<|im_start|>system\nYou answer questions from memory, in a few words.<|im_end|>\n<|im_start|>user\nTopic: ${title}\nQuestion:`;
    // One adapter a passage.
    const requests = items.flatMap(({ title, questions }, adapter) =>
      questions.map(({ question }): PrefixCandidate => {
        const asked = `${preamble(title)} ${question}<|im_end|>\n<|im_start|>assistant\n`;
        return { prompt: tokenizer.encode(asked), adapter, family: 'questions' };
      }),
    );
    expect(requests).toHaveLength(135);
    const tokens = saved(sharedPrefixes(requests));
    const shared = items.reduce((sum, { title, questions }) => sum + (questions.length - 1) * tokenizer.encode(preamble(title)).length, 0);
    expect(tokens).toBeGreaterThanOrEqual(shared);
    // However questions begin, one reading a passage is left.
    const all = requests.reduce((sum, { prompt }) => sum + prompt.length, 0);
    expect(tokens / all).toBeGreaterThan(0.4);
    expect(tokens / all).toBeLessThan(1 - items.length / requests.length);
  });
});
