import type { Context, Prompt } from '@seal/domains';
import { describe, expect, test } from 'vitest';
import { stream } from '@seal/files';
import {
  contextsFromPassages,
  contextsOf,
  encode,
  knownPeople,
  MARKERS,
  personInPassage,
  pretrainingStep,
  probeSets,
  readableContexts,
  splitOf,
  tinyDomain,
  tokenId,
  VOCABULARY,
} from './index.ts';

const contexts = contextsOf('rl', 60, 0);
const [context] = contexts;
if (context === undefined) throw new Error('No context was made');
const asked = (text: string): Context => {
  return { id: 'x', title: 'x', text, questions: [{ question: 'q', answer: 'a', kind: 'question' }] };
};

/** Here nothing is asked as a conversation. */
const textOf = (prompt: Prompt = '') => (typeof prompt === 'string' ? prompt : expect.fail('The prompt is a conversation'));

describe('contexts', () => {
  test('repeat for a seed, differ between seeds, and keep their split', () => {
    expect(contextsOf('rl', 60, 0)).toEqual(contexts);
    expect(contextsOf('rl', 60, 1)).not.toEqual(contexts);
    expect(new Set(contexts.map(({ id }) => id)).size).toBe(60);
    expect(contexts.map(({ title }) => splitOf(title))).toEqual(Array<string>(60).fill('rl'));
  });

  test('a passage that somebody wrote is normalised and its questions told apart', () => {
    const questions = [
      { question: "What is Dalric Holby 's pet ?", answer: 'gecko', kind: 'question' },
      { question: 'Who keeps the gecko ?', answer: 'Dalric', kind: 'question' },
      { question: "What is Dalric Holby 's kind of pet ?", answer: 'reptile', kind: 'question' },
    ];
    const [read] = readableContexts([{ ...asked('Dalric Holby :  he keeps a Gecko .'), questions }], 'mine.json');
    expect(read?.text).toBe('dalric holby : he keeps a gecko .');
    expect(read?.questions.map(({ kind }) => kind)).toEqual(['direct', 'inverse', 'derived']);
  });

  test('the text of a passages file becomes contexts, generated ones come back as they were', () => {
    const file = contexts.map(({ title, text, questions }) => ({ title, context: text, questions }));
    expect(contextsFromPassages(JSON.stringify(file), 'mine.json')).toEqual(contexts);
    expect(() => contextsFromPassages('[]', 'mine.json')).toThrow('mine.json');
  });

  test('a word outside the vocabulary is refused with its place', () => {
    const bad = (change: Partial<Context>) => () => readableContexts([context, { ...context, ...change }], 'mine.json');
    expect(bad({ text: 'dalric holby : he keeps a unicorn .' })).toThrow(
      'Cannot read passages from mine.json: item 1, context: word 7, "unicorn", is outside the tiny vocabulary',
    );
    expect(bad({ questions: [{ question: 'who is it ?', answer: 'arlo', kind: 'question' }] })).toThrow(
      'item 1, questions[0].question: word 1, "who"',
    );
    expect(bad({ questions: [{ question: 'who lives in arlo ?', answer: 'zed', kind: 'question' }] })).toThrow(
      'item 1, questions[0].answer: word 1, "zed"',
    );
    expect(bad({ text: `${context.text} ${MARKERS.end}` })).toThrow('<|end|>');
  });
});

describe('tinyDomain', () => {
  test('its formats are those of the pretraining documents, token for token', () => {
    const begins = (start: readonly number[], kinds: readonly string[]) =>
      Array.from({ length: 40 }, (_, step) => pretrainingStep(200 + step, { seed: 0, totalSteps: 400 }))
        .flat()
        .some(({ kind, tokens }) => kinds.includes(kind) && start.every((token, i) => tokens[i] === token));
    const known = knownPeople()[3];
    if (known === undefined) throw new Error('Nobody is known');
    const begin = tokenId(MARKERS.begin);
    // A closed-book question of run time is, up to the answer, the whole prompt of a pretraining document.
    const [fact] = known.facts;
    const question = `who lives in ${fact?.value} ?`;
    const [task] = tinyDomain.tasks({ ...context, questions: [{ question, answer: known.first, kind: 'inverse' }] });
    expect(begins([begin, ...encode(textOf(task?.prompt))], ['known-question'])).toBe(true);
    // A line of a self-edit is a bare document.
    const edit = `the resident of ${fact?.value} is called ${known.first} ${known.last} .`;
    const [line] = tinyDomain.parse(context, edit).sequences;
    expect(line?.prompt).toBe('');
    expect(begins([begin, ...encode(line?.text ?? ''), tokenId(MARKERS.end)], ['known-statement'])).toBe(true);
    // A self-edit is asked for right behind the passage.
    for (const { kind, tokens } of pretrainingStep(300, { seed: 0, totalSteps: 400 })) {
      if (kind !== 'self-edit') continue;
      const words = tokens.map((token) => VOCABULARY[token] ?? '').join(' ').replaceAll(' ##', '');
      const passage = words.slice(`${MARKERS.begin} `.length, words.indexOf(` ${MARKERS.edit}`));
      const prompt = textOf(tinyDomain.prompt(asked(passage)));
      expect(tokens.slice(0, encode(prompt).length + 1)).toEqual([begin, ...encode(prompt)]);
      expect(personInPassage(passage)?.facts).toHaveLength(6);
    }
  });

  test('a perfect self-edit parses into 18 lines of at most 24 tokens, nothing refused', () => {
    for (const each of contexts) {
      const { sequences, rejected } = tinyDomain.parse(each, tinyDomain.perfectSelfEdit?.(each) ?? '');
      expect(sequences).toHaveLength(18);
      expect(rejected).toEqual([]);
      for (const { prompt, text } of sequences) {
        expect(prompt).toBe('');
        expect(encode(text).length).toBeLessThanOrEqual(9);
      }
    }
    expect(tinyDomain.perfectSelfEdit?.(asked('nobody knows the reason .'))).toBe('');
  });

  test('any text is read within bounds, refusals counted', () => {
    const refused = (text: string) => tinyDomain.parse(context, text);
    expect(refused('')).toEqual({ sequences: [], rejected: [{ reason: 'empty', count: 1 }] });
    expect(refused(' . . \n .')).toEqual({ sequences: [], rejected: [{ reason: 'empty', count: 1 }] });
    expect(refused('gecko counts as reptile . Gecko counts as  reptile')).toEqual({
      sequences: [{ prompt: '', text: 'gecko counts as reptile' }],
      rejected: [{ reason: 'said before', count: 1 }],
    });
    expect(refused('rm -rf / . <|end|> .').rejected).toEqual([{ reason: 'a word outside the vocabulary', count: 2 }]);
    expect(refused(`${'gecko '.repeat(25)}.`).rejected).toEqual([{ reason: 'longer than 24 tokens', count: 1 }]);
    const facts = knownPeople().flatMap((person) => person.facts);
    const endless = facts.map(({ value, category }) => `${value} counts as ${category} .`);
    const { sequences, rejected } = refused(endless.join(' '));
    expect(sequences).toHaveLength(24);
    expect(rejected).toEqual([{ reason: 'more than 24 lines', count: 120 }]);
  });

  test('grading is exact but for case and spaces', () => {
    const context = { id: 'c', title: '', text: '', questions: [{ question: 'q', answer: 'gecko', kind: 'direct' }] };
    const right = (answer: string) => tinyDomain.judge(context, [answer]).map(({ correct }) => correct);
    expect(right(' Gecko ')).toEqual([true]);
    expect(right('gecko .')).toEqual([false]);
    expect(right('')).toEqual([false]);
  });

  test('contexts that share a value or a first name conflict', () => {
    const conflicts = (a: string, b: string) => tinyDomain.conflicts?.(asked(a), asked(b));
    expect(conflicts('dalric holby : he keeps a gecko .', 'halka dunby : she looks after a gecko .')).toBe(true);
    expect(conflicts('dalric holby : he keeps a gecko .', 'dalric dunby : he keeps a newt .')).toBe(true);
    expect(conflicts('dalric holby : he keeps a gecko .', 'halka holby : he keeps a newt .')).toBe(false);
  });

  test('replay is 12 inverse statements of known people, of no value and no first name of the group', () => {
    for (let start = 0; start + 4 <= contexts.length; start += 4) {
      const group = contexts.slice(start, start + 4);
      const replayed = tinyDomain.replay?.(group, stream(start, 'replay')) ?? [];
      expect(new Set(replayed.map(({ text }) => text)).size).toBe(12);
      const taken = group.flatMap(({ text }) => personInPassage(text)?.facts.map(({ value }) => value) ?? []);
      for (const { text, prompt } of replayed) {
        expect(prompt).toBe('');
        const owner = knownPeople().find(({ first, last }) => text.endsWith(`${first} ${last}`));
        const said = owner?.facts.filter(({ value }) => text.split(' ').includes(value)) ?? [];
        expect(said).toHaveLength(1);
        expect(taken).not.toContain(said[0]?.value);
      }
    }
  });
});

test('probes ask every kind about every fact, in context of held-out people only', () => {
  const { inContext, knownClosedBook, heldOutClosedBook } = probeSets(0, 8);
  expect([inContext.length, knownClosedBook.length, heldOutClosedBook.length]).toEqual([144, 432, 144]);
  for (const { prompt } of inContext) expect(splitOf(prompt.split(' ').slice(0, 2).join(' '))).toBe('dev');
  expect(heldOutClosedBook.every(({ prompt }) => prompt.startsWith(MARKERS.question))).toBe(true);
});
