import { describe, expect, test } from 'vitest';
import { parsePassages } from './dataset.ts';
import { knowledgeIncorporation } from './domain.ts';
import { parseTemplate } from './templates.ts';

const [tea, coffee] = parsePassages(
  [
    { title: 'Tea', context: ' Tea is hot. ', questions: [{ question: 'How warm?', answer: 'hot', kind: 'direct' }] },
    { title: 'Coffee', context: 'Coffee is black.', questions: [{ question: 'Which colour?', answer: 'black' }] },
  ],
  'x',
);
if (tea === undefined || coffee === undefined) throw new Error('no passages');

const domain = knowledgeIncorporation({ template: 'implications', mode: 'corrected', grader: 'containment' });

describe('knowledge incorporation', () => {
  test('shows the passage to the writer of the self-edit and the questions to nobody', () => {
    expect(domain.prompt(tea)).toContain('Tea is hot.');
    expect(domain.prompt(tea)).not.toContain('How warm?');
  });

  test('asks without the passage', () => {
    const [task] = domain.tasks(tea);
    const prompt: unknown = expect.stringContaining('How warm?');
    expect(task).toEqual({ prompt, question: 'How warm?', gold: 'hot', kind: 'direct' });
    expect(task?.prompt).toContain('Tea');
    expect(task?.prompt).not.toContain('Tea is hot.');
  });

  test('shows the passage to who is to read it, the question asked as it is without', () => {
    const [reading] = domain.reading?.(tea) ?? [];
    const [task] = domain.tasks(tea);
    expect(reading).toEqual({ ...task, prompt: `Title: Tea\nPassage: ${tea.text}\n\n${String(task?.prompt)}` });
  });

  test('knows the perfect self-edit: every question with its answer, each a statement of its own', () => {
    const two = { ...tea, questions: [...tea.questions, { question: 'Who drinks it?', answer: 'Ada.', kind: 'direct' }] };
    const { sequences, rejected } = domain.parse(two, domain.perfectSelfEdit?.(two) ?? '');
    expect(sequences.map(({ text }) => text)).toEqual(['Tea\nHow warm? hot', 'Tea\nWho drinks it? Ada.']);
    expect(rejected).toEqual([]);
  });

  test('trains on the passage once, and on the statements of the self-edit beside it', () => {
    expect(domain.always(tea)).toEqual([{ prompt: '', text: 'Tea\nTea is hot.' }]);
    expect(domain.parse(tea, '1. Hot tea.\n1. Hot tea.')).toEqual({
      sequences: [{ prompt: '', text: 'Tea\nHot tea.' }],
      rejected: [{ reason: 'repeated', count: 1 }],
    });
  });

  test('takes mode, grader and template as they are given', () => {
    const template = parseTemplate({ name: 'mine', selfEdit: 'P {context}', answer: 'Q {question}' }, 'x');
    const paper = knowledgeIncorporation({ template, mode: 'paper', grader: 'exact' });
    expect(paper.name).toBe('knowledge-incorporation (mine, paper, exact)');
    expect(paper.prompt(tea)).toBe('P  Tea is hot. ');
    expect(paper.tasks(tea)[0]?.prompt).toBe('Q How warm?');
    expect(paper.parse(tea, '1. a\n2. a').sequences).toHaveLength(2);
    expect([paper, domain].map((one) => one.judge(tea, ['very hot']).map(({ correct }) => correct))).toEqual([[false], [true]]);
  });

  test('keeps passages of one title from sharing an adapter', () => {
    expect(domain.conflicts?.(tea, { ...coffee, title: 'Tea' })).toBe(true);
    expect(domain.conflicts?.(tea, coffee)).toBe(false);
  });

  test.each([
    [{ template: 'poem', mode: 'paper', grader: 'exact' }, /Cannot find template "poem"/],
    [{ template: 'rewrite', mode: 'paper', grader: 'kind' }, /Cannot find grader "kind"/],
  ])('refuses %j', (options, message) => {
    expect(() => knowledgeIncorporation(options as Parameters<typeof knowledgeIncorporation>[0])).toThrow(message);
  });
});
