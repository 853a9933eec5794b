/** The section that shows everything: each held-out context, its self-edits and every question, before and after RL. */
import { pluralOf, type AnswerRecord, type RewardRecord, type SelfEditRecord } from '@seal/runs';
import { changeStrip } from './figures.ts';
import { counted, mean, percent } from './format.ts';
import { type Html, html } from './html.ts';
import type { Material, ReportContext } from './input.ts';

/** The lines of a self-edit as a list: each is a training sequence of its own. */
export function editLines(text: string): Html {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.length === 0
    ? html`<p class="quiet">empty</p>`
    : html`<ol>${lines.map((line) => html`<li class="model">${line}</li>`)}</ol>`;
}

function accuracyOf(rewards: readonly RewardRecord[]): number | null {
  return mean(rewards.map(({ reward }) => reward));
}

/** A side of the comparison: one condition on one context. */
interface Side {
  readonly name: string;
  readonly role: 'before' | 'after';
  readonly edits: readonly SelfEditRecord[];
  readonly greedy: SelfEditRecord | null;
  readonly rewards: readonly RewardRecord[];
  readonly greedyRewards: readonly RewardRecord[];
}

function sideOf(material: Material, context: ReportContext, role: 'before' | 'after'): Side {
  const { names } = material;
  const sampled = role === 'before' ? names.before : (names.after ?? '');
  const greedy = role === 'before' ? names.beforeGreedy : (names.afterGreedy ?? '');
  const written = material.input.selfEdits.filter(
    ({ phase, contextId }) => phase === 'evaluate' && contextId === context.id,
  );
  const rewards = (name: string): RewardRecord[] =>
    (material.evaluation.get(name) ?? []).filter(({ contextId }) => contextId === context.id);
  return {
    name: role === 'before' ? 'before RL' : `after round ${names.lastRound}`,
    role,
    edits: written.filter((edit) => edit.condition === sampled),
    greedy: written.find((edit) => edit.condition === greedy) ?? null,
    rewards: rewards(sampled),
    greedyRewards: rewards(greedy),
  };
}

function editCard(side: Side, kind: string, edit: SelfEditRecord | null, rewards: readonly RewardRecord[]): Html {
  const own = accuracyOf(rewards.filter(({ selfEditId }) => edit !== null && selfEditId === edit.id));
  return html`<div class="edit is-${side.role}"><h4>${side.name}, ${kind}
      ${own !== null && html`<span>${percent(own)}\u00a0% right</span>`}</h4>
    ${edit === null ? html`<p class="quiet">not recorded</p>` : editLines(edit.text)}
    ${
      edit !== null &&
      edit.rejected !== null &&
      html`<p class="wrong">Rejected: <span class="model">${edit.rejected}</span></p>`
    }</div>`;
}

function pairOf(before: Side, after: Side, kind: string, pick: (side: Side) => SelfEditRecord | null): Html {
  return html`<div class="sides">${[before, after].map((side) =>
    editCard(side, kind, pick(side), kind === 'greedy' ? side.greedyRewards : side.rewards),
  )}</div>`;
}

function editsOf(before: Side, after: Side): Html {
  const samples = Math.max(before.edits.length, after.edits.length);
  const sampled = (index: number): Html =>
    pairOf(before, after, index === 0 ? 'sampled' : `sample ${index + 1}`, ({ edits }) => edits[index] ?? null);
  const more = Array.from({ length: Math.max(0, samples - 1) }, (_, index) => sampled(index + 1));
  const hasGreedy = before.greedy !== null || after.greedy !== null;
  return html`${samples > 0 && sampled(0)}
    ${hasGreedy && pairOf(before, after, 'greedy', ({ greedy }) => greedy)}
    ${more.length > 0 && html`<details><summary>${more.length} more sampled of each</summary>${more}</details>`}`;
}

/** The distinct answers to a question over the repeats, the most frequent first. */
function answerCell(answers: readonly AnswerRecord[]): Html {
  if (answers.length === 0) return html`<span class="quiet">–</span>`;
  const distinct = [...Map.groupBy(answers, ({ answer, correct, score }) => `${correct} ${score}\n${answer}`).values()].sort(
    (a, b) => b.length - a.length,
  );
  return html`${distinct.map((own) => {
    const isRight = own[0]?.correct === true;
    const { answer: text = '', score, votes } = own[0] ?? {};
    const name = isRight ? 'right' : 'wrong';
    return html`<span class="answer ${name}"><span role="img" aria-label="${name}">${isRight ? '✓' : '✗'}</span>
      <span class="model">${text === '' ? '(nothing)' : text}</span>
      ${score !== undefined && score > 0 && score < 1 && html`<span class="quiet small">${percent(score)}\u00a0%</span>`}
      ${votes !== undefined && html`<span class="quiet small">of ${counted(votes.length, 'vote')}</span>`}
      ${own.length > 1 && html`<span class="quiet small">×${own.length}</span>`}</span>`;
  })}`;
}

function questionsOf(
  context: ReportContext,
  asked: string,
  before: Side,
  after: Side,
  answers: ReadonlyMap<string, AnswerRecord[]>,
): Html {
  const of = (side: Side, question: string): AnswerRecord[] =>
    side.rewards.flatMap(({ key }) => answers.get(key) ?? []).filter((answer) => answer.question === question);
  return html`<table class="questions">
    <thead><tr><th scope="col">${asked}</th><th scope="col">gold</th>
      <th scope="col">${before.name}</th><th scope="col">${after.name}</th></tr></thead>
    <tbody>${context.questions.map(
      ({
        question,
        gold,
        kind,
      }) => html`<tr><td><span class="model">${question}</span><span class="kind model">${kind}</span></td>
        <td class="gold model" data-label="gold">${gold}</td>
        <td data-label="${before.name}">${answerCell(of(before, question))}</td>
        <td data-label="${after.name}">${answerCell(of(after, question))}</td></tr>`,
    )}</tbody></table>`;
}

function share(accuracy: number | null): string {
  return (accuracy === null ? '–' : `${Math.round(accuracy * 100)}\u00a0%`);
}

export function contextsSection(material: Material): Html | null {
  const { names, evaluation, input } = material;
  if (names.after === null) return null;
  const after = evaluation.get(names.after) ?? [];
  const evaluated = new Set(
    [...(evaluation.get(names.before) ?? []), ...after].map(({ contextId }) => contextId),
  );
  const contexts = input.contexts.filter(({ id }) => evaluated.has(id));
  if (contexts.length === 0) return null;
  const asked = input.result.terms === undefined ? 'question, asked without the passage' : 'question';
  const answers = Map.groupBy(input.answers, ({ rewardKey }) => rewardKey);
  const repeats = Math.max(1, ...after.map(({ repeat }) => repeat + 1));
  return html`<section id="contexts"><h2>Every ${material.terms.context}, before and after</h2>
    <p>The held-out ${pluralOf(material.terms.context)} in the order of the data set, none chosen. Each shows the self-edits the model wrote
      before RL and after round ${names.lastRound}, sampled and greedy, and what it then answered after
      training on the sampled ones.
      ${repeats > 1 && `Every condition has ${repeats} repeats; × counts those that gave the same answer.`}</p>
    ${contexts.map((context, index) => {
      const before = sideOf(material, context, 'before');
      const after = sideOf(material, context, 'after');
      const [from, to] = [accuracyOf(before.rewards), accuracyOf(after.rewards)];
      return html`<details${index === 0 && html` open`}><summary><span class="model">${context.title}</span>
          ${from !== null && to !== null && html`<span class="change">${changeStrip(from, to)}</span>`}
          <span class="end"><span class="quiet">${share(from)} →</span> ${share(to)}</span></summary>
        <div class="inside"><p class="passage model">${context.text}</p>
          ${editsOf(before, after)}
          ${questionsOf(context, asked, before, after, answers)}</div></details>`;
    })}</section>`;
}
