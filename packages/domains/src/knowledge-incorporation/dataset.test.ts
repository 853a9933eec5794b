import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parsePassages } from './dataset.ts';

const passage = {
  title: 'Tea',
  context: 'Tea is brewed at ninety degrees.',
  questions: [{ question: 'How hot is it brewed?', answer: 'ninety degrees' }],
};

const failure = (source: unknown): Error => {
  try {
    parsePassages(source, 'data/tea.json');
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('parsePassages accepted it');
};

describe('a file is read', () => {
  test('from text and from JSON, with the keys that other tools add', () => {
    const item = { ...passage, completions: ['x'], prompt: 'y' };
    const [context] = parsePassages(`\ufeff${JSON.stringify([item])}`, 'tea.json');
    expect(context).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{16}$/),
      title: 'Tea',
      text: 'Tea is brewed at ninety degrees.',
      questions: [{ question: 'How hot is it brewed?', answer: 'ninety degrees', kind: 'question' }],
    });
    expect(parsePassages([passage], 'tea.json')).toEqual([context]);
  });

  test('with identities that follow the passage, not its place', () => {
    const other = { ...passage, title: 'Coffee' };
    const ids = (items: unknown[]): string[] => parsePassages(items, 'x').map(({ id }) => id);
    expect(ids([passage, other])).toEqual(ids([other, passage]).reverse());
    expect(new Set(ids([passage, other])).size).toBe(2);
  });

  test('with a question asked twice, as SQuAD does, and with its kind', () => {
    const [question] = passage.questions;
    const [context] = parsePassages([{ ...passage, questions: [question, { ...question, kind: 'inverse' }] }], 'x');
    expect(context?.questions.map(({ kind }) => kind)).toEqual(['question', 'inverse']);
  });
});

/** SQuAD's own nesting around questions. */
const nested = (...qas: unknown[]): unknown => ({ version: '1.1', data: [{ title: 'Hot_tea', paragraphs: [{ context: passage.context, qas }] }] });

describe('other layouts', () => {
  const answers = [{ text: 'ninety degrees', answer_start: 17 }, { text: 'ninety', answer_start: 17 }];

  test('a list beside its provenance', () => {
    expect(parsePassages({ provenance: 'mine', items: [passage] }, 'x')).toEqual(parsePassages([passage], 'x'));
  });

  test("SQuAD's own nesting, the first answer being gold", () => {
    const read = parsePassages(nested({ id: '1', question: 'How hot is it brewed?', answers }), 'x');
    expect(read).toEqual(parsePassages([{ ...passage, title: 'Hot tea' }], 'x'));
  });

  test('what SQuAD 2.0 marks as impossible is left out, and passages of nothing else', () => {
    const impossible = { question: 'Why?', answers: [], is_impossible: true, plausible_answers: answers };
    const read = parsePassages(nested(impossible, { question: 'How hot is it brewed?', answers, is_impossible: false }), 'x');
    expect(read.map(({ questions }) => questions.map(({ question }) => question))).toEqual([['How hot is it brewed?']]);
    expect(() => parsePassages(nested(impossible), 'x')).toThrow('the list is empty');
  });
});

describe('SQuAD as tools and libraries write it', () => {
  const rows = [
    { id: 'a', title: 'Hot_tea', context: passage.context, question: 'How hot?', answers: { text: ['ninety degrees', 'ninety'], answer_start: [17, 17] } },
    { id: 'b', title: 'Coffee', context: 'Coffee is ground.', question: 'Is it salted?', answers: { text: [], answer_start: [] } },
    { id: 'c', title: 'Coffee', context: 'Coffee is ground.', question: 'What is done?', answers: { text: ['ground'], answer_start: [10] } },
    { id: 'd', title: 'Hot_tea', context: passage.context, question: 'What is brewed?', answers: { text: ['Tea'], answer_start: [0] } },
    { id: 'e', title: 'Water', context: 'Water boils.', question: 'Why?', answers: { text: [], answer_start: [] } },
  ];
  const gist = (source: unknown) => parsePassages(source, 'd/tea.time.json').map(({ title, questions }) => [title, ...questions.map(({ question, answer }) => `${question} ${answer}`)]);
  const joined = [['Hot tea', 'How hot? ninety degrees', 'What is brewed? Tea'], ['Coffee', 'What is done? ground']];

  test('rows are joined to passages, as a list, as `data`, and one a line', () => {
    expect(gist(rows)).toEqual(joined);
    expect(gist({ version: '2.0', data: rows })).toEqual(joined);
    expect(gist(`\ufeff${rows.map((row) => JSON.stringify(row)).join('\r\n\n')}\n`)).toEqual(joined);
    expect(gist(JSON.stringify(rows[0]))).toEqual([['Hot tea', 'How hot? ninety degrees']]);
  });

  test('rows whose answers are a list of objects, of texts, or one text', () => {
    const [row] = rows;
    for (const answers of [[{ text: 'A', answer_start: 1 }], ['A', 'B'], null]) {
      expect(gist([{ ...row, answers, ...(answers === null && { answer: 'A' }) }])).toEqual([['Hot tea', 'How hot? A']]);
    }
    expect(gist([...rows.slice(0, 1), { ...rows[2], is_impossible: true }])).toEqual([['Hot tea', 'How hot? ninety degrees']]);
  });

  test('articles and paragraphs without the object around them, with keys of any tool, without titles', () => {
    const paragraph = {
      context: 'C.', document_id: 4, qas: [{ id: 1, question: 'Q?', is_impossible: null, answers: [{ text: 'A', answer_start: 0, answer_end: 1, answer_category: null }] }],
    };
    expect(gist([{ title: 'Hot_tea', paragraphs: [paragraph] }])).toEqual([['Hot tea', 'Q? A']]);
    expect(gist({ data: [{ paragraphs: [paragraph], tool: 'x' }], exported: true })).toEqual([['tea.time', 'Q? A']]);
    expect(gist([paragraph, { ...paragraph, title: 'Two' }])).toEqual([['tea.time', 'Q? A'], ['Two', 'Q? A']]);
  });

  test('a passage without questions is one, a passage whose questions have no answer is none', () => {
    const unasked = { title: 'Two', context: 'D.', qas: [] };
    expect(gist({ data: [{ title: 'One', paragraphs: [unasked, { context: 'E.', qas: [{ question: 'Why?', is_impossible: true }] }] }] })).toEqual([['Two']]);
  });
});

describe('a wrong file is refused by file, item, field and remedy', () => {
  const questions = (...list: unknown[]): unknown[] => [passage, { ...passage, title: 'B', questions: list }];

  test.each<[string, unknown, RegExp]>([
    ['not JSON', '[{"title": ', /data\/tea\.json: not JSON \(.+\); save it as JSON in UTF-8$/],
    ['JSON lines that are no passages', '{"title": "a"}\n{"title": "b"}\n', /line 1, context must be a string \(was missing\); add the field/],
    ['a line that is not JSON', `${JSON.stringify(passage)}\n{"title": \n`, /tea\.json, line 2: not JSON/],
    ['an empty file', ' \n', /the file is empty$/],
    ['no list', '{"note": "x", "items": []}', /expected a list, found an object; give the list under "items" alone$/],
    ['a number', 5, /expected a list, found a number; the file must be a list of passages$/],
    ['null', 'null', /found null/],
    ['an empty SQuAD file', { data: [{ title: 'a', paragraphs: [] }] }, /the list is empty; add at least one passage$/],
    ['a broken SQuAD file', { data: [{ title: 'a', paragraphs: [{ context: 'c' }] }] }, /data\[0\]\.paragraphs\[0\]\.qas must be .*SQuAD's own/],
    ['a SQuAD question without an answer', nested({ question: 'x', answers: [] }), /data\[0\]\.paragraphs\[0\]\.qas\[0\]\.answers must begin with an answer that is not empty; add it, or mark/],
    ['no passages', [], /the list is empty; add at least one passage$/],
    ['an item that is no object', [passage, 'x'], /item 1 must be an object \(was a string\); each passage is/],
    ['no questions', questions(), /item 1, questions must be non-empty; add a question or remove the passage$/],
    ['an absent field', [{ ...passage, context: undefined }], /item 0, context must be a string \(was undefined\)/],
    ['an absent key', [{ title: 'a', questions: [] }], /item 0, context must be .*missing.*; add the field \(and 1/],
    ['a blank title', [{ ...passage, title: ' ' }], /item 0, title must be a text that is not empty.*; fill it/],
    ['a blank passage', [{ ...passage, context: '\n' }], /item 0, context must be a text that is not empty/],
    ['a blank question', questions({ question: '', answer: 'x' }), /item 1, questions\[0\]\.question must be a text/],
    ['a blank answer', questions({ question: 'x', answer: '' }), /item 1, questions\[0\]\.answer must be a text/],
    ['a number for an answer', questions({ question: 'x', answer: 4 }), /questions\[0\]\.answer must be a string/],
    ['a misspelt key', questions({ question: 'x', answr: 'y' }), /questions\[0\]\.ans.*\(and 1 more in this item\)$/],
    ['an unknown key', [{ ...passage, text: 'x' }], /item 0, text must be removed; this key is unknown; remove it/],
    ['a row without its passage', [{ question: 'x', context: 7, answers: { text: ['y'] } }], /item 0, context must be a string \(was a number\); .*as a row of SQuAD/],
    ['a row whose answers are no texts', '{"a":1,"context":"c","question":"q","answers":{"text":[1]}}\n{}', /line 1, answers.* must be .*as a row of SQuAD/],
    ['a passage of rows and of an article', [{ context: 'c', question: 'q', answer: 'a' }, { paragraphs: [{ context: 'c', qas: [] }] }], /item 1, context repeats item 0/],
    ['a passage twice', [passage, { ...passage, title: ' Tea' }], /item 1, context repeats item 0; keep one of them/],
  ])('%s', (_name, source, message) => {
    const error = failure(source);
    expect(error).toBeInstanceOf(SyntaxError);
    expect(error.message).toMatch(/^Cannot read passages from data\/tea\.json(, line 2)?: /);
    expect(error.message).toMatch(message);
  });
});

const recordings = process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data';

describe('SQuAD passages', () => {
  test.for<[string, number, number]>([
    ['squad_train_recovered.json', 199, 956],
    ['squad_val_eval_000_029.json', 30, 135],
  ])('%s has %i passages and %i questions', ([name, passages, questions], { skip }) => {
    const file = join(recordings, 'data', name);
    skip(!existsSync(file), `${file} is absent: the passages are not part of the repository`);
    const contexts = parsePassages(readFileSync(file, 'utf8'), name);
    expect(contexts).toHaveLength(passages);
    expect(new Set(contexts.map(({ id }) => id)).size).toBe(passages);
    expect(contexts.flatMap((context) => context.questions)).toHaveLength(questions);
  });
});
