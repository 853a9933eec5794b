/**
 * Which adapters train in which step: jobs of different lengths share steps of a fixed number of tokens.
 *
 * A job keeps its slot from its first step to its last and takes its steps in order, at most one of them in each packed
 * step. Jobs that hold a slot go before those that wait for one, earlier ones before later ones; whoever does not fit
 * any more waits for the next packed step. A slot that its job leaves is taken again in the very next step. All of this
 * decides when an adapter is trained, never what becomes of it.
 */

/** One job's part of a packed step. */
export interface Part {
  readonly job: number;
  readonly slot: number;
  /** The job's own step, from 0. */
  readonly step: number;
  /** No step of the job comes after this one: the slot is free again. */
  readonly last: boolean;
}

interface Holder {
  readonly job: number;
  readonly slot: number;
  /** Tokens of every step. */
  readonly tokens: readonly number[];
  next: number;
}

/** Plans packed steps one after another. Knows numbers of tokens alone. */
export class Packer {
  readonly #limits: { readonly slots: number; readonly tokensPerStep: number };
  readonly #plan: (job: number) => readonly number[];
  readonly #waiting: number[];
  readonly #free: number[];
  #head: { readonly job: number; readonly tokens: readonly number[] } | null = null;
  #holders: Holder[] = [];

  /**
   * `jobs` are taken up in their order. `plan(job)` gives the tokens of each of a job's steps, one step at least; it is
   * asked when the job's turn has come.
   */
  constructor(
    jobs: readonly number[],
    plan: (job: number) => readonly number[],
    limits: { readonly slots: number; readonly tokensPerStep: number },
  ) {
    this.#limits = limits;
    this.#plan = plan;
    this.#waiting = [...jobs];
    this.#free = Array.from({ length: limits.slots }, (_, slot) => slot);
  }

  /**
   * The next packed step, by slot; empty when every job is done. Throws RangeError for a job with a step that fits into
   * no packed step.
   */
  next(): Part[] {
    let room = this.#limits.tokensPerStep;
    const parts: Part[] = [];
    const take = (holder: Holder) => {
      const { job, slot, tokens } = holder;
      const step = holder.next++;
      room -= tokens[step] ?? 0;
      parts.push({ job, slot, step, last: holder.next === tokens.length });
    };
    for (const holder of this.#holders) if ((holder.tokens[holder.next] ?? 0) <= room) take(holder);
    for (let slot = this.#free[0]; slot !== undefined; slot = this.#free[0]) {
      const head = this.#upcoming();
      if (head === null || (head.tokens[0] ?? 0) > room) break;
      this.#free.shift();
      this.#head = null;
      const holder = { ...head, slot, next: 0 };
      this.#holders.push(holder);
      take(holder);
    }
    for (const { job, last } of parts) if (last) this.stop(job);
    return parts.toSorted((a, b) => a.slot - b.slot);
  }

  /** Takes a job out of all further steps; its slot is free for the next one. A job that is over already stays so. */
  stop(job: number): void {
    const holder = this.#holders.find((one) => one.job === job);
    if (!holder) return;
    this.#holders = this.#holders.filter((one) => one !== holder);
    this.#free.push(holder.slot);
    this.#free.sort((a, b) => a - b);
  }

  /** Puts another job in front of all that wait. */
  add(job: number): void {
    this.#waiting.unshift(job, ...(this.#head ? [this.#head.job] : []));
    this.#head = null;
  }

  /** The job that gets the next free slot. */
  #upcoming(): { readonly job: number; readonly tokens: readonly number[] } | null {
    if (this.#head) return this.#head;
    const job = this.#waiting.shift();
    if (job === undefined) return null;
    const tokens = this.#plan(job);
    const most = Math.max(...tokens);
    if (most > this.#limits.tokensPerStep) {
      throw new RangeError(`Cannot train an adapter on ${most} tokens a step: tokensPerStep is ${this.#limits.tokensPerStep}`);
    }
    this.#head = { job, tokens };
    return this.#head;
  }
}
