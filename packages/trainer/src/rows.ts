/** The rows of the table as data: who writes, what is trained, for how long. Jobs and planned work are made from them. */

import type { Condition } from '@seal/runs';
import type { SealConfig } from './config.ts';

/** One row of the table. */
export interface Row {
  readonly condition: Condition;
  /** Whose weights write the self-edits and are adapted: those after a round (0 before all of them), or the control's. */
  readonly policy: number | 'random';
  /** `none` trains the domain's control, or nothing where there are no steps. */
  readonly edits: 'none' | 'sampled' | 'greedy' | 'perfect';
  /** `matched` takes as many tokens as the last round's self-edits did. */
  readonly steps: 'none' | 'configured' | 'matched';
}

/** What a domain has of the rows that not every domain has. */
export interface RowParts {
  readonly control: boolean;
  readonly reading: boolean;
  readonly perfect: boolean;
}

/** The rows in the order in which they are measured; those of one list share packs. */
export function tableRows({ outer, evaluation }: SealConfig, has: RowParts): Row[][] {
  const last = outer.rounds;
  const condition = (kind: Condition['kind'], { round = null, greedy = false }: { round?: number | null; greedy?: boolean } = {}): Condition => ({ kind, round, greedy });
  const configured = { steps: 'configured' } as const;
  const rounds = Array.from({ length: last }, (_, i): Row[] => {
    const round = last - i;
    const sampled: Row = { condition: condition('round', { round }), policy: round, edits: 'sampled', ...configured };
    const greedy: Row = { condition: condition('round', { round, greedy: true }), policy: round, edits: 'greedy', ...configured };
    return round === last ? [sampled, greedy] : [sampled];
  });
  const random: Row = { condition: condition('random-selection'), policy: 'random', edits: 'sampled', ...configured };
  const before: Row[] = [
    ...(has.control ? [{ condition: condition('control'), policy: 0, edits: 'none', ...configured } as const] : []),
    { condition: condition('self-edit'), policy: 0, edits: 'sampled', ...configured },
    { condition: condition('self-edit', { greedy: true }), policy: 0, edits: 'greedy', ...configured },
    ...(evaluation.oracle && has.perfect ? [{ condition: condition('oracle'), policy: 0, edits: 'perfect', ...configured } as const] : []),
  ];
  return [
    ...rounds,
    ...(evaluation.randomSelection && last > 0 ? [[random]] : []),
    before,
    ...(has.control && last > 0 ? [[{ condition: condition('control-matched'), policy: 0, edits: 'none', steps: 'matched' } as const]] : []),
    ...(evaluation.reading && has.reading ? [[{ condition: condition('reading'), policy: 0, edits: 'none', steps: 'none' } as const]] : []),
    [{ condition: condition('base'), policy: 0, edits: 'none', steps: 'none' }],
  ];
}

/** Self-edits and adaptations. */
export interface PlannedWork {
  readonly selfEdits: number;
  readonly adaptations: number;
}

/** What a whole run will write and adapt; sizes are those of the rounds and of the table, in contexts and in groups that share an adapter. */
export function plannedWork(
  config: SealConfig,
  has: RowParts,
  rounds: readonly { readonly contexts: number; readonly groups: number }[],
  table: { readonly contexts: number; readonly groups: number },
): PlannedWork {
  const { outer, evaluation } = config;
  const withControl = has.control && outer.selection.threshold !== 'none';
  const hasRandom = evaluation.randomSelection;
  const ofRounds = rounds.slice(0, outer.rounds).map(({ contexts, groups }, i) => ({
    selfEdits: contexts * outer.samples * (hasRandom && i > 0 ? 2 : 1),
    // The candidates, what they are held against, and the winners once more.
    adaptations: groups * (outer.samples * outer.repeats + (withControl ? outer.repeats : 0) + 1),
  }));
  const ofTable = tableRows(config, has)
    .flat()
    .map(({ edits, steps }) => ({
      selfEdits: { none: 0, perfect: 0, greedy: table.contexts, sampled: table.contexts * evaluation.repeats }[edits],
      adaptations: steps === 'none' ? 0 : table.groups * evaluation.repeats,
    }));
  const all = [...ofRounds, ...ofTable];
  return {
    selfEdits: all.reduce((sum, one) => sum + one.selfEdits, 0),
    adaptations: all.reduce((sum, one) => sum + one.adaptations, 0),
  };
}
