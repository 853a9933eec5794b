import { describe, expect, it } from 'vitest';
import { stream } from '@seal/files';
import { ProgressMeter, type Progress } from './progress.ts';

/** A meter that hears and tells; time is what the test says. */
function open(selfEdits: number, adaptations: number, fineTunings = 0, maxAnswerTokens = 4) {
  const told: Progress[] = [];
  const clock = { now: 0 };
  const meter = new ProgressMeter({ selfEdits, adaptations, fineTunings, maxAnswerTokens }, (progress) => told.push(progress), () => clock.now);
  return { meter, clock, told, last: () => told.at(-1) as Progress };
}
const trained = (adapters: number, tokens: number) => ({ type: 'trained', adapters, underWay: 2, steps: 5, stepsPlanned: 10, tokens }) as const;

describe('ProgressMeter', () => {
  it('counts what is done, what was found in the records and what is under way', () => {
    const { meter, last } = open(10, 20);
    meter.enter('self-edits', 1);
    const writing = meter.executing();
    writing({ type: 'written', tokens: 120 });
    expect(last()).toMatchObject({ selfEdits: 0, writtenTokens: 120 });
    meter.add({ selfEdits: 4, editTokens: 120 });
    expect(last()).toEqual({
      stage: 'self-edits', round: 1, selfEdits: 4, selfEditsPlanned: 10, writtenTokens: 0, adaptations: 0, adaptationsPlanned: 20, underWay: null, secondsLeft: null,
    });
    meter.add({ adaptations: 8, recalled: true });
    meter.enter('adaptation', 1);
    const adapting = meter.executing();
    adapting(trained(2.5, 100));
    expect(last()).toMatchObject({ stage: 'adaptation', adaptations: 10, underWay: { adapters: 2, steps: 5, stepsPlanned: 10 } });
    meter.add({ adaptations: 2 });
    expect(last()).toMatchObject({ adaptations: 10, underWay: null });
    adapting(trained(2.5, 100));
    expect(last()).toMatchObject({ adaptations: 10 });
    adapting(trained(3.5, 100));
    expect(last()).toMatchObject({ adaptations: 11 });
  });

  it('says nothing of the time left before writing and training were measured', () => {
    const { meter, clock, told, last } = open(4, 4);
    meter.enter('self-edits', 1);
    const writing = meter.executing();
    writing({ type: 'written', tokens: 10 });
    clock.now = 1_000;
    writing({ type: 'written', tokens: 110 });
    meter.add({ selfEdits: 2, editTokens: 200 });
    meter.enter('adaptation', 1);
    meter.expect({ adaptations: 2, tokens: 4_000, answers: 6 });
    const adapting = meter.executing();
    adapting(trained(0.1, 500));
    expect(told.map(({ secondsLeft }) => secondsLeft)).toEqual(told.map(() => null));
    clock.now = 2_000;
    adapting(trained(0.5, 1_500));
    // Two self-edits of 100 tokens at 100 a second; 3.5 adapters of 2,000 at 1,000 a second, and three answers of four tokens
    // each that are taken to be as slow as what was written.
    expect(last().secondsLeft).toBeCloseTo(2 * 1 + 3.5 * (2 + 3 * 4 * 0.01), 9);
    adapting({ type: 'spent', on: 'adapting', seconds: 4 });
    adapting({ type: 'spent', on: 'answering', seconds: 3 });
    meter.add({ adaptations: 2, answers: 6 });
    // Now answers are measured: half a second each.
    expect(last().secondsLeft).toBeCloseTo(2 * 1 + 2 * (2 + 1.5), 9);
  });

  it('hands on the seconds of finished parts', () => {
    const { meter } = open(0, 2);
    const spent: unknown[] = [];
    const hear = meter.executing((on, seconds) => spent.push([on, seconds]));
    hear({ type: 'spent', on: 'adapting', seconds: 4 });
    hear({ type: 'spent', on: 'answering', seconds: 3 });
    expect(spent).toEqual([['adapting', 4], ['answering', 3]]);
  });

  it('takes the pace from tokens under way, and none from what was found in the records', () => {
    const { meter, clock, last } = open(0, 10);
    meter.add({ adaptations: 4, recalled: true });
    meter.expect({ adaptations: 6, tokens: 6_000, answers: 6 });
    const adapting = meter.executing();
    // What came before the first word of a call may have been preparation.
    clock.now = 60_000;
    adapting(trained(0, 100));
    clock.now = 61_000;
    adapting(trained(0.5, 600));
    // Nothing was written or answered in this process.
    expect(last().secondsLeft).toBeNull();
    adapting({ type: 'spent', on: 'answering', seconds: 2 });
    meter.add({ adaptations: 1, answers: 1 });
    // 1,000 tokens at 500 a second and an answer of 2 s each.
    expect(last().secondsLeft).toBeCloseTo(5 * 4, 9);
    clock.now = 70_000;
    adapting(trained(2, 2_000));
    expect(last().secondsLeft).toBeCloseTo(4 * 4, 9);
    clock.now = 78_000;
    // Now they train at half that speed and less: 1,500 tokens in 9 s.
    adapting(trained(3, 3_000));
    expect(last().secondsLeft).toBeCloseTo(3 * (6 + 2), 9);
  });

  it('counts a text under way as far as it is written', () => {
    const { meter, clock, last } = open(8, 0);
    const writing = meter.executing();
    writing({ type: 'written', tokens: 0 });
    clock.now = 4_000;
    writing({ type: 'written', tokens: 400 });
    meter.add({ selfEdits: 4, editTokens: 400 });
    expect(last().secondsLeft).toBeCloseTo(4, 9);
    clock.now = 6_000;
    writing({ type: 'written', tokens: 600 });
    expect(last()).toMatchObject({ selfEdits: 4, secondsLeft: 2 });
    // Texts longer than those before are not more than are left.
    clock.now = 12_000;
    writing({ type: 'written', tokens: 1_200 });
    expect(last().secondsLeft).toBe(0);
  });

  it('leaves out of the pace of writing the piece that compiled, once there is another', () => {
    const { meter, clock, last } = open(8, 0);
    const writing = meter.executing();
    const write = (seconds: number, tokens: number) => {
      clock.now = 1_000 * seconds;
      writing({ type: 'written', tokens });
    };
    write(5, 4);
    write(25, 8);
    expect(last().secondsLeft).toBeNull();
    meter.add({ selfEdits: 2, editTokens: 8 });
    // As long as nothing else was measured: 4 tokens in 20 s, and six texts of 4 tokens.
    expect(last().secondsLeft).toBe(6 * 20);
    write(26, 12);
    write(27, 16);
    meter.add({ selfEdits: 2, editTokens: 8 });
    expect(last().secondsLeft).toBe(4 * 1);
  });

  it('counts fine-tunings that were measured, and no more of them than are left', () => {
    const { meter, last } = open(0, 0, 3);
    meter.fineTuned(null);
    meter.fineTuned(8);
    meter.enter('evaluation', null);
    expect(last().secondsLeft).toBe(8);
    meter.fineTuned(12);
    meter.enter('evaluation', null);
    expect(last().secondsLeft).toBe(0);
  });
});

/** A course of work as a run takes it; what each thing takes is known. Gives every estimate with the time it was told at. */
function course({ rounds, perRound, groupSize, table, secondsPerEditToken }: { rounds: number; perRound: number; groupSize: number; table: number; secondsPerEditToken: number }) {
  const random = stream(3, 'course');
  const vary = (mean: number) => Math.round(mean * (0.7 + 0.6 * random.next()));
  const told: { readonly at: number; readonly left: number | null }[] = [];
  const clock = { now: 0 };
  const planned = { selfEdits: rounds * perRound + table, adaptations: rounds * perRound + table, fineTunings: rounds, maxAnswerTokens: 4 };
  const meter = new ProgressMeter(planned, ({ secondsLeft }) => told.push({ at: clock.now / 1_000, left: secondsLeft }), () => clock.now);
  const write = (count: number) => {
    const hear = meter.executing();
    let tokens = 0;
    for (let done = 0; done < count; done += groupSize) {
      const lengths = Array.from({ length: Math.min(groupSize, count - done) }, () => vary(100));
      // Side by side: the longest decides, and each token of a step costs the same.
      for (let step = 0; step < Math.max(...lengths); step++) {
        const written = lengths.filter((length) => length > step).length;
        tokens += written;
        clock.now += 1_000 * secondsPerEditToken * written;
        hear({ type: 'written', tokens });
      }
      meter.add({ selfEdits: lengths.length, editTokens: lengths.reduce((sum, length) => sum + length, 0) });
    }
  };
  const adapt = (count: number) => {
    const sizes = Array.from({ length: count }, () => vary(4_000));
    const answers = sizes.map(() => 3 + random.integer(4));
    const sum = (values: readonly number[]) => values.reduce((all, one) => all + one, 0);
    meter.expect({ adaptations: count, tokens: sum(sizes), answers: sum(answers) });
    const hear = meter.executing();
    let tokens = 0;
    for (let done = 0; done < count; done += groupSize) {
      const own = sizes.slice(done, done + groupSize);
      const whole = sum(own);
      let began = clock.now;
      for (let step = 1; step <= 20; step++) {
        clock.now += whole / 20 / 2;
        hear({ type: 'trained', adapters: done + (own.length * step) / 20, underWay: own.length, steps: step, stepsPlanned: 20, tokens: Math.round(tokens + (whole * step) / 20) });
      }
      tokens += whole;
      hear({ type: 'spent', on: 'adapting', seconds: (clock.now - began) / 1_000 });
      began = clock.now;
      const asked = sum(answers.slice(done, done + groupSize));
      clock.now += 80 * asked;
      hear({ type: 'spent', on: 'answering', seconds: (clock.now - began) / 1_000 });
      meter.add({ adaptations: own.length, answers: asked });
    }
  };
  for (let round = 1; round <= rounds; round++) {
    meter.enter('self-edits', round);
    write(perRound);
    meter.enter('adaptation', round);
    adapt(perRound);
    meter.enter('fine-tuning', round);
    clock.now += 8_000;
    meter.fineTuned(8);
  }
  meter.enter('evaluation', null);
  write(table);
  adapt(table);
  return { told, whole: clock.now / 1_000 };
}

it.each([
  ['that mostly trains', { rounds: 2, perRound: 60, groupSize: 8, table: 40, secondsPerEditToken: 0.002 }],
  ['of which half is writing', { rounds: 12, perRound: 24, groupSize: 6, table: 24, secondsPerEditToken: 0.02 }],
])('estimates a made-up course of work %s within 20 % from its first tenth on', (_, work) => {
  const { told, whole } = course(work);
  const later = told.filter(({ at }) => at >= whole / 10);
  expect(later.length).toBeGreaterThan(500);
  for (const { at, left } of later) {
    expect(left).not.toBeNull();
    const really = whole - at;
    // Of the last tenth a fifth of a tenth is seconds.
    expect(Math.abs((left ?? NaN) - really), `after ${at.toFixed(0)} of ${whole.toFixed(0)} s: ${left?.toFixed(0)}`).toBeLessThanOrEqual(0.2 * Math.max(really, whole / 10));
  }
  expect(told.at(-1)?.left).toBe(0);
});
