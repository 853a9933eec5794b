import { describe, expect, it } from 'vitest';
import { knowledgeIncorporation, parsePassages } from '@seal/domains';
import type { Tokenizer } from '@seal/tokenizer';
import { fitContexts, lengthsOf } from './lengths.ts';
import { presets, promptTokens, resolveConfig } from './presets.ts';
import { createTextCodec } from './sequences.ts';

/** One token per letter. */
const letters: Pick<Tokenizer, 'encode' | 'encodeWithSpecials' | 'decode'> = {
  encodeWithSpecials: (text) => [1, ...letters.encode(text)],
  encode: (text) => Array.from(text, (letter) => letter.codePointAt(0) ?? 0),
  decode: (ids) => String.fromCodePoint(...ids),
};
const codec = createTextCodec({ tokenizer: letters, stopTokens: [2] }, 10_000);
const domain = knowledgeIncorporation({ template: 'none', mode: 'corrected', grader: 'containment' });

describe('lengthsOf', () => {
  it('leaves the tiny preset what it was measured with', () => {
    expect(lengthsOf(presets.tiny, 512)).toEqual({ prompt: 256, writing: 448, question: 252, answering: 256, document: 512, example: 512 });
  });

  it.each([64, 500, 512, 2_048, 32_768])('keeps everything within %i positions and leaves half of them for a self-edit', (positions) => {
    for (const preset of ['tiny', 'squad'] as const) {
      const config = presets[preset];
      const lengths = lengthsOf(config, positions, promptTokens[preset]);
      for (const length of Object.values(lengths)) {
        expect(length).toBeGreaterThan(0);
        expect(length).toBeLessThanOrEqual(positions);
      }
      expect(lengths.writing - lengths.prompt).toBeGreaterThanOrEqual(Math.min(config.outer.maxSelfEditTokens, positions >> 1));
      expect(lengths.answering - lengths.question).toBeGreaterThanOrEqual(Math.min(config.inner.maxAnswerTokens, positions >> 2));
      const { documentsPerStep, replayPerStep, tokensPerStep } = config.inner;
      expect(lengths.document * (documentsPerStep + replayPerStep)).toBeLessThanOrEqual(tokensPerStep);
      expect(lengths.example * config.outer.sft.batchSize).toBeLessThanOrEqual(config.outer.sft.tokensPerStep);
    }
  });

  it('gives a passage what a short self-edit leaves', () => {
    const config = resolveConfig('squad', 'corrected', { outer: { maxSelfEditTokens: 100 } }, 'x');
    expect(lengthsOf(config, 512, promptTokens.squad).prompt).toBe(412);
  });
});

describe('fitContexts', () => {
  const passage = (title: string, context: string, question = 'Why?') => ({ title, context, questions: [{ question, answer: 'so' }] });
  const lengths = { ...lengthsOf(presets.squad, 512, promptTokens.squad), prompt: 60, document: 200, question: 150 };
  const fit = (...passages: object[]) => fitContexts(parsePassages(passages, 'x'), domain, codec, lengths, 'x.json');

  it('cuts at the end of a sentence what does not fit, counts it, and keeps the identity of the passage', () => {
    const whole = [passage('A', 'It is short.'), passage('B', 'It rains here. It pours there. It snows.')];
    const { contexts, shortened } = fit(...whole);
    expect(contexts.map(({ text }) => text)).toEqual(['It is short.', 'It rains here. It pours there.']);
    expect(contexts.map(({ id }) => id)).toEqual(parsePassages(whole, 'x').map(({ id }) => id));
    const asking = (text: string) => 1 + 'Title: B\nPassage: \n\n'.length + text.length;
    const [before, after] = [asking('It rains here. It pours there. It snows.'), asking('It rains here. It pours there.')];
    expect(before).toBeGreaterThan(lengths.prompt);
    expect(shortened).toEqual({ contexts: 1, tokensBefore: before, tokensAfter: after });
  });

  it('holds the training document to its length too', () => {
    const narrow = { ...lengths, document: 20 };
    const { contexts } = fitContexts(parsePassages([passage('A', 'It rains. It pours.')], 'x'), domain, codec, narrow, 'x.json');
    expect(contexts.map(({ text }) => text)).toEqual(['It rains.']);
  });

  it('names the place of a question that is too long and of a title that leaves no room', () => {
    expect(() => fit(passage('A', 'b'), passage('B', 'c', 'Why? '.repeat(40)))).toThrow(/Cannot ask x\.json: item 1, questions\[0\]: it is \d+ tokens long, at most 150 fit/);
    expect(() => fit(passage('A'.repeat(80), 'b', 'c'))).toThrow(/Cannot (learn item 0 of|ask) x\.json/);
    const contexts = parsePassages([passage('A', 'b', 'Why? '.repeat(40))], 'x');
    expect(() => fitContexts(contexts, domain, codec, lengths, 'x.json', [17])).toThrow('item 17, questions[0]');
  });
});
