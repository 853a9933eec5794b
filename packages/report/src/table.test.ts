import { expect, it } from 'vitest';
import { fixture } from './fixture.ts';
import { renderTable } from './table.ts';

const { result } = fixture();
const document = {
  ...result,
  rows: [
    {
      condition: 'base',
      accuracy: 0.0489,
      ci95: [0.031, 0.067] as [number, number],
      contexts: 32,
      questions: 384,
      repeats: 1,
    },
    {
      condition: 'self-edit',
      accuracy: 0.266,
      ci95: [0.22, 0.31] as [number, number],
      contexts: 32,
      questions: 384,
      repeats: 3,
    },
    {
      condition: 'round-2',
      accuracy: 0.441,
      ci95: [0.39, 0.5] as [number, number],
      contexts: 32,
      questions: 384,
      repeats: 3,
    },
  ],
  comparisons: [{ a: 'round-2', b: 'self-edit', difference: 0.175, ci95: [0.116, 0.234] as [number, number] }],
};

it('prints rows, differences and the verdict', () => {
  expect(renderTable(document).split('\n')).toEqual([
    'tiny, mode corrected, seed 0',
    '',
    'condition  accuracy         95 % CI  contexts  questions  repeats',
    'base          4.9 %   3.1 to  6.7 %        32        384        1  no adaptation',
    'self-edit    26.6 %  22.0 to 31.0 %        32        384        3  own self-edits, before RL',
    'round-2      44.1 %  39.0 to 50.0 %        32        384        3  own self-edits, after round 2',
    '',
    'paired difference    points         95 % CI',
    'round-2 - self-edit   +17.5  +11.6 to +23.4  beyond noise',
    '',
    'round-2 - self-edit is +17.5 percentage points; its 95 % interval, +11.6 to +23.4, excludes zero: ' +
      'the difference is beyond noise.',
  ]);
});

it('prints the likelihood of gold answers beside the accuracy, and how far it can be trusted', () => {
  const [base, ...others] = document.rows;
  const scored = { ...base!, likelihood: { mean: -3.25, ci95: [-3.5, -3] as [number, number] } };
  const likelihood = { reliability: 0.875, accuracyReliability: null, repeats: 3, agreement: 0.5, agreementContexts: 12 };
  const lines = renderTable({ ...document, rows: [scored, ...others], likelihood }).split('\n');
  expect(lines.slice(2, 5)).toEqual([
    'condition  accuracy         95 % CI  contexts  questions  repeats  gold log-prob.           95 % CI',
    'base          4.9 %   3.1 to  6.7 %        32        384        1          -3.250  -3.500 to -3.000  no adaptation',
    'self-edit    26.6 %  22.0 to 31.0 %        32        384        3               -                 -  own self-edits, before RL',
  ]);
  expect(lines.at(-1)).toBe(
    'Reward by the likelihood of gold answers: reliability over 3 repeats 0.88, of the share of right answers not measured; ' +
      'rank correlation with the share of right answers 0.50 in the mean of 12 contexts.',
  );
});

it('prints a pooled document with its seeds', () => {
  const pooled = { preset: 'tiny', runs: [document, { ...document, seed: 1 }], pooled: document };
  const [title, ...rest] = renderTable(pooled).split('\n');
  expect(title).toBe('tiny, 2 runs pooled (seeds 0, 1)');
  expect(rest).toEqual(renderTable(document).split('\n').slice(1));
});

it('has something to say about a result without rounds, and without rows', () => {
  expect(renderTable({ ...document, rows: document.rows.slice(0, 1), comparisons: [] })).toContain(
    'no difference to judge',
  );
  expect(renderTable({ ...document, rows: [], comparisons: [] })).toContain('condition');
});

it('is ASCII, and no line ends in a space', () => {
  // oxlint-disable-next-line no-control-regex -- all of ASCII is meant
  expect(renderTable(result)).toMatch(/^[\u0000-\u007f]*$/);
  expect(renderTable(result)).not.toMatch(/ $/m);
});
