/** What a run tells while it works. */

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
  /** Seconds left by the pace so far, or null before there is one. */
  readonly secondsLeft: number | null;
}

/** Counts work and derives the pace. `now()` is in milliseconds. */
export class ProgressMeter {
  #selfEdits = 0;
  #adaptations = 0;
  #running = 0;
  #recalled = 0;
  #begun: number | null = null;
  #planned: { readonly selfEdits: number; readonly adaptations: number };
  #tell: (progress: Progress) => void;
  #now: () => number;
  #stage: Progress['stage'] = 'self-edits';
  #round: number | null = null;

  constructor(
    planned: { readonly selfEdits: number; readonly adaptations: number },
    tell: (progress: Progress) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#planned = planned;
    this.#tell = tell;
    this.#now = now;
  }

  enter(stage: Progress['stage'], round: number | null): void {
    this.#stage = stage;
    this.#round = round;
    this.#emit();
  }

  /** Adds finished work; `recalled` work was found in the run's records and says nothing of the pace. */
  add({ selfEdits = 0, adaptations = 0, recalled = false }): void {
    this.#selfEdits += selfEdits;
    this.#adaptations += adaptations;
    if (recalled) this.#recalled += adaptations;
    this.#running = 0;
    this.#emit();
  }

  /** Self-edits are being written, of which there are `tokens` by now. */
  writing(tokens: number): void {
    this.#emit(tokens);
  }

  /** Adaptations are under way; what is done of them and not yet added is as much work as `adapters` whole ones. */
  running(adapters: number): void {
    this.#begun ??= this.#now();
    this.#running = adapters;
    this.#emit();
  }

  #emit(writtenTokens = 0): void {
    const done = this.#adaptations + this.#running;
    const paced = done - this.#recalled;
    const elapsed = this.#begun === null ? 0 : (this.#now() - this.#begun) / 1_000;
    this.#tell({
      stage: this.#stage,
      round: this.#round,
      selfEdits: this.#selfEdits,
      selfEditsPlanned: this.#planned.selfEdits,
      writtenTokens,
      adaptations: Math.floor(done),
      adaptationsPlanned: this.#planned.adaptations,
      secondsLeft: paced > 0 && elapsed > 0 ? ((this.#planned.adaptations - done) / paced) * elapsed : null,
    });
  }
}
