/** What a reader of a run's table must know besides: rounds that learnt nothing, unusable self-edits, empty answers. */

import { PASSAGE_TERMS, pluralOf, type RunRecords, type Terms } from '@seal/runs';

/** The records that notes are made from. */
export type NotedRecords = { readonly header?: Pick<RunRecords['header'], 'terms'> } & Pick<RunRecords, 'selfEdits' | 'rewards' | 'answers' | 'selections' | 'sft' | 'events'>;

/** Events of this type say in their message what the texts lost before a run. */
export const SHORTENED = 'shortened';

/** Why a round kept nothing, the commonest reason first; rewards in a reason make no reason of their own. */
function reasons(selections: NotedRecords['selections'], contexts: string): string {
  const kinds = Map.groupBy(selections, ({ reason }) => (reason.includes('does not beat') ? 'none beats the baselines' : reason));
  const counted = [...kinds].sort(([, a], [, b]) => b.length - a.length);
  return counted.map(([kind, own]) => `${kind} (${own.length} of ${selections.length} ${contexts})`).join(', ');
}

/** One sentence on a round that kept no self-edit, or null where it kept one. */
export function nothingKept(round: number, records: Pick<NotedRecords, 'selections'>, terms: Terms = PASSAGE_TERMS): string | null {
  const own = records.selections.filter((one) => one.phase === 'rl' && one.round === round);
  if (own.length === 0 || own.some(({ selfEditId }) => selfEditId !== null)) return null;
  return `Round ${round} kept no self-edit: ${reasons(own, pluralOf(terms.context))}. It fine-tuned nothing, and the model after it is the one before it.`;
}

/** Counts of every reason in records such as "too long (3), repeated (1)". */
function rejections(texts: readonly (string | null)[]): string {
  const counts = new Map<string, number>();
  for (const [, reason = '', count = ''] of texts.flatMap((text) => [...(text ?? 'empty').matchAll(/([^,(]+?)(?: \((\d+)\))?(?:, |$)/g)])) {
    counts.set(reason, (counts.get(reason) ?? 0) + Number(count || 1));
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([reason, count]) => `${reason} (${count})`).join(', ');
}

/** The notes of a run in sentences; none where there is nothing to say. */
export function notesOf(records: NotedRecords): string[] {
  const { selfEdits, rewards, answers, sft, events, header } = records;
  const rounds = sft.filter(({ phase, examples }) => phase === 'rl' && examples === 0).map(({ round }) => round);
  const invalid = selfEdits.filter(({ sequences }) => sequences === 0);
  const evaluated = new Map(rewards.filter(({ phase }) => phase === 'evaluate').map(({ key, condition }) => [key, condition ?? '']));
  const asked = answers.filter(({ rewardKey }) => evaluated.has(rewardKey));
  const empty = Map.groupBy(
    asked.filter(({ answer }) => answer.trim() === ''),
    ({ rewardKey }) => evaluated.get(rewardKey) ?? '',
  );
  const emptyCount = [...empty.values()].reduce((sum, own) => sum + own.length, 0);
  return [
    ...events.filter(({ type }) => type === SHORTENED).map(({ message }) => message),
    ...rounds.flatMap((round) => nothingKept(round, records, header?.terms) ?? []),
    ...(invalid.length > 0
      ? [`${invalid.length} of ${selfEdits.length} self-edits hold nothing to train on: ${rejections(invalid.map(({ rejected }) => rejected))}.`]
      : []),
    ...(emptyCount > 0
      ? [
          `${emptyCount} of ${asked.length} answers of the table are empty and count as wrong: ` +
            `${[...empty].map(([condition, own]) => `${condition} ${own.length}`).join(', ')}.`,
        ]
      : []),
  ];
}
