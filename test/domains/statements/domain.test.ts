/** The example of packages/domains/README.md: what it shows is this file, and it keeps what the interface promises. */

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Context } from '@seal/domains';
import { statements } from './domain.ts';

const context: Context = {
  id: 'harbour',
  title: 'Harbour',
  text: 'The harbour was dredged in 1931. Ada Holt kept a diary of it.',
  questions: [{ question: 'When was it dredged?', answer: '1931', kind: 'question' }],
};

it('is what the README shows', () => {
  const readme = readFileSync(new URL('../../../packages/domains/README.md', import.meta.url), 'utf8');
  expect(/```ts\n([^]*?)```/.exec(readme)?.[1]).toBe(readFileSync(new URL('./domain.ts', import.meta.url), 'utf8'));
});

it('bounds a self-edit and counts what it refuses', () => {
  const { sequences, rejected } = statements.parse(context, ` One.\n\nTwo.\nOne.\n${'long '.repeat(100)}`);
  expect(sequences.map(({ text }) => text)).toEqual(['One.', 'Two.']);
  expect(rejected).toEqual([{ reason: 'too many or too long', count: 1 }]);
  const endless = Array.from({ length: 1_000 }, (_, i) => `Line ${i}.`).join('\n');
  expect(statements.parse(context, endless).sequences).toHaveLength(32);
  expect(statements.parse(context, '').sequences).toEqual([]);
});

it('judges every task, answered or not', () => {
  expect(statements.judge(context, [' 1931\n'])).toMatchObject([{ correct: true }]);
  expect(statements.judge(context, [])).toMatchObject([{ answer: '', correct: false }]);
});

it('is made to fit at the end of a sentence', () => {
  expect(statements.fit?.(context, ({ text }) => text.length < 40)?.text).toBe('The harbour was dredged in 1931.');
});
