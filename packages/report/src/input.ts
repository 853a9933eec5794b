/** What a report is made from. */
import { WINNER, type ResultDocument, type RewardRecord, type RunRecords, type SelfEditRecord, type Terms } from '@seal/runs';
import { namesOf, termsOf, type Names } from './conditions.ts';

/** A context with its questions; `id` is what the records call `contextId`. */
export interface ReportContext {
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly questions: readonly { readonly question: string; readonly gold: string; readonly kind: string }[];
}

/** Every record of a run (`readRun`), its result and the contexts of its rounds and its evaluation. */
export interface ReportInput extends RunRecords {
  readonly result: ResultDocument;
  readonly contexts: readonly ReportContext[];
}

/** The input with what every section looks up. */
export interface Material {
  readonly input: ReportInput;
  readonly terms: Terms;
  readonly names: Names;
  /** Rounds of RL that left rewards or a fine-tuning, ascending. */
  readonly rounds: readonly number[];
  readonly titleOf: (contextId: string) => string;
  readonly editOf: (id: string) => SelfEditRecord | null;
  /** Rewards of the self-edits of a round, baselines not included. */
  readonly candidateRewards: (round: number) => readonly RewardRecord[];
  /** Rewards of the kept self-edits of a round on a repeat that did not choose them. */
  readonly winnerRewards: (round: number) => readonly RewardRecord[];
  /** Rewards of the final evaluation by condition. */
  readonly evaluation: ReadonlyMap<string, readonly RewardRecord[]>;
}

export function gather(input: ReportInput): Material {
  const titles = new Map(input.contexts.map(({ id, title }) => [id, title]));
  const edits = new Map(input.selfEdits.map((edit) => [edit.id, edit]));
  const trained = input.rewards.filter(({ phase, condition }) => phase === 'rl' && condition === null);
  const byRound = Map.groupBy(trained, ({ round }) => round);
  const learned = input.sft.filter(({ phase }) => phase === 'rl').map(({ round }) => round);
  const evaluated = input.rewards.filter(({ phase, condition }) => phase === 'evaluate' && condition !== null);
  return {
    input,
    terms: termsOf(input.result),
    names: namesOf(input.result),
    rounds: [...new Set([...byRound.keys(), ...learned])].sort((a, b) => a - b),
    titleOf: (contextId) => titles.get(contextId) ?? contextId,
    editOf: (id) => edits.get(id) ?? null,
    candidateRewards: (round) => byRound.get(round) ?? [],
    winnerRewards: (round) =>
      input.rewards.filter((one) => one.phase === 'rl' && one.condition === WINNER && one.round === round),
    evaluation: Map.groupBy(evaluated, ({ condition }) => condition ?? ''),
  };
}
