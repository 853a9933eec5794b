import { describe, expect, test } from 'vitest';
import { agreementOf, GATE, PHASE, relativeL2, requireAgreement, type Trained } from './round-agreement.ts';

const adapter = (change: Partial<Trained> = {}): Trained => ({
  initial: Float32Array.of(0, 0, 0, 0),
  values: Float32Array.of(3, 0, 4, 0),
  losses: [2, 1, 0.5],
  answers: ['gecko', 'dalric'],
  ...change,
});

describe('how far trainings differ', () => {
  test('equal ones do not', () => {
    expect(agreementOf([adapter()], [adapter()])).toEqual({
      lossDifference: 0,
      medianUpdateRelativeL2: 0,
      worstUpdateRelativeL2: 0,
      equalAnswers: 1,
    });
  });

  test('by the update, not by the values', () => {
    const own = { initial: Float32Array.of(100, 0), values: Float32Array.of(103, 4) };
    // ||(0, 1)|| over ||(3, 4)||.
    expect(relativeL2(own, Float32Array.of(103, 5))).toBeCloseTo(0.2, 12);
  });

  test('by the worst loss, the middle and the worst update, and the share of equal answers', () => {
    const theirs = [
      adapter({ losses: [2, 1.1, 0.5], values: Float32Array.of(3, 0.5, 4, 0), answers: ['gecko', 'holby'] }),
      adapter(),
      adapter({ values: Float32Array.of(3, 0, 4, 5) }),
    ];
    const agreement = agreementOf([adapter(), adapter(), adapter()], theirs);
    expect(agreement.lossDifference).toBeCloseTo(0.1, 12);
    expect(agreement.medianUpdateRelativeL2).toBeCloseTo(0.1, 12);
    expect(agreement.worstUpdateRelativeL2).toBeCloseTo(1, 12);
    expect(agreement.equalAnswers).toBeCloseTo(5 / 6, 12);
  });

  test('without losses or questions there is nothing to say of them', () => {
    const silent = adapter({ losses: null, answers: [] });
    expect(agreementOf([silent], [adapter({ answers: [] })])).toMatchObject({ lossDifference: null, equalAnswers: null });
  });

  test('unequal counts of adapters or steps are refused', () => {
    expect(() => agreementOf([adapter()], [])).toThrow(RangeError);
    expect(() => agreementOf([adapter()], [adapter({ losses: [2, 1] })])).toThrow('3 losses with 2');
  });
});

describe('the gate', () => {
  const held = (theirs: Trained, limits = GATE) => requireAgreement('peft', agreementOf([adapter()], [theirs]), limits);

  test('lets rounding pass', () => {
    expect(() => held(adapter({ losses: [2, 1.0005, 0.5], values: Float32Array.of(3.01, 0, 4, 0) }))).not.toThrow();
  });

  test.each<[string, Partial<Trained>, string]>([
    ['a loss that differs', { losses: [2, 1.002, 0.5] }, 'a loss differs from ours by 2.0e-3'],
    ['a loss that is not finite', { losses: [2, NaN, 0.5] }, 'a loss differs from ours by Infinity'],
    ['a perturbed adapter', { values: Float32Array.of(3, 0.1, 4, 0) }, 'update differs from ours by 2.0e-2'],
    ['an adapter that was not trained', { values: Float32Array.of(0, 0, 0, 0) }, 'update differs from ours by 1.0e+0'],
    ['an adapter of another size', { values: Float32Array.of(3, 0, 4) }, 'update differs from ours by Infinity'],
  ])('stops at %s', (_, change, text) => {
    expect(() => held(adapter(change))).toThrow(`Cannot time peft: `);
    expect(() => held(adapter(change))).toThrow(text);
  });

  test('of a whole phase goes by the middle adapter, and by no adapter being another', () => {
    const few = [adapter(), adapter(), adapter({ values: Float32Array.of(3, 0.25, 4, 0) })];
    const all = [adapter(), adapter(), adapter()];
    expect(() => requireAgreement('peft', agreementOf(all, few), PHASE)).not.toThrow();
    const everyone = all.map(() => adapter({ values: Float32Array.of(3, 0.05, 4, 0) }));
    expect(() => requireAgreement('peft', agreementOf(all, everyone), PHASE)).toThrow('the middle update');
    const swapped = [adapter(), adapter(), adapter({ values: Float32Array.of(0, 3, 0, 4) })];
    expect(() => requireAgreement('peft', agreementOf(all, swapped), PHASE)).toThrow('an update differs');
  });
});
