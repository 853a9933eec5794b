/** The sections on how it came about: rewards of every round, what was kept, and the losses of learning from it. */
import { parseCondition, pluralOf, type RewardRecord, type SelectionRecord } from '@seal/runs';
import {
  candidateStrip,
  histogram,
  lossCurve,
  rewardHistogram,
  rewardsByContext,
  roundCurve,
  type Series,
} from './figures.ts';
import { counted, mean, percent, words } from './format.ts';
import { type Html, html } from './html.ts';
import { nats } from './likelihood.ts';
import type { Material } from './input.ts';
import { editLines } from './contexts.ts';

function share(reward: number | null): string {
  return (reward === null ? '–' : `${percent(reward)}\u00a0%`);
}

/** One reward per self-edit: the mean over its repeats. */
function perEdit(rewards: readonly RewardRecord[]): { contextId: string; reward: number }[] {
  return [...Map.groupBy(rewards, ({ selfEditId, contextId }) => selfEditId ?? contextId).values()].flatMap((own) => {
    const reward = mean(own.map((record) => record.reward));
    return reward === null || own[0] === undefined ? [] : [{ contextId: own[0].contextId, reward }];
  });
}

interface Round {
  readonly round: number;
  readonly edits: readonly { readonly contextId: string; readonly reward: number }[];
  readonly mean: number | null;
  readonly best: number | null;
  /** Mean reward of the kept self-edits when measured once more. */
  readonly again: number | null;
  /** Self-edits that held nothing to train on, or whose training failed in a repeat. */
  readonly failed: number;
  /** Steps from no answer right to all. */
  readonly levels: number;
}

function summarise(material: Material): Round[] {
  return material.rounds.map((round) => {
    const rewards = material.candidateRewards(round);
    const edits = perEdit(rewards);
    const best = [...Map.groupBy(edits, ({ contextId }) => contextId).values()].map((own) =>
      Math.max(...own.map(({ reward }) => reward)),
    );
    return {
      round,
      edits,
      mean: mean(edits.map(({ reward }) => reward)),
      best: mean(best),
      again: mean(material.winnerRewards(round).map(({ reward }) => reward)),
      levels: Math.min(24, Math.max(1, ...rewards.map(({ questions }) => questions))),
      failed: new Set(rewards.filter(({ status }) => status !== 'ok').map(({ selfEditId }) => selfEditId)).size,
    };
  });
}

function curve({ input: { result }, terms }: Material, rounds: readonly Round[]): Html {
  const heldOut = result.rows.flatMap(({ condition, accuracy }) => {
    const { kind, round, greedy } = parseCondition(condition, terms) ?? {};
    return greedy === false && (kind === 'self-edit' || kind === 'round') ? [{ x: round ?? 0, y: accuracy }] : [];
  });
  const of = (pick: (round: Round) => number | null) =>
    rounds.flatMap((round) => {
      const y = pick(round);
      return y === null ? [] : [{ x: round.round, y }];
    });
  const series: Series[] = [
    { name: `best of each ${terms.context}`, role: 'ceiling', values: of(({ best }) => best) },
    { name: 'mean of all self-edits', role: 'before', values: of((round) => round.mean) },
    { name: 'held-out accuracy afterwards', role: 'after', values: heldOut.sort((a, b) => a.x - b.x) },
  ];
  const several = pluralOf(terms.context);
  const last = Math.max(0, ...rounds.map(({ round }) => round), ...heldOut.map(({ x }) => x));
  return html`<figure class="card"><h3>Reward by round</h3>
    <ul class="key">${series.map(({ name, role }) => html`<li class="is-${role}">${name}</li>`)}</ul>
    ${roundCurve(series, last)}
    <figcaption>Rewards of round r are those of self-edits written before its learning, on ${several} used for RL only, so
      best and mean start at round 1. Held-out accuracy is measured on ${several} RL never saw.</figcaption></figure>`;
}

function spreadOf({ input: { metrics } }: Material, round: number): string {
  const details = metrics.find((metric) => metric.name === 'reward-spread' && metric.round === round)?.details ?? {};
  return Object.entries(details)
    .flatMap(([key, value]) => (typeof value === 'number' ? [`${words(key)} ${value.toFixed(2)}`] : []))
    .join(', ');
}

/** Whether self-edits were chosen by how likely they made the gold answers. */
function isByLikelihood({ input: { result } }: Material): boolean {
  return result.likelihood !== undefined;
}

/** Gains in likelihood by round, from what the selections compared: there is no scale from nothing to all right. */
function gainsSection(material: Material): Html | null {
  const selections = material.input.selections.filter(({ phase, candidates }) => phase === 'rl' && candidates.length > 0);
  if (selections.length === 0) return null;
  const rounds = [...Map.groupBy(selections, ({ round }) => round)].toSorted(([a], [b]) => a - b);
  const told = (values: readonly number[]): string => {
    const average = mean(values);
    return average === null ? '–' : nats(average, { isGain: true });
  };
  return html`<section id="rewards"><h2>Rewards</h2>
    <p>The reward of a self-edit is how much more likely, in nats a token, training on it makes the gold answers to its
      ${material.terms.context}’s questions than the weights before found them. Nothing is decoded for it.</p>
    <div class="card"><table>
      <thead><tr><th scope="col">round</th><th scope="col" class="n">self-edits</th><th scope="col" class="n">mean</th>
        <th scope="col" class="n">best</th></tr></thead>
      <tbody>${rounds.map(
        ([round, own]) => html`<tr><td>${round}</td>
          <td class="n">${own.flatMap(({ candidates }) => candidates).length}</td>
          <td class="n">${told(own.flatMap(({ candidates }) => candidates.map(({ reward }) => reward)))}</td>
          <td class="n">${told(own.map(({ candidates }) => Math.max(...candidates.map(({ reward }) => reward))))}</td></tr>`,
      )}</tbody></table>
      ${rounds.map(([round]) => {
        const spread = spreadOf(material, round);
        return spread !== '' && html`<p class="small quiet" style="margin: 0.8rem 0 0">Spread in round ${round}: ${spread}.</p>`;
      })}</div></section>`;
}

export function rewardsSection(material: Material): Html | null {
  if (isByLikelihood(material)) return gainsSection(material);
  const rounds = summarise(material).filter(({ edits }) => edits.length > 0);
  if (rounds.length === 0) return null;
  const tallest = Math.max(
    ...rounds.flatMap(({ edits, levels }) =>
      histogram(
        edits.map(({ reward }) => reward),
        levels,
      ).map(({ count }) => count),
    ),
  );
  return html`<section id="rewards"><h2>Rewards</h2>
    <p>The reward of a self-edit is the share of its ${material.terms.context}’s questions that the model answers after training on
      it.</p>
    <div class="grid">${curve(material, rounds)}
      <div class="card"><h3>In numbers</h3><table>
        <thead><tr><th scope="col">round</th><th scope="col" class="n">self-edits</th>
          <th scope="col" class="n">mean</th><th scope="col" class="n">best</th>
          <th scope="col" class="n">kept, again</th><th scope="col" class="n">failed</th></tr></thead>
        <tbody>${rounds.map(
          ({ round, edits, mean: all, best, again, failed }) => html`<tr><td>${round}</td>
            <td class="n">${edits.length}</td>
            ${[all, best, again].map((reward) => html`<td class="n">${share(reward)}</td>`)}
            <td class="n">${failed}</td></tr>`,
        )}</tbody></table>
        ${rounds.map(({ round }) => {
          const spread = spreadOf(material, round);
          return (
            spread !== '' &&
            html`<p class="small quiet" style="margin: 0.8rem 0 0">Spread in round ${round}: ${spread}.</p>`
          );
        })}
        <p class="small quiet" style="margin: 0.8rem 0 0">“Best” is optimistic: the best of several is
          picked by the very reward it is shown with. “Kept, again” measures what was kept on a repeat that did not
          choose it. Held-out accuracies have no such bias.</p></div></div>
    <div class="grid">${rounds.map(
      ({ round, edits, levels }) => html`<figure class="card"><h3>Round ${round}</h3>
        ${rewardHistogram(
          `round ${round}`,
          edits.map(({ reward }) => reward),
          levels,
          tallest,
        )}
        ${rewardsByContext(
          `round ${round}`,
          material.terms.context,
          edits.map((edit) => ({ ...edit, title: material.titleOf(edit.contextId) })),
        )}
        <figcaption>Above, how many self-edits got which reward. Below, one column per ${material.terms.context}: a dot is a self-edit,
          the bar their mean, the filled dot the best.</figcaption></figure>`,
    )}</div></section>`;
}

/** Ids of the self-edits that a selection kept. */
function keptOf({ kept, selfEditId }: SelectionRecord): readonly string[] {
  return kept ?? (selfEditId === null ? [] : [selfEditId]);
}

function selectionRow(material: Material, selection: SelectionRecord): Html {
  const kept = keptOf(selection);
  const isGain = isByLikelihood(material);
  const edits = kept.flatMap((id) => material.editOf(id) ?? []);
  const rewards = selection.candidates.map(({ reward }) => reward);
  const tall = selection.candidates.filter(({ selfEditId }) => kept.includes(selfEditId)).map(({ reward }) => reward);
  return html`<tr><td class="model">${material.titleOf(selection.contextId)}</td>
    <td class="strip">${isGain ? rewards.map((reward) => nats(reward, { isGain })).join(', ') : rewards.length > 0 && candidateStrip(rewards, tall)}</td>
    <td class="n">${selection.reward === null ? '–' : isGain ? nats(selection.reward, { isGain }) : `${percent(selection.reward)}\u00a0%`}</td>
    <td><span class="model">${selection.reason}</span>
      ${
        edits.length > 0 &&
        html`<details><summary>${edits.length === 1 ? 'the kept self-edit' : `the ${edits.length} kept self-edits`}</summary>
          ${edits.map(({ text }) => html`<div class="edit is-after">${editLines(text)}</div>`)}</details>`
      }</td></tr>`;
}

export function selectionSection(material: Material): Html | null {
  const { selections } = material.input;
  if (selections.length === 0) return null;
  const noun = material.terms.context;
  const severalKept = selections.some(({ kept }) => kept !== undefined);
  const groups = [...Map.groupBy(selections, ({ phase, round }) => `${phase}\n${round}`).values()];
  return html`<section id="kept"><h2>What was kept, and why</h2>
    <p>After every round the kept self-edits${!severalKept && `, one per ${noun} at most,`} become what the model is
      fine-tuned to write. ${isByLikelihood(material)
        ? 'Candidates are shown by their gains in nats a token.'
        : 'Thin marks are the rewards of all candidates from 0 to 100\u00a0%, tall ones were kept.'}</p>
    ${groups.map((own) => {
      const [first] = own;
      const kept = own.filter(({ selfEditId }) => selfEditId !== null).length;
      const name =
        first?.phase === 'random'
          ? 'Control, drawn at random'
          : first?.phase === 'rl'
            ? 'Best by reward'
            : first?.phase;
      return html`<details><summary><span>Round ${first?.round ?? 0}: ${name ?? ''}</span>
        <span class="end quiet">kept ${kept} of ${own.length}</span></summary>
        <div class="inside"><table class="choices">
          <thead><tr><th scope="col">${noun}</th><th scope="col">candidates</th>
          <th scope="col" class="n">kept</th><th scope="col">reason</th></tr></thead>
          <tbody>${own.map((selection) => selectionRow(material, selection))}</tbody></table></div></details>`;
    })}</section>`;
}

export function learningSection({ input: { sft } }: Material): Html | null {
  if (sft.length === 0) return null;
  const phases = [...Map.groupBy(sft, ({ phase }) => phase)];
  return html`<section id="learning"><h2>Learning to write them</h2>
    <p>Fine-tuning on the kept self-edits: the loss of every step, round after round.</p>
    <div class="grid">${phases.map(([phase, own]) => {
      let step = 0;
      const series = own
        .toSorted((a, b) => a.round - b.round)
        .filter(({ losses }) => losses.length > 0)
        .map(({ round, losses }) => ({
          name: `round ${round}`,
          role: phase === 'rl' ? ('after' as const) : ('before' as const),
          values: losses.map((loss) => ({ x: ++step, y: loss })),
        }));
      const ends = own.map(({ round, losses, examples, steps }) => {
        const [first, last] = [losses[0], losses.at(-1)];
        const path =
          first === undefined || last === undefined ? '' : `, loss ${first.toFixed(2)} to ${last.toFixed(2)}`;
        return `Round ${round}: ${counted(examples, 'example')}, ${counted(steps, 'step')}${path}.`;
      });
      return html`<figure class="card">
        <h3>${phase === 'rl' ? 'On the best self-edits' : 'Control: on randomly drawn ones'}</h3>
        ${series.length > 0 && lossCurve(series)}<figcaption>${ends.join(' ')}</figcaption></figure>`;
    })}</div></section>`;
}
