/** The self-edits and rewards of a run: what is recorded is recalled, what is new is appended. */

import type { Context, Domain } from '@seal/domains';
import type { RewardRecord, RunStore, SelfEditRecord } from '@seal/runs';

/** In-memory index over a run's self-edits and rewards. */
export class Ledger {
  readonly #store: RunStore;
  readonly #domain: Domain;
  readonly #edits = new Map<string, SelfEditRecord>();
  readonly #rewards = new Map<string, RewardRecord>();
  /** Answers whose reward was not recorded any more before a stop, by the reward's key. */
  readonly #orphans = new Map<string, number>();
  /** Answers of weights without an adapter, by the reward's key. */
  readonly #unadapted = new Map<string, string[]>();

  private constructor(store: RunStore, domain: Domain) {
    this.#store = store;
    this.#domain = domain;
  }

  /** The index over what is recorded so far. */
  static async open(store: RunStore, domain: Domain): Promise<Ledger> {
    const ledger = new Ledger(store, domain);
    for (const edit of await store.records('self-edits')) ledger.#edits.set(edit.id, edit);
    for (const reward of await store.records('rewards')) ledger.#rewards.set(reward.key, reward);
    for (const { rewardKey, answer } of await store.records('answers')) {
      const reward = ledger.#rewards.get(rewardKey);
      if (!reward) ledger.#orphans.set(rewardKey, (ledger.#orphans.get(rewardKey) ?? 0) + 1);
      else if (reward.steps === 0) ledger.#unadapted.set(rewardKey, [...(ledger.#unadapted.get(rewardKey) ?? []), answer]);
    }
    return ledger;
  }

  hasEdit(id: string): boolean {
    return this.#edits.has(id);
  }

  /** Throws RangeError for an unknown id. */
  edit(id: string): SelfEditRecord {
    const edit = this.#edits.get(id);
    if (!edit) throw new RangeError(`Cannot find self-edit ${id} in the run's records`);
    return edit;
  }

  /** Records a self-edit with what parsing it gave, unless it is there already. */
  async addEdit(context: Context, edit: Omit<SelfEditRecord, 'sequences' | 'rejected'>): Promise<SelfEditRecord> {
    const known = this.#edits.get(edit.id);
    if (known) return known;
    const parsed = this.#domain.parse(context, edit.text);
    const rejected = parsed.rejected.map(({ reason, count }) => `${reason} (${count})`).join(', ');
    const record = { ...edit, sequences: parsed.sequences.length, rejected: rejected === '' ? null : rejected };
    await this.#store.append('self-edits', record);
    this.#edits.set(record.id, record);
    return record;
  }

  hasReward(key: string): boolean {
    return this.#rewards.has(key);
  }

  /** Grades answers to the context's tasks, in their order, and records them with the reward, unless it is there already. */
  async addReward(
    context: Context,
    answers: readonly string[],
    reward: Omit<RewardRecord, 'contextId' | 'correct' | 'questions' | 'reward'>,
  ): Promise<void> {
    if (this.#rewards.has(reward.key)) return;
    const judged = this.#domain.tasks(context).map((task, i) => {
      const answer = answers[i] ?? '';
      return { task, answer, correct: this.#domain.grade(answer, task.gold) };
    });
    for (const { task, answer, correct } of judged.slice(this.#orphans.get(reward.key) ?? 0)) {
      await this.#store.append('answers', {
        rewardKey: reward.key,
        contextId: context.id,
        question: task.question,
        kind: task.kind,
        gold: task.gold,
        answer,
        correct,
        adapterDigest: reward.adapterDigest,
      });
    }
    const correct = judged.filter((one) => one.correct).length;
    const questions = judged.length;
    const record = { ...reward, contextId: context.id, correct, questions, reward: questions === 0 ? 0 : correct / questions };
    await this.#store.append('rewards', record);
    this.#orphans.delete(reward.key);
    this.#rewards.set(record.key, record);
    if (record.steps === 0) this.#unadapted.set(record.key, judged.map(({ answer }) => answer));
  }

  /** The answers behind a recorded reward of weights without an adapter, in the order of its tasks. */
  unadaptedAnswers(key: string): readonly string[] | null {
    return this.#unadapted.get(key) ?? null;
  }

  /** Rewards that have all the given values. */
  rewards(wanted: Partial<RewardRecord>): RewardRecord[] {
    const entries = Object.entries(wanted);
    return [...this.#rewards.values()].filter((reward) =>
      entries.every(([name, value]) => reward[name as keyof RewardRecord] === value),
    );
  }
}
