import { describe, expect, it } from 'vitest';
import { conditionName } from '@seal/runs';
import { config } from './fixture.ts';
import { plannedWork, tableRows } from './rows.ts';
import type { SealConfig } from './config.ts';

/** Two rounds of 16 contexts with 8 self-edits each, 24 contexts in a table of every row. */
const tiny: SealConfig = {
  ...config,
  outer: { ...config.outer, rounds: 2, contexts: 16, samples: 8, repeats: 1, selection: { threshold: 'none', ties: 'random' } },
  evaluation: { contexts: 24, repeats: 1, randomSelection: true, oracle: true },
};
const all = { control: true, reading: false, perfect: true };
const names = (settings: SealConfig, has = all) => tableRows(settings, has).map((rows) => rows.map(({ condition }) => conditionName(condition)));
const size = (contexts: number, groups: number) => ({ contexts, groups });

describe('tableRows', () => {
  it('has every row, the last round first, those of one policy side by side', () => {
    expect(names(tiny)).toEqual([
      ['round-2', 'round-2-greedy'],
      ['round-1'],
      ['random-selection'],
      ['passage', 'self-edit', 'self-edit-greedy', 'oracle'],
      ['passage-matched'],
      ['base'],
    ]);
  });

  it('says of each who writes, what is trained and for how long', () => {
    const rows = new Map(tableRows(tiny, all).flat().map(({ condition, ...rest }) => [conditionName(condition), rest]));
    expect(Object.fromEntries(rows)).toEqual({
      'round-2': { policy: 2, edits: 'sampled', steps: 'configured' },
      'round-2-greedy': { policy: 2, edits: 'greedy', steps: 'configured' },
      'round-1': { policy: 1, edits: 'sampled', steps: 'configured' },
      'random-selection': { policy: 'random', edits: 'sampled', steps: 'configured' },
      'passage': { policy: 0, edits: 'none', steps: 'configured' },
      'self-edit': { policy: 0, edits: 'sampled', steps: 'configured' },
      'self-edit-greedy': { policy: 0, edits: 'greedy', steps: 'configured' },
      'oracle': { policy: 0, edits: 'perfect', steps: 'configured' },
      'passage-matched': { policy: 0, edits: 'none', steps: 'matched' },
      'base': { policy: 0, edits: 'none', steps: 'none' },
    });
  });

  it('reads where it was asked to and there is something to read', () => {
    const reading = { ...tiny, evaluation: { ...tiny.evaluation, reading: true } };
    const has = { ...all, reading: true };
    expect(names(reading, has).slice(-2)).toEqual([['reading'], ['base']]);
    expect(names(reading)).toEqual(names(tiny));
    expect(names(tiny, has)).toEqual(names(tiny));
    expect(plannedWork(reading, has, [], size(24, 6))).toEqual(plannedWork(tiny, all, [], size(24, 6)));
  });

  it('leaves out what was not asked for, what a domain does not have and what needs a round', () => {
    const plain = { ...tiny, evaluation: { ...tiny.evaluation, randomSelection: false, oracle: false } };
    expect(names(plain).flat()).not.toEqual(expect.arrayContaining(['random-selection']));
    expect(names(plain).flat()).not.toContain('oracle');
    expect(names(tiny, { control: true, reading: false, perfect: false }).flat()).not.toContain('oracle');
    expect(names(tiny, { control: false, reading: false, perfect: true }).flat().filter((name) => name.startsWith('passage'))).toEqual([]);
    expect(names({ ...tiny, outer: { ...tiny.outer, rounds: 0 } })).toEqual([['passage', 'self-edit', 'self-edit-greedy', 'oracle'], ['base']]);
  });

});

describe('plannedWork', () => {
  it('is what can be counted by hand', () => {
    // 2 x 16 x 8 in the rounds and 16 x 8 of random selection in the second; six rows of 24 self-edits in the table.
    // Rounds: 8 candidates and their winner for each group; nine rows with adapters in the table.
    const counted = (ofRounds: readonly number[], ofTable: number) => plannedWork(tiny, all, ofRounds.map((groups) => size(16, groups)), size(24, ofTable));
    expect(counted([4, 4], 6)).toEqual({ selfEdits: 528, adaptations: 9 * 8 + 9 * 6 });
    expect(counted([5, 5], 6)).toEqual({ selfEdits: 528, adaptations: 144 });
    expect(counted([5, 6], 7)).toEqual({ selfEdits: 528, adaptations: 9 * 11 + 9 * 7 });
  });

  it('counts repeats and what a threshold has measured', () => {
    const settings: SealConfig = {
      ...config,
      outer: { ...config.outer, rounds: 1, samples: 5, repeats: 3, selection: { threshold: 'beats-baselines', ties: 'random' } },
      evaluation: { contexts: 10, repeats: 2, randomSelection: false, oracle: false },
    };
    // Round: 50 x 5; 15 of candidates, 3 of the control, one winner. Table: sampled rows twice, greedy ones once; six rows.
    expect(plannedWork(settings, all, [size(50, 50)], size(10, 10))).toEqual({ selfEdits: 250 + 2 * (20 + 10), adaptations: 50 * 19 + 6 * 20 });
    const uncontrolled = plannedWork(settings, { control: false, reading: false, perfect: true }, [size(50, 50)], size(10, 10));
    expect(uncontrolled).toEqual({ selfEdits: 310, adaptations: 50 * 16 + 4 * 20 });
  });

  it('counts no more rounds than are run', () => {
    const none = { ...tiny, outer: { ...tiny.outer, rounds: 0 } };
    expect(plannedWork(none, all, [size(16, 4)], size(24, 6))).toEqual({ selfEdits: 48, adaptations: 24 });
  });
});
