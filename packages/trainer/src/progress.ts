/** What a run tells while it works, and how it comes to say how long it will take. */

import type { PlannedWork } from './rows.ts';
import type { WorkProgress } from './work.ts';

/** A moment of a run; counts are of the whole run. */
export interface Progress {
  readonly stage: 'self-edits' | 'adaptation' | 'fine-tuning' | 'evaluation';
  /** Round 1 .. R, or null in the final evaluation. */
  readonly round: number | null;
  readonly selfEdits: number;
  readonly selfEditsPlanned: number;
  /** Tokens of self-edits since their writing began; 0 while none are being written. */
  readonly writtenTokens: number;
  readonly adaptations: number;
  readonly adaptationsPlanned: number;
  /** Adapters that train side by side now, the steps they took together and those they take; null while none does. */
  readonly underWay: { readonly adapters: number; readonly steps: number; readonly stepsPlanned: number } | null;
  /** Seconds left by the pace measured so far, or null before it is known. */
  readonly secondsLeft: number | null;
}

/** Work of one kind: how much of it took how long. Where the first piece of it compiles, that piece counts until there is another. */
class Pace {
  #amount = 0;
  #seconds = 0;
  #isProvisional: boolean;

  constructor({ firstCompiles = false } = {}) {
    this.#isProvisional = firstCompiles;
  }

  add(amount: number, seconds: number): void {
    const before = this.#isProvisional ? 0 : 1;
    if (this.#amount > 0) this.#isProvisional = false;
    this.#amount = before * this.#amount + amount;
    this.#seconds = before * this.#seconds + seconds;
  }

  /** Seconds for one; null before anything was measured. */
  get each(): number | null {
    return this.#amount > 0 && this.#seconds > 0 ? this.#seconds / this.#amount : null;
  }
}

/** Of a call under way: its last moment that says something of the pace. */
interface Mark {
  readonly at: number;
  readonly tokens: number;
}

/** What a run will do, as far as it is known before. */
export interface MeteredWork extends PlannedWork {
  readonly fineTunings: number;
  readonly maxAnswerTokens: number;
}

/** Units of a kind and what they hold, for the mean of one. */
interface Sum {
  units: number;
  total: number;
}

const meanOf = ({ units, total }: Sum): number | null => (units > 0 ? total / units : null);

/**
 * Counts work and derives the pace from what was measured: seconds a written token, a trained token and an answer, each
 * from the events of the work under way and not only from what is finished. What is left is the work planned, every unit
 * as large as those seen so far. `now()` is in milliseconds.
 */
export class ProgressMeter {
  readonly #planned: MeteredWork;
  readonly #tell: (progress: Progress) => void;
  readonly #now: () => number;
  /** The first token is that of a prompt; the second compiles what writes all the others. */
  readonly #writing = new Pace({ firstCompiles: true });
  readonly #training = new Pace();
  readonly #answering = new Pace();
  readonly #fineTuning = new Pace();
  /** Tokens of self-edits, and tokens and answers of adaptations. */
  readonly #sizes = { edit: { units: 0, total: 0 }, tokens: { units: 0, total: 0 }, answers: { units: 0, total: 0 } } satisfies Record<string, Sum>;
  #selfEdits = 0;
  #adaptations = 0;
  #fineTuned = 0;
  #running = 0;
  /** Tokens of self-edits that are not whole yet. */
  #unfinishedTokens = 0;
  #underWay: Progress['underWay'] = null;
  #stage: Progress['stage'] = 'self-edits';
  #round: number | null = null;
  #mark: Mark | null = null;
  #answerSeconds = 0;

  constructor(planned: MeteredWork, tell: (progress: Progress) => void, now: () => number = () => performance.now()) {
    this.#planned = planned;
    this.#tell = tell;
    this.#now = now;
  }

  enter(stage: Progress['stage'], round: number | null): void {
    this.#stage = stage;
    this.#round = round;
    this.#mark = null;
    this.#emit();
  }

  /** Adaptations that will be trained now: tokens and answers of all of them. */
  expect({ adaptations, tokens, answers }: { readonly adaptations: number; readonly tokens: number; readonly answers: number }): void {
    this.#sizes.tokens.units += adaptations;
    this.#sizes.tokens.total += tokens;
    this.#sizes.answers.units += adaptations;
    this.#sizes.answers.total += answers;
  }

  /** Adds finished work; `recalled` work was found in the run's records and says nothing of the pace. */
  add({ selfEdits = 0, editTokens = 0, adaptations = 0, answers = 0, recalled = false }): void {
    this.#selfEdits += selfEdits;
    this.#adaptations += adaptations;
    if (selfEdits > 0 && !recalled) {
      this.#sizes.edit.units += selfEdits;
      this.#sizes.edit.total += editTokens;
      this.#unfinishedTokens = Math.max(0, this.#unfinishedTokens - editTokens);
    }
    if (answers > 0) this.#answering.add(answers, this.#answerSeconds);
    this.#answerSeconds = 0;
    this.#running = Math.max(0, this.#running - adaptations);
    if (adaptations > 0) this.#underWay = null;
    this.#emit();
  }

  /** A fine-tuning of the policy is done; null where it was found in the records or there was nothing to learn. */
  fineTuned(seconds: number | null): void {
    this.#fineTuned += 1;
    if (seconds !== null) this.#fineTuning.add(1, seconds);
  }

  /** Listens to one call of an executor. `onSpent` gets the seconds of its finished parts. */
  executing(onSpent: (on: 'adapting' | 'answering', seconds: number) => void = () => {}): (progress: WorkProgress) => void {
    this.#mark = null;
    let added = 0;
    const before = this.#adaptations;
    const writtenBefore = this.#sizes.edit.total;
    this.#unfinishedTokens = 0;
    return (progress) => {
      switch (progress.type) {
        case 'written':
          this.#measure(this.#writing, progress.tokens);
          this.#unfinishedTokens = Math.max(0, progress.tokens - (this.#sizes.edit.total - writtenBefore));
          return this.#emit(progress.tokens);
        case 'trained':
          this.#measure(this.#training, progress.tokens);
          added = this.#adaptations - before;
          this.#running = Math.max(0, progress.adapters - added);
          this.#underWay = { adapters: progress.underWay, steps: progress.steps, stepsPlanned: progress.stepsPlanned };
          return this.#emit();
        case 'spent':
          if (progress.on === 'answering') this.#answerSeconds += progress.seconds;
          this.#mark = null;
          return onSpent(progress.on, progress.seconds);
      }
    };
  }

  /** What was done since the last mark; the first of a call only sets it, as what came before may have been preparation. */
  #measure(pace: Pace, tokens: number): void {
    const at = this.#now();
    if (this.#mark && tokens > this.#mark.tokens) pace.add(tokens - this.#mark.tokens, (at - this.#mark.at) / 1_000);
    this.#mark = { at, tokens };
  }

  /** Null as long as anything that is left has no measure. */
  #secondsLeft(): number | null {
    const editSize = meanOf(this.#sizes.edit);
    const edits = Math.max(0, this.#planned.selfEdits - this.#selfEdits - (editSize === null ? 0 : this.#unfinishedTokens / editSize));
    const adaptations = this.#planned.adaptations - this.#adaptations - this.#running;
    const fineTunings = this.#planned.fineTunings - this.#fineTuned;
    const perEdit = product(editSize, this.#writing.each);
    const perTraining = product(meanOf(this.#sizes.tokens), this.#training.each);
    // Before any was measured an answer is as long as it may be, and as slow as what was written.
    const perAnswer = this.#answering.each ?? product(this.#planned.maxAnswerTokens, this.#writing.each);
    const perAnswering = product(meanOf(this.#sizes.answers), perAnswer);
    if (edits > 0 && perEdit === null) return null;
    if (adaptations > 0 && (perTraining === null || perAnswering === null)) return null;
    return edits * (perEdit ?? 0) + adaptations * ((perTraining ?? 0) + (perAnswering ?? 0)) + fineTunings * (this.#fineTuning.each ?? 0);
  }

  #emit(writtenTokens = 0): void {
    this.#tell({
      stage: this.#stage,
      round: this.#round,
      selfEdits: this.#selfEdits,
      selfEditsPlanned: this.#planned.selfEdits,
      writtenTokens,
      adaptations: Math.floor(this.#adaptations + this.#running),
      adaptationsPlanned: this.#planned.adaptations,
      underWay: this.#underWay,
      secondsLeft: this.#secondsLeft(),
    });
  }
}

function product(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a * b;
}
