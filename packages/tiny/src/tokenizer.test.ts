import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, test } from 'vitest';
import { stream } from '@seal/files';
import {
  encode,
  MARKERS,
  passageOf,
  people,
  pretrainingStep,
  questionsOf,
  tinyModelConfig,
  tokenizerConfigFile,
  tokenizerFile,
  unknownWords,
  VOCABULARY,
  vocabularyByRole,
} from './index.ts';
import { perfectEdit } from './behaviours.ts';
import { FIRST_END, FIRST_START, LAST_END, LAST_START } from './lexicon.ts';

const huggingFace = new Tokenizer(tokenizerFile(), tokenizerConfigFile());
const ids = (text: string): number[] => huggingFace.encode(text, { add_special_tokens: false }).ids;
const text = (tokens: readonly number[]): string => huggingFace.decode([...tokens], { skip_special_tokens: true });

describe('tokenizer.json read as any other', () => {
  test('encodes as `encode` does and decodes to the same text, passages, edits and questions', () => {
    const random = stream(5, 'tokenizer');
    for (const person of people('test', 300, random)) {
      const texts = [passageOf(person, random), perfectEdit(person, random)];
      for (const { question, answer } of questionsOf(person, random)) texts.push(question, answer);
      for (const each of texts) {
        expect(text(ids(each))).toBe(each);
        expect(ids(each)).toEqual(encode(each));
      }
    }
  });

  test('encodes every document of the corpus as `encode` does, markers included', () => {
    for (let step = 0; step < 200; step += 10) {
      for (const { tokens } of pretrainingStep(step, { seed: 6, totalSteps: 200 })) {
        const written = tokens.map((token) => VOCABULARY[token]).join(' ').replaceAll(' ##', '');
        expect(ids(written)).toEqual(tokens);
      }
    }
  });

  test('every name is two tokens and comes back', () => {
    for (const [starts, ends] of [[FIRST_START, FIRST_END], [LAST_START, LAST_END]] as const) {
      for (const name of starts.flatMap((start) => ends.map((end) => start + end))) {
        expect(ids(name)).toEqual(encode(name));
        expect(ids(name)).toHaveLength(2);
        expect(text(ids(name))).toBe(name);
      }
    }
  });

  test('upper case and any white space are read as lower case and single spaces', () => {
    const loose = 'Dalric Holby :\n He  Lives In Arlo .';
    expect(ids(loose)).toEqual(encode('dalric holby : he lives in arlo .'));
    expect(encode(loose)).toEqual(ids(loose));
  });

  test('no phrase can be found across the boundary of a word: both readers see the same phrases', () => {
    const phrases = VOCABULARY.filter((token) => token.includes(' '));
    const ends = [...FIRST_END, ...LAST_END];
    const starts = [...FIRST_START, ...LAST_START];
    const words = VOCABULARY.filter((token) => !/^(<\||##)/.test(token)).flatMap((token) => token.split(' '));
    for (const phrase of phrases) {
      const [first = '', ...rest] = phrase.split(' ');
      const last = rest.at(-1) ?? '';
      const straddles = [
        ...[...words, ...ends].filter((word) => word !== first && word.endsWith(first)).map((word) => [word, ...rest]),
        ...[...words, ...starts]
          .filter((word) => word !== last && word.startsWith(last))
          .map((word) => [first, ...rest.slice(0, -1), word]),
      ].map((each) => each.join(' '));
      expect(straddles.filter((straddle) => unknownWords(straddle).length === 0)).toEqual([]);
    }
  });

  test('has ids without gaps, the specials first, and agrees with config.json', () => {
    const { model, added_tokens: added } = tokenizerFile() as {
      model: { vocab: Record<string, number> };
      added_tokens: { id: number; content: string; special: boolean }[];
    };
    expect(Object.values(model.vocab)).toEqual(VOCABULARY.map((_, id) => id));
    expect(added.filter(({ special }) => special).map(({ content }) => content)).toEqual(Object.values(MARKERS));
    for (const { id, content } of added) expect(model.vocab[content]).toBe(id);
    expect(tinyModelConfig.vocab_size - VOCABULARY.length).toBeGreaterThanOrEqual(0);
    expect(tinyModelConfig.vocab_size - VOCABULARY.length).toBeLessThan(4);
    expect(tinyModelConfig.vocab_size % 4).toBe(0);
    expect(VOCABULARY[tinyModelConfig.bos_token_id]).toBe(MARKERS.begin);
    expect(VOCABULARY[tinyModelConfig.eos_token_id]).toBe(MARKERS.end);
  });
});

describe('unknownWords', () => {
  test('names the word and its place, counted from 0', () => {
    const text = 'dalric holby : he keeps a unicorn and lives in arlo .';
    expect(unknownWords(text)).toEqual([{ word: 'unicorn', index: 6 }]);
    const odd = 'dal arlo <|end|> ##ric xyz';
    expect(unknownWords(odd).map(({ word }) => word)).toEqual(['dal', '<|end|>', '##ric', 'xyz']);
    expect(unknownWords('')).toEqual([]);
    expect(unknownWords('Who lives in Quenby ?')).toEqual([]);
  });
});

test('vocabularyByRole lists every token', () => {
  const listed = new Set(vocabularyByRole().flatMap(({ words }) => words));
  expect(VOCABULARY.filter((token) => !listed.has(token.replace(/^##/, '')))).toEqual([]);
});
