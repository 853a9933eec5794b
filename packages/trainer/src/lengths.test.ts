import { describe, expect, it } from 'vitest';
import { knowledgeIncorporation, parsePassages, type Domain } from '@seal/domains';
import { resolveConfig } from './config.ts';
import { config, letterCodec } from './fixture.ts';
import { fitContexts, lengthsOf } from './lengths.ts';

const codec = letterCodec();
const domain = knowledgeIncorporation({ template: 'none', mode: 'corrected', grader: 'containment' });

describe('lengthsOf', () => {
  it('is the room that a model of 512 positions leaves, worked out by hand', () => {
    // 512 - 128 for a self-edit; 256 - 16 for an answer; three documents a step of 1,536; four examples a batch of 2,048.
    expect(lengthsOf(config, 512, 256)).toEqual({ prompt: 256, writing: 384, question: 240, answering: 256, document: 512, example: 512 });
    expect(lengthsOf(config, 512, 2_048)).toEqual({ prompt: 384, writing: 512, question: 496, answering: 512, document: 512, example: 512 });
  });

  it.each([64, 500, 512, 2_048, 32_768])('keeps everything within %i positions and leaves half of them for a self-edit', (positions) => {
    for (const most of [256, 2_048]) {
      const lengths = lengthsOf(config, positions, most);
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
    const short = resolveConfig(config, 'corrected', { outer: { maxSelfEditTokens: 100 } }, 'x');
    expect(lengthsOf(short, 512, 2_048).prompt).toBe(412);
  });
});

describe('fitContexts', () => {
  const passage = (title: string, context: string, question = 'Why?') => ({ title, context, questions: [{ question, answer: 'so' }] });
  const lengths = { ...lengthsOf(config, 512, 2_048), prompt: 60, document: 200, question: 150 };
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

  it('leaves out what does not fit where the domain says so, counts it, and keeps the others in their order', () => {
    const all = parsePassages([passage('A', 'b'), passage('B', 'c', 'Why? '.repeat(40)), passage('C'.repeat(80), 'd', 'e'), passage('D', 'It rains.')], 'x');
    const { contexts, leftOut, shortened } = fitContexts(all, { ...domain, tooLong: 'left out' }, codec, lengths, 'x.json');
    expect(contexts).toEqual([all[0], all[3]]);
    expect(leftOut).toBe(2);
    expect(shortened.contexts).toBe(0);
    expect(fitContexts([all[0]!], domain, codec, lengths, 'x.json').leftOut).toBe(0);
  });

  it('shortens nothing where the domain has no way to, and then refuses or leaves out', () => {
    const [long, short] = parsePassages([passage('B', 'It rains here. It pours there. It snows.'), passage('A', 'It is short.')], 'x');
    const rigid = Object.fromEntries(Object.entries(domain).filter(([name]) => name !== 'fit')) as unknown as Domain;
    expect(fitContexts([short!], rigid, codec, lengths, 'x.json').contexts).toEqual([short]);
    expect(() => fitContexts([short!, long!], rigid, codec, lengths, 'x.json')).toThrow('Cannot learn item 1 of x.json: nothing of it fits into 60 tokens');
    expect(fitContexts([long!, short!], { ...rigid, tooLong: 'left out' }, codec, lengths, 'x.json')).toMatchObject({ contexts: [short], leftOut: 1 });
  });
});
