import { describe, expect, test } from 'vitest';
import { answerPrompt, builtInTemplate, parseTemplate, selfEditPrompt } from './templates.ts';

const names = ['implications', 'implications-long', 'rewrite', 'self-qa', 'none'];
const valid = { selfEdit: 'About {title}: {context} =>', answer: '{title}? {question} =>' };

describe('the templates that need no file', () => {
  test.each(names)('%s fills every placeholder, and passes what a template file must', (name) => {
    const template = builtInTemplate(name);
    expect(parseTemplate({ ...template }, 'x')).toEqual(template);
    const asked = selfEditPrompt(template, { title: 'TITLE', text: 'CONTEXT' });
    expect(asked.match(/TITLE|CONTEXT/g)).toEqual(['TITLE', 'CONTEXT']);
    const answered = answerPrompt(template, 'TITLE', 'QUESTION');
    expect(answered.match(/TITLE|QUESTION/g)).toEqual(['TITLE', 'QUESTION']);
    expect(asked + answered).not.toMatch(/[{}]/);
  });

  test('differ from one another', () => {
    expect(new Set(names.map((name) => builtInTemplate(name).selfEdit)).size).toBe(names.length);
  });

  test.each(['', 'toString', '__proto__', 'Rewrite'])('"%s" is none of them', (name) => {
    expect(() => builtInTemplate(name)).toThrow(/Cannot find template ".*": use implications, .+ a template file/);
  });
});

test('values are put in as they are: dollar signs, braces and placeholders of their own', () => {
  const template = parseTemplate(valid, 'x');
  const title = "$& $1 $$ $` $' {context}";
  const text = '{title} {question} $<name> \\ {';
  expect(selfEditPrompt(template, { title, text })).toBe(`About ${title}: ${text} =>`);
  expect(answerPrompt(template, title, text)).toBe(`${title}? ${text} =>`);
});

test('a question without a title is asked without the line that names it', () => {
  const template = builtInTemplate('implications');
  const named = answerPrompt(template, 'Tea', 'How hot?');
  expect(answerPrompt(template, '', 'How hot?')).toBe(named.replace('Topic: Tea\n', ''));
  expect(answerPrompt(parseTemplate(valid, 'x'), '', 'How hot?')).toBe('? How hot? =>');
});

test('a placeholder may occur twice, and braces around anything else are text', () => {
  const template = parseTemplate({ ...valid, selfEdit: '{"a": 1} {} {title} {title} {context}' }, 'x');
  expect(selfEditPrompt(template, { title: 'T', text: 'C' })).toBe('{"a": 1} {} T T C');
});

test('a file is named by itself or by its place', () => {
  expect(parseTemplate(JSON.stringify({ ...valid, name: 'mine' }), 'mine.json').name).toBe('mine');
  expect(parseTemplate(JSON.stringify(valid), 'mine.json').name).toBe('mine.json');
});

describe('a wrong file is refused with its remedy', () => {
  test.each<[string, unknown, RegExp]>([
    ['not JSON', '{selfEdit: 1}', /: not JSON \(.+\); save it as JSON/],
    ['a list', '[]', /selfEdit must be .*missing.*; give \{"selfEdit"/],
    ['no answer', { selfEdit: '{context}' }, /answer must be a string \(was missing\)/],
    ['an empty text', { ...valid, selfEdit: '' }, /selfEdit must be non-empty/],
    ['an unknown key', { ...valid, selfedit: 'x' }, /selfedit must be removed/],
    ['no passage', { ...valid, selfEdit: 'About {title}' }, /selfEdit lacks \{context\}; put it where/],
    ['no question', { ...valid, answer: 'About {title}' }, /answer lacks \{question\}/],
    ['a slip', { ...valid, selfEdit: '{contxt}' }, /\{contxt\} in selfEdit: no such .+; use \{title\} or/],
    ['a prototype key', { ...valid, selfEdit: '{context} {toString}' }, /\{toString\} in selfEdit: no such/],
    ['the question given away', { ...valid, selfEdit: '{context}{question}' }, /without sight of the questions/],
    ['the passage given away', { ...valid, answer: '{context}{question}' }, /without the passage in sight/],
  ])('%s', (_name, source, message) => {
    expect(() => parseTemplate(source, 'mine.json')).toThrow(SyntaxError);
    expect(() => parseTemplate(source, 'mine.json')).toThrow(/^Cannot read a template from mine\.json: /);
    expect(() => parseTemplate(source, 'mine.json')).toThrow(message);
  });
});
