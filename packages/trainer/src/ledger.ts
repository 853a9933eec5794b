/** The self-edits and rewards of a run: what is recorded is recalled, what is new is appended. */

import type { Context, Domain } from '@seal/domains';
import type { RewardRecord, RunDirectory, SelfEditRecord } from '@seal/runs';

/** In-memory index over a run's self-edits and rewards. */
export class Ledger {
  readonly #store: RunDirectory;
  readonly #domain: Domain;
  readonly #edits = new Map<string, SelfEditRecord>();
  readonly #rewards = new Map<string, RewardRecord>();
  /** Answers whose reward was not recorded any more before a stop, by the reward's key. */
  readonly #orphans = new Map<string, number>();
  /** Answers of weights without an adapter, by the reward's key. */
  readonly #unadapted = new Map<string, string[]>();

  constructor(store: RunDirectory, domain: Domain) {
    this.#store = store;
    this.#domain = domain;
    for (const edit of store.records('self-edits')) this.#edits.set(edit.id, edit);
    for (const reward of store.records('rewards')) this.#rewards.set(reward.key, reward);
    for (const { rewardKey, answer } of store.records('answers')) {
      const reward = this.#rewards.get(rewardKey);
      if (!reward) this.#orphans.set(rewardKey, (this.#orphans.get(rewardKey) ?? 0) + 1);
      else if (reward.steps === 0) this.#unadapted.set(rewardKey, [...(this.#unadapted.get(rewardKey) ?? []), answer]);
    }
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
  addEdit(context: Context, edit: Omit<SelfEditRecord, 'sequences' | 'rejected'>): SelfEditRecord {
    const known = this.#edits.get(edit.id);
    if (known) return known;
    const parsed = this.#domain.parse(context, edit.text);
    const rejected = parsed.rejected.map(({ reason, count }) => `${reason} (${count})`).join(', ');
    const record = { ...edit, sequences: parsed.sequences.length, rejected: rejected === '' ? null : rejected };
    this.#store.append('self-edits', record);
    this.#edits.set(record.id, record);
    return record;
  }

  hasReward(key: string): boolean {
    return this.#rewards.has(key);
  }

  /** Grades answers to the context's tasks, in their order, and records them with the reward, unless it is there already. */
  addReward(
    context: Context,
    answers: readonly string[],
    reward: Omit<RewardRecord, 'contextId' | 'correct' | 'questions' | 'reward'>,
  ): void {
    if (this.#rewards.has(reward.key)) return;
    const judged = this.#domain.tasks(context).map((task, i) => {
      const answer = answers[i] ?? '';
      return { task, answer, correct: this.#domain.grade(answer, task.gold) };
    });
    for (const { task, answer, correct } of judged.slice(this.#orphans.get(reward.key) ?? 0)) {
      this.#store.append('answers', {
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
    this.#store.append('rewards', record);
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
