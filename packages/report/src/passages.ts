/** The section that shows everything: each held-out passage, its self-edits and every question, before and after RL. */
import type { AnswerRecord, RewardRecord, SelfEditRecord } from '@seal/runs';
import { changeStrip } from './figures.ts';
import { mean, percent } from './format.ts';
import { type Html, html } from './html.ts';
import type { Material, ReportContext } from './input.ts';

/** The lines of a self-edit as a list: each is a training sequence of its own. */
export const editLines = (text: string): Html => {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.length === 0
    ? html`<p class="quiet">empty</p>`
    : html`<ol>${lines.map((line) => html`<li class="model">${line}</li>`)}</ol>`;
};

const accuracyOf = (rewards: readonly RewardRecord[]): number | null => mean(rewards.map(({ reward }) => reward));

/** A side of the comparison: one condition on one passage. */
interface Side {
  readonly name: string;
  readonly role: 'before' | 'after';
  readonly edits: readonly SelfEditRecord[];
  readonly greedy: SelfEditRecord | null;
  readonly rewards: readonly RewardRecord[];
  readonly greedyRewards: readonly RewardRecord[];
}

const sideOf = (material: Material, context: ReportContext, role: 'before' | 'after', condition: string): Side => {
  const written = material.input.selfEdits.filter(
    ({ phase, contextId }) => phase === 'evaluate' && contextId === context.id,
  );
  const rewards = (name: string): RewardRecord[] =>
    (material.evaluation.get(name) ?? []).filter(({ contextId }) => contextId === context.id);
  return {
    name: role === 'before' ? 'before RL' : `after ${condition.replace('-', ' ')}`,
    role,
    edits: written.filter((edit) => edit.condition === condition),
    greedy: written.find((edit) => edit.condition === `${condition}-greedy`) ?? null,
    rewards: rewards(condition),
    greedyRewards: rewards(`${condition}-greedy`),
  };
};

const editCard = (side: Side, kind: string, edit: SelfEditRecord | null, rewards: readonly RewardRecord[]): Html => {
  const own = accuracyOf(rewards.filter(({ selfEditId }) => edit !== null && selfEditId === edit.id));
  return html`<div class="edit is-${side.role}"><h4>${side.name}, ${kind}
      ${own !== null && html`<span>${percent(own)}\u00a0% right</span>`}</h4>
    ${edit === null ? html`<p class="quiet">not recorded</p>` : editLines(edit.text)}
    ${
      edit !== null &&
      edit.rejected !== null &&
      html`<p class="wrong">Rejected: <span class="model">${edit.rejected}</span></p>`
    }</div>`;
};

const pairOf = (before: Side, after: Side, kind: string, pick: (side: Side) => SelfEditRecord | null): Html =>
  html`<div class="sides">${[before, after].map((side) =>
    editCard(side, kind, pick(side), kind === 'greedy' ? side.greedyRewards : side.rewards),
  )}</div>`;

const editsOf = (before: Side, after: Side): Html => {
  const samples = Math.max(before.edits.length, after.edits.length);
  const sampled = (index: number): Html =>
    pairOf(before, after, index === 0 ? 'sampled' : `sample ${index + 1}`, ({ edits }) => edits[index] ?? null);
  const more = Array.from({ length: Math.max(0, samples - 1) }, (_, index) => sampled(index + 1));
  const hasGreedy = before.greedy !== null || after.greedy !== null;
  return html`${samples > 0 && sampled(0)}
    ${hasGreedy && pairOf(before, after, 'greedy', ({ greedy }) => greedy)}
    ${more.length > 0 && html`<details><summary>${more.length} more sampled of each</summary>${more}</details>`}`;
};

/** The distinct answers to a question over the repeats, the most frequent first. */
const answerCell = (answers: readonly AnswerRecord[]): Html => {
  if (answers.length === 0) return html`<span class="quiet">–</span>`;
  const distinct = [...Map.groupBy(answers, ({ answer, correct }) => `${correct}\n${answer}`).values()].sort(
    (a, b) => b.length - a.length,
  );
  return html`${distinct.map((own) => {
    const isRight = own[0]?.correct === true;
    const text = own[0]?.answer ?? '';
    const name = isRight ? 'right' : 'wrong';
    return html`<span class="answer ${name}"><span role="img" aria-label="${name}">${isRight ? '✓' : '✗'}</span>
      <span class="model">${text === '' ? '(nothing)' : text}</span>
      ${own.length > 1 && html`<span class="quiet small">×${own.length}</span>`}</span>`;
  })}`;
};

const questionsOf = (
  context: ReportContext,
  before: Side,
  after: Side,
  answers: ReadonlyMap<string, AnswerRecord[]>,
): Html => {
  const of = (side: Side, question: string): AnswerRecord[] =>
    side.rewards.flatMap(({ key }) => answers.get(key) ?? []).filter((answer) => answer.question === question);
  return html`<table class="questions">
    <thead><tr><th scope="col">question, asked without the passage</th><th scope="col">gold</th>
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
};

const share = (accuracy: number | null): string => (accuracy === null ? '–' : `${Math.round(accuracy * 100)}\u00a0%`);

export const passagesSection = (material: Material): Html | null => {
  const { last, evaluation, input } = material;
  if (last === null) return null;
  const evaluated = new Set(
    [...(evaluation.get('self-edit') ?? []), ...(evaluation.get(last) ?? [])].map(({ contextId }) => contextId),
  );
  const contexts = input.contexts.filter(({ id }) => evaluated.has(id));
  if (contexts.length === 0) return null;
  const answers = Map.groupBy(input.answers, ({ rewardKey }) => rewardKey);
  const repeats = Math.max(1, ...(evaluation.get(last) ?? []).map(({ repeat }) => repeat + 1));
  return html`<section id="passages"><h2>Every passage, before and after</h2>
    <p>The held-out passages in the order of the data set, none chosen. Each shows the self-edits the model wrote
      before RL and after ${last.replace('-', ' ')}, sampled and greedy, and what it then answered after
      training on the sampled ones.
      ${repeats > 1 && `Every condition has ${repeats} repeats; × counts those that gave the same answer.`}</p>
    ${contexts.map((context, index) => {
      const before = sideOf(material, context, 'before', 'self-edit');
      const after = sideOf(material, context, 'after', last);
      const [from, to] = [accuracyOf(before.rewards), accuracyOf(after.rewards)];
      return html`<details${index === 0 && html` open`}><summary><span class="model">${context.title}</span>
          ${from !== null && to !== null && html`<span class="change">${changeStrip(from, to)}</span>`}
          <span class="end"><span class="quiet">${share(from)} →</span> ${share(to)}</span></summary>
        <div class="inside"><p class="passage model">${context.text}</p>
          ${editsOf(before, after)}
          ${questionsOf(context, before, after, answers)}</div></details>`;
    })}</section>`;
};
