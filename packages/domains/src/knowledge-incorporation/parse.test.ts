import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { defaultBounds, parseSelfEdit, type SelfEditBounds } from './parse.ts';

const context = { title: ' Tea ', text: 'Tea is brewed. ' };

/** What is kept, without the title, and what is refused. */
function parse(text: string, bounds?: SelfEditBounds): { kept: string[]; refused: Record<string, number> } {
  const { sequences, rejected } = parseSelfEdit(context, text, 'corrected', bounds);
  for (const sequence of sequences) expect(sequence).toEqual({ prompt: '', text: expect.stringMatching(/^Tea\n./) });
  const refused = Object.fromEntries(rejected.map(({ reason, count }) => [reason, count]));
  return { kept: sequences.map((sequence) => sequence.text.slice('Tea\n'.length)), refused };
}

describe('the paper mode', () => {
  test('is the reference with one document a line, the passage left to the trainer, nothing refused', () => {
    expect(parseSelfEdit({ title: 'Tea', text: 'p' }, 'List:\n1. a\n1. a\n\n2. b', 'paper')).toEqual({
      sequences: ['Tea\n1. a', 'Tea\n1. a', 'Tea\n2. b'].map((text) => ({ prompt: '', text })),
      rejected: [],
    });
    expect(parseSelfEdit(context, ' \n', 'paper').sequences).toEqual([]);
  });
});

describe('the corrected mode strips what is no part of a statement', () => {
  test.each([
    ['1. Tea is hot.', 'Tea is hot.'],
    ['12) Tea is hot.', 'Tea is hot.'],
    ['(3) Tea is hot.', 'Tea is hot.'],
    ['a) Tea is hot.', 'Tea is hot.'],
    ['(iv) Tea is hot.', 'Tea is hot.'],
    ['- Tea is hot.', 'Tea is hot.'],
    ['  * [x] Tea is hot.', 'Tea is hot.'],
    ['> • Tea is hot.', 'Tea is hot.'],
    ['- 1. **Heat**: tea is **hot**.', 'Heat: tea is hot.'],
    ['**1. Tea** is hot.', 'Tea is hot.'],
  ])('%j is %j', (line, expected) => {
    expect(parse(line)).toEqual({ kept: [expected], refused: {} });
  });

  const whole = ['1990. Tea spread.', '1.5 million cups', '-5 degrees', 'A. Lincoln drank', 'x --- y', 'a*b**c'];
  test.each(whole)('%j stays', (line) => {
    expect(parse(line)).toEqual({ kept: [line], refused: {} });
  });
});

describe('the corrected mode refuses and counts', () => {
  test.each<[string, string, string[], Record<string, number>]>([
    ['nothing at all', '', [], {}],
    ['blank lines', '\n \na\n\nb\n', ['a', 'b'], { 'blank line': 3 }],
    ['lines without words', '---\n***\n1.\n...\na\n🍵', ['a'], { 'no words': 5 }],
    ['headings and lead-ins', '## Tea\nHere is a list:\n**Facts:**\n1. a', ['a'], { heading: 3 }],
    ['repetitions', '1. Hot tea.\n2. hot  TEA\n- Hot tea!\nNo hot tea.', ['Hot tea.', 'No hot tea.'], { repeated: 2 }],
    ['control tokens', 'a<|endoftext|>b\n</s>\nc < d | e > f', ['c < d | e > f'], { 'special token': 2 }],
  ])('%s', (_name, text, kept, refused) => {
    expect(parse(text)).toEqual({ kept, refused });
  });

  test('one line repeated to the end of generation, and an edit that never ends', () => {
    expect(parse('Tea is hot.\n'.repeat(2000))).toEqual({ kept: ['Tea is hot.'], refused: { repeated: 1999 } });
    const endless = parse(Array.from({ length: 5000 }, (_, line) => `${line}. Tea has property ${line}.`).join('\n'));
    expect(endless.kept).toHaveLength(defaultBounds.maxSequences);
    expect(Object.values(endless.refused).reduce((sum, count) => sum + count)).toBe(5000 - defaultBounds.maxSequences);
    expect(Object.keys(endless.refused).sort()).toEqual(['beyond the length bound', 'too many']);
  });

  test('a line without end, in a time that does not grow with its square', () => {
    const bounds = { maxSequences: 9, maxSequenceCharacters: 1e9, maxCharacters: 1e9 };
    const time = (count: number): number => {
      const start = performance.now();
      for (const unit of ['the ', '. ', '**', '- ', '1. ', '(', '<|', '\u2028', 'Question 1: ', 'Answer', ' ']) {
        for (const head of ['', 'A', 'Q']) parse(`${head}${unit.repeat(count)}x`, bounds);
      }
      return performance.now() - start;
    };
    time(1_000);
    // Sixteen times the text: sixteen times the time when linear, 256 times when quadratic.
    expect(time(64_000)).toBeLessThan(80 * Math.max(5, time(4_000)));
  });

  test('what exceeds a bound whole, and nothing that just meets it', () => {
    const bounds = { maxSequences: 2, maxSequenceCharacters: 4, maxCharacters: 14 };
    expect(parse('aaaa\nbbbb\ncccc', bounds)).toEqual({ kept: ['aaaa', 'bbbb'], refused: { 'too many': 1 } });
    expect(parse('aaaaa\nbbbb', bounds)).toEqual({ kept: ['bbbb'], refused: { 'too long': 1 } });
    expect(parse('a\nb\na\nb\nc', bounds)).toEqual({ kept: ['a', 'b'], refused: { repeated: 2, 'too many': 1 } });
    const wide = { ...bounds, maxSequences: 9 };
    expect(parse('aaaa\nbbbb\ncccc\n', wide).refused).toEqual({});
    expect(parse('aaaa\nbbbb\nccccc\ndd\nee', wide)).toEqual({
      kept: ['aaaa', 'bbbb'],
      refused: { 'beyond the length bound': 3 },
    });
    expect(parse('aaaa\nbbbb\ncccc\ndd\nee', wide).refused).toEqual({ 'beyond the length bound': 2 });
  });

  test('half a surrogate pair is replaced, so that the text has a UTF-8 form', () => {
    expect(parse('tea \ud83c').kept).toEqual(['tea \ufffd']);
  });
});

describe('questions and answers', () => {
  test('stay together in any numbering, the first question without its mark', () => {
    const [second, third] = ['**Question 2:** How\nhot?\n**Answer:** Very,\nindeed.', 'Q3. 3. Cold?\nAnswer 3: No.'];
    const text = ` What is hot?\nAnswer: Tea.\n\n${second}\n\n${third}`;
    expect(parse(text)).toEqual({
      kept: [
        'Question: What is hot?\nAnswer: Tea.',
        'Question: How hot?\nAnswer: Very, indeed.',
        'Question: Cold?\nAnswer: No.',
      ],
      refused: { 'blank line': 2 },
    });
  });

  test('are dropped without their other half, and what stands around them too', () => {
    const text = 'Here they are:\nQuestion 1: Hot?\nAnswer:\nQuestion 2: Cold?\nQuestion 3: Dry?\nAnswer: No.\n\nBye!';
    expect(parse(text)).toEqual({
      kept: ['Question: Dry?\nAnswer: No.'],
      refused: { 'blank line': 1, 'outside a question': 2, 'question without an answer': 2 },
    });
  });

  test('an answer mark alone does not make a list one', () => {
    expect(parse('Tea is hot.\nA: tea.').kept).toEqual(['Tea is hot.', 'A: tea.']);
  });
});

const recordings = process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data';
const recorded = join(recordings, 'data/recorded_eval_000_029.json');

test('every recorded self-edit gives a sequence, and no statement is lost without a count', ({ skip }) => {
  skip(!existsSync(recorded), `${recorded} is absent: the recorded texts are not part of the repository`);
  const items: { conditions: Record<string, { self_edit: string }> }[] = JSON.parse(
    readFileSync(recorded, 'utf8'),
  ).items;
  const edits = items.flatMap(({ conditions }) =>
    Object.entries(conditions).flatMap(([name, { self_edit }]) => (name === 'naive' ? [] : [self_edit])),
  );
  expect(edits).toHaveLength(120);
  for (const edit of edits) {
    const { kept, refused } = parse(edit);
    expect(kept.length, edit).toBeGreaterThan(0);
    const count = Object.values(refused).reduce((sum, value) => sum + value, kept.length);
    expect(count, edit).toBe(edit.split(/\r?\n/).length);
    for (const text of kept) expect(text).not.toMatch(/^\s*(?:\d{1,3}[.)]|[-*])\s/);
  }
});
