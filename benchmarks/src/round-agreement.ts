/** The correctness gate of the round's baselines: the same adapters must come out before a time means anything. */

import type { AdapterValues } from '@seal/model';

/** An adapter as somebody trained it. */
export interface Trained {
  readonly initial: AdapterValues;
  readonly values: AdapterValues;
  /** Loss before every step, or null where it was not kept. */
  readonly losses: readonly number[] | null;
  readonly answers: readonly string[];
}

/** How far two trainings of the same adapters differ. An update is trained minus initial values. */
export interface Agreement {
  /** Largest relative difference of a loss over all steps; null where one side kept none. */
  readonly lossDifference: number | null;
  /** Relative L2 difference of the updates: of the middle adapter, and of the one that differs most. */
  readonly medianUpdateRelativeL2: number;
  readonly worstUpdateRelativeL2: number;
  /** Share of equal answers; null without questions. */
  readonly equalAnswers: number | null;
}

/** The most that an agreement may differ by. */
export interface AgreementLimits {
  readonly loss: number;
  readonly median: number;
  readonly worst: number;
}

/**
 * For a few adapters whose every loss is compared. Float32 rounding shows as 1e-7 for some fifty steps and is then
 * amplified, since AdamW divides by gradients that come close to 0.
 */
export const GATE: AgreementLimits = { loss: 1e-3, median: 1e-2, worst: 1e-2 };
/**
 * For all adapters of a phase: a wrong constant or target moves every one of them, so the middle one decides; amplified
 * rounding moves a few (PyTorch differs from itself, PEFT against batched, by up to 3e-2). An adapter that was given
 * another's values, documents or order is off by about 1.
 */
export const PHASE: AgreementLimits = { loss: 1e-3, median: 2e-3, worst: 2e-1 };

/** Compares adapters one by one. Throws RangeError for lists of different lengths. */
export function agreementOf(ours: readonly Trained[], theirs: readonly Trained[]): Agreement {
  if (ours.length !== theirs.length || ours.length === 0) {
    throw new RangeError(`Cannot compare ${ours.length} adapters with ${theirs.length}: there must be as many, and one at least`);
  }
  let lossDifference: number | null = null;
  let questions = 0;
  let equal = 0;
  const updates = ours.map((own, index) => {
    const other = theirs[index] ?? own;
    if (own.losses && other.losses) lossDifference = Math.max(lossDifference ?? 0, worstDifference(own.losses, other.losses));
    questions += own.answers.length;
    equal += own.answers.filter((answer, i) => answer === other.answers[i]).length;
    return relativeL2(own, other.values);
  });
  return {
    lossDifference,
    medianUpdateRelativeL2: updates.toSorted((a, b) => a - b)[updates.length >> 1] ?? Infinity,
    worstUpdateRelativeL2: Math.max(...updates),
    equalAnswers: questions === 0 ? null : equal / questions,
  };
}

/** Throws RangeError, naming the way and the figure, where losses or updates differ by more than `limits`. */
export function requireAgreement(way: string, agreement: Agreement, limits: AgreementLimits): void {
  const figures: readonly (readonly [string, number, number])[] = [
    ['a loss', agreement.lossDifference ?? 0, limits.loss],
    ['the middle update', agreement.medianUpdateRelativeL2, limits.median],
    ['an update', agreement.worstUpdateRelativeL2, limits.worst],
  ];
  for (const [what, difference, most] of figures) {
    if (difference <= most) continue;
    throw new RangeError(`Cannot time ${way}: ${what} differs from ours by ${difference.toExponential(1)}, at most ${most} is rounding`);
  }
}

/** Largest relative difference; infinite where a loss is not finite. Throws RangeError for unequal step counts. */
function worstDifference(ours: readonly number[], theirs: readonly number[]): number {
  if (ours.length !== theirs.length) {
    throw new RangeError(`Cannot compare ${ours.length} losses with ${theirs.length}: steps must be equal`);
  }
  return ours.reduce((worst, loss, step) => {
    const difference = Math.abs(loss - (theirs[step] ?? NaN)) / Math.max(Math.abs(loss), Number.MIN_VALUE);
    return Number.isFinite(difference) ? Math.max(worst, difference) : Infinity;
  }, 0);
}

/** ||own - other|| / ||own - initial||; infinite where either has another length or is not finite. */
export function relativeL2({ initial, values }: Pick<Trained, 'initial' | 'values'>, other: AdapterValues): number {
  if (values.length === 0 || values.length !== other.length || values.length !== initial.length) return Infinity;
  let difference = 0;
  let update = 0;
  for (const [i, value] of values.entries()) {
    difference += (value - (other[i] ?? NaN)) ** 2;
    update += (value - (initial[i] ?? NaN)) ** 2;
  }
  const ratio = difference === 0 ? 0 : Math.sqrt(difference / update);
  return Number.isFinite(ratio) ? ratio : Infinity;
}
