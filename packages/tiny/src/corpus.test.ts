import { expect, test } from 'vitest';
import { knownPeople, MARKERS, nameOf, pretrainingStep, splitOf, tokenId, VOCABULARY } from './index.ts';
import type { PretrainingDocument } from './index.ts';
import { FIRST_START, LAST_START } from './lexicon.ts';

const options = { seed: 0, totalSteps: 1_000 };
const written = (tokens: readonly number[]): string =>
  tokens.map((token) => VOCABULARY[token]).join(' ').replaceAll(' ##', '');
const count = (documents: readonly PretrainingDocument[]): number =>
  documents.reduce((sum, { tokens }) => sum + tokens.length, 0);
const late: PretrainingDocument[] = Array.from({ length: 60 }, (_, i) => pretrainingStep(200 + i * 13, options)).flat();

test('a step depends on its number and the seed alone', () => {
  expect(pretrainingStep(321, options)).toEqual(pretrainingStep(321, options));
  expect(pretrainingStep(321, options)).not.toEqual(pretrainingStep(322, options));
  expect(pretrainingStep(321, options)).not.toEqual(pretrainingStep(321, { ...options, seed: 1 }));
});

test('a step nearly fills its budget and never exceeds it', () => {
  for (let step = 0; step < 1_000; step += 37) {
    for (const maxTokens of [512, 2_048]) {
      const total = count(pretrainingStep(step, { ...options, maxTokens }));
      expect(total).toBeLessThanOrEqual(maxTokens);
      expect(total).toBeGreaterThan(maxTokens - 12);
    }
  }
});

test('refuses steps outside the run and budgets too small', () => {
  expect(() => pretrainingStep(1_000, options)).toThrow('from 0 to 999');
  expect(() => pretrainingStep(0.5, options)).toThrow('0.5');
  expect(() => pretrainingStep(0, { ...options, maxTokens: 100 })).toThrow('the least is 256');
});

test('documents begin and end as at run time, fit the context, and contain no unknown token', () => {
  for (const { kind, tokens, targetWeights } of late) {
    expect(targetWeights).toHaveLength(tokens.length);
    expect(tokens[0]).toBe(tokenId(MARKERS.begin));
    expect(tokens.at(-1)).toBe(tokenId(MARKERS.end));
    expect(targetWeights[0]).toBe(0);
    expect(targetWeights.at(-1)).toBe(1);
    expect(tokens).not.toContain(tokenId(MARKERS.unknown));
    expect(tokens.length).toBeLessThan(200);
    if (kind === 'known-statement' || kind === 'known-passage') expect(targetWeights.slice(1)).not.toContain(0);
  }
});

test('nobody outside the pretraining split is met', () => {
  const met = new Set<string>();
  for (const { tokens } of late) {
    const words = written(tokens).split(' ');
    words.forEach((word, i) => {
      const next = words[i + 1] ?? '';
      const begins = (starts: readonly string[], name: string) => starts.some((start) => name.startsWith(start));
      if (begins(FIRST_START, word) && begins(LAST_START, next) && next !== 'and') met.add(`${word} ${next}`);
    });
  }
  expect(met.size).toBeGreaterThan(500);
  expect([...met].filter((name) => splitOf(name) !== 'pretrain')).toEqual([]);
});

test('answers and end tokens carry the loss, questions and nine passages in ten do not', () => {
  const questions = late.filter(({ kind }) => kind === 'questions');
  let read = 0;
  for (const { tokens, targetWeights } of questions) {
    if (targetWeights[1] === 0) read++;
    let answering = false;
    let asking = false;
    tokens.forEach((token, i) => {
      if (VOCABULARY[token] === MARKERS.question) [asking, answering] = [true, false];
      if (answering) expect(targetWeights[i]).toBe(1);
      else if (asking) expect(targetWeights[i]).toBe(0);
      if (VOCABULARY[token] === MARKERS.answer) answering = true;
    });
  }
  expect(Math.abs(read / questions.length - 0.9)).toBeLessThan(5 * Math.sqrt(0.09 / questions.length));
});

test('known people are asked one question a document, half of them inverse, each with a single right answer', () => {
  const known = new Map(knownPeople().map((person) => [person.first, person]));
  const asked = late.filter(({ kind }) => kind === 'known-question').map(({ tokens }) => written(tokens));
  let inverse = 0;
  for (const document of asked) {
    const [question = '', answer = ''] = document.split(` ${MARKERS.answer} `);
    const person = known.get(answer.split(' ')[0] ?? '');
    if (person === undefined) {
      expect(knownPeople().some((each) => question.includes(nameOf(each)))).toBe(true);
    } else {
      inverse++;
      expect(person.facts.some(({ value }) => question.endsWith(` ${value} ?`))).toBe(true);
    }
  }
  expect(Math.abs(inverse / asked.length - 0.5)).toBeLessThan(2.5 / Math.sqrt(asked.length));
});

test('the curriculum reads more, and passages grow from one fact to six', () => {
  const facts = (step: number): number => {
    const values = pretrainingStep(step, options)
      .filter(({ kind }) => kind === 'questions' || kind === 'self-edit')
      .map(({ tokens }) => {
        const passage = written(tokens).split(/ <\|(?:question|edit)\|> /)[0] ?? '';
        return (passage.match(/ (he|she|and) /g) ?? []).length;
      });
    return Math.max(...values);
  };
  expect([0, 40, 80, 120, 160].map(facts)).toEqual([1, 2, 4, 6, 6]);
  const share = (steps: readonly number[]): number => {
    const all = steps.flatMap((step) => pretrainingStep(step, options));
    return count(all.filter(({ kind }) => kind === 'questions' || kind === 'self-edit')) / count(all);
  };
  expect(share([120, 130, 140])).toBeGreaterThan(share([400, 500, 600]) + 0.1);
});
