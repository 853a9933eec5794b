import { expect, it } from 'vitest';
import { ProgressMeter, type Progress } from './progress.ts';

it('tells the time left by the pace of the work of this process', () => {
  const told: Progress[] = [];
  let now = 0;
  const meter = new ProgressMeter({ selfEdits: 10, adaptations: 20 }, (progress) => told.push(progress), () => now);
  meter.enter('self-edits', 1);
  meter.writing(120);
  expect(told.at(-1)).toMatchObject({ selfEdits: 0, writtenTokens: 120 });
  meter.add({ selfEdits: 4 });
  expect(told.at(-1)).toEqual({
    stage: 'self-edits', round: 1, selfEdits: 4, selfEditsPlanned: 10, writtenTokens: 0, adaptations: 0, adaptationsPlanned: 20, secondsLeft: null,
  });
  // Eight were found in the records: they say nothing about the pace.
  meter.add({ adaptations: 8, recalled: true });
  meter.enter('adaptation', 1);
  meter.running(0);
  now = 10_000;
  meter.running(2);
  // Two of the twelve that were left took 10 s, ten are left.
  expect(told.at(-1)).toMatchObject({ stage: 'adaptation', adaptations: 10, secondsLeft: 50 });
  now = 20_000;
  meter.add({ adaptations: 4 });
  expect(told.at(-1)).toMatchObject({ adaptations: 12, secondsLeft: 40 });
});
