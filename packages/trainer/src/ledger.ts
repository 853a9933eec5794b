/** The self-edits and rewards of a run: what is recorded is recalled, what is new is appended. */

import { scoreOf, type Context, type Judgement, type ParsedSelfEdit } from '@seal/domains';
import type { AnswerRecord, LikelihoodRecord, RewardRecord, RunStore, SelfEditRecord } from '@seal/runs';

/** What a self-edit means to who trains on it. */
type ReadSelfEdit = (context: Context, text: string) => ParsedSelfEdit;

/** How likely a gold answer is. */
export type GoldScore = Pick<LikelihoodRecord, 'question' | 'kind' | 'gold' | 'logProbability' | 'tokens'>;

/** In-memory index over a run's self-edits and rewards; made by `openLedger`. */
export class Ledger {
  readonly #store: RunStore;
  readonly #read: ReadSelfEdit;
  readonly #edits = new Map<string, SelfEditRecord>();
  readonly #parsed = new Map<string, ParsedSelfEdit>();
  readonly #rewards = new Map<string, RewardRecord>();
  /** Answers whose reward was not recorded any more before a stop, by the reward's key. */
  readonly #orphans = new Map<string, number>();
  /** The same of gold answers. */
  readonly #orphanScores = new Map<string, number>();
  /** What weights without an adapter came to, by the reward's key. */
  readonly #unadapted = new Map<string, { judgements: Judgement[]; scores: GoldScore[] }>();

  constructor(
    store: RunStore,
    read: ReadSelfEdit,
    records: { readonly edits: readonly SelfEditRecord[]; readonly rewards: readonly RewardRecord[]; readonly answers: readonly AnswerRecord[]; readonly likelihoods: readonly LikelihoodRecord[] },
  ) {
    this.#store = store;
    this.#read = read;
    for (const edit of records.edits) this.#edits.set(edit.id, edit);
    for (const reward of records.rewards) this.#rewards.set(reward.key, reward);
    for (const answer of records.answers) {
      const { rewardKey } = answer;
      const reward = this.#rewards.get(rewardKey);
      if (!reward) this.#orphans.set(rewardKey, (this.#orphans.get(rewardKey) ?? 0) + 1);
      else if (reward.steps === 0) this.#kept(rewardKey).judgements.push(judgementOf(answer));
    }
    for (const { rewardKey, question, kind, gold, logProbability, tokens } of records.likelihoods) {
      const reward = this.#rewards.get(rewardKey);
      if (!reward) this.#orphanScores.set(rewardKey, (this.#orphanScores.get(rewardKey) ?? 0) + 1);
      else if (reward.steps === 0) this.#kept(rewardKey).scores.push({ question, kind, gold, logProbability, tokens });
    }
  }

  #kept(key: string) {
    const kept = this.#unadapted.get(key) ?? { judgements: [], scores: [] };
    this.#unadapted.set(key, kept);
    return kept;
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

  /** What a recorded self-edit means; it is parsed once. */
  parsed(context: Context, { id, text }: Pick<SelfEditRecord, 'id' | 'text'>): ParsedSelfEdit {
    const known = this.#parsed.get(id) ?? this.#read(context, text);
    this.#parsed.set(id, known);
    return known;
  }

  /** Records a self-edit with what parsing it gave, unless it is there already. */
  async addEdit(context: Context, edit: Omit<SelfEditRecord, 'sequences' | 'rejected' | 'settings'>): Promise<SelfEditRecord> {
    const known = this.#edits.get(edit.id);
    if (known) return known;
    const { sequences, rejected, settings = {} } = this.parsed(context, edit);
    const reasons = rejected.map(({ reason, count }) => `${reason} (${count})`).join(', ');
    const record: SelfEditRecord = {
      ...edit,
      sequences: sequences.length,
      rejected: reasons === '' ? null : reasons,
      ...(Object.keys(settings).length > 0 && { settings: { ...settings } }),
    };
    await this.#store.append('self-edits', record);
    this.#edits.set(record.id, record);
    return record;
  }

  hasReward(key: string): boolean {
    return this.#rewards.has(key);
  }

  /** Records judged answers, and gold answers that were scored, with the reward that they make, unless it is there already. Without written answers it is of 0 questions. */
  async addReward(
    context: Context,
    judgements: readonly Judgement[],
    reward: Omit<RewardRecord, 'contextId' | 'correct' | 'questions' | 'reward' | 'likelihood'>,
    scores: readonly GoldScore[] = [],
  ): Promise<void> {
    if (this.#rewards.has(reward.key)) return;
    const place = { rewardKey: reward.key, contextId: context.id, adapterDigest: reward.adapterDigest };
    for (const judgement of judgements.slice(this.#orphans.get(reward.key) ?? 0)) {
      const { question, kind, gold, answer, correct, score, votes } = judgement;
      await this.#store.append('answers', {
        ...place,
        question,
        kind,
        gold,
        answer,
        correct,
        ...(score !== undefined && { score }),
        ...(votes !== undefined && { votes: [...votes] }),
      });
    }
    for (const score of scores.slice(this.#orphanScores.get(reward.key) ?? 0)) await this.#store.append('likelihoods', { ...place, ...score });
    const questions = judgements.length;
    const correct = judgements.filter((one) => one.correct).length;
    const total = judgements.reduce((sum, one) => sum + scoreOf(one), 0);
    const likelihood = scores.length > 0 ? { likelihood: scores.reduce((sum, one) => sum + one.logProbability, 0) / scores.length } : {};
    const record = { ...reward, ...likelihood, contextId: context.id, correct, questions, reward: questions === 0 ? 0 : total / questions };
    await this.#store.append('rewards', record);
    this.#orphans.delete(reward.key);
    this.#orphanScores.delete(reward.key);
    this.#rewards.set(record.key, record);
    if (record.steps === 0) this.#unadapted.set(record.key, { judgements: [...judgements], scores: [...scores] });
  }

  /** The judged answers behind a recorded reward of weights without an adapter. */
  unadaptedAnswers(key: string): readonly Judgement[] | null {
    return this.#unadapted.get(key)?.judgements ?? null;
  }

  /** The gold answers that were scored for it. */
  unadaptedScores(key: string): readonly GoldScore[] | null {
    return this.#unadapted.get(key)?.scores ?? null;
  }

  /** Rewards that have all the given values. */
  rewards(wanted: Partial<RewardRecord>): RewardRecord[] {
    const entries = Object.entries(wanted);
    return [...this.#rewards.values()].filter((reward) =>
      entries.every(([name, value]) => reward[name as keyof RewardRecord] === value),
    );
  }
}

function judgementOf({ question, gold, kind, answer, correct, score, votes }: AnswerRecord): Judgement {
  return { question, gold, kind, answer, correct, ...(score !== undefined && { score }), ...(votes !== undefined && { votes }) };
}

/** The ledger of what a run has recorded so far. */
export async function openLedger(store: RunStore, read: ReadSelfEdit): Promise<Ledger> {
  const [edits, rewards, answers, likelihoods] = await Promise.all([
    store.records('self-edits'),
    store.records('rewards'),
    store.records('answers'),
    store.records('likelihoods'),
  ]);
  return new Ledger(store, read, { edits, rewards, answers, likelihoods });
}
