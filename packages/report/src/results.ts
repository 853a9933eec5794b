/** The sections that say what came out: the table, the paired differences and the kinds of questions. */
import { pluralOf, type AnswerRecord, type Comparison, type ResultRow, type Terms } from '@seal/runs';
import { greedyHeadline, headline, isBeyondNoise, label, role, verdict } from './conditions.ts';
import { differenceBar, intervalBar, ticksOf } from './figures.ts';
import { counted, mean, percent, points } from './format.ts';
import { type Html, html } from './html.ts';
import { nats, trust } from './likelihood.ts';
import type { Material } from './input.ts';

function rowOf(rows: readonly ResultRow[], condition: string): ResultRow | null {
  return rows.find((row) => row.condition === condition) ?? null;
}

/** The run in one sentence, and one more that places it between floor and ceiling. */
export function summary({ input: { result, sft }, names, terms, rounds }: Material): Html {
  const { rows } = result;
  const rounded = sft.filter(({ phase }) => phase === 'rl');
  const nothingLearnt = rounded.length > 0 && rounded.every(({ examples }) => examples === 0);
  const unseen = ({ contexts }: ResultRow): string => counted(contexts, `unseen ${terms.context}`);
  const before = rowOf(rows, names.before);
  const after = names.after === null ? null : rowOf(rows, names.after);
  const found = headline(result);
  const difference =
    found === null
      ? null
      : `The difference is ${points(found.difference)} points with a 95\u00a0% interval of ` +
        `${points(found.ci95[0])} to ${points(found.ci95[1])}, ${isBeyondNoise(found) ? '' : 'not '}beyond noise.`;
  const sentence =
    before === null || after === null
      ? html`A run of ${counted(rounds.length, 'round')} without a comparison of before and after.`
      : nothingLearnt
        ? html`No self-edit was worth keeping, so the model learnt nothing from ${counted(rounds.length, 'round')}: on
            ${unseen(after)} it answers <b>${percent(after.accuracy)}\u00a0%</b> of the questions after training on what
            it writes about them.`
      : found === null || !isBeyondNoise(found)
        ? html`Learning to write its own training data made no difference beyond noise to what the model
            answers on ${unseen(after)}: ${percent(before.accuracy)}\u00a0% right before,
            <b>${percent(after.accuracy)}\u00a0%</b> after.`
        : html`Learning to write its own training data ${found.difference > 0 ? 'raised' : 'lowered'} the share of
            right answers on ${unseen(after)} from ${percent(before.accuracy)}\u00a0% to <b>${percent(after.accuracy)}\u00a0%</b>.`;
  const frame = [
    [names.base, `with ${terms.base.label} the model answers`],
    [names.control, `with training of as many steps but no self-edits (${terms.control.label})`],
    [names.oracle, 'trained on perfect self-edits'],
  ].flatMap(([condition = '', text = '']) => {
    const row = rowOf(rows, condition);
    return row === null ? [] : [`${text} ${percent(row.accuracy)}\u00a0%`];
  });
  return html`<h1>${sentence}</h1>
    <p class="lead">${difference}
      ${frame.length > 0 && html`For scale: ${frame.join(', ')}.`}
      ${result.terms === undefined && 'Questions are asked without the passage in sight.'}</p>`;
}

function upTo(value: number, step: number): number {
  return Math.max(step, Math.ceil(value / step - 1e-9) * step);
}

function scale(domain: readonly [number, number], step: number, text: (tick: number) => string): Html {
  const place = (tick: number): string => ((100 * (tick - domain[0])) / (domain[1] - domain[0])).toFixed(2);
  const ticks = ticksOf(domain, step).map((tick) => html`<span style="left: ${place(tick)}%">${text(tick)}</span>`);
  return html`<div class="scale">${ticks}</div>`;
}

function nameCell(condition: string, terms: Terms): Html {
  const text = label(condition, terms);
  return html`<span class="name">${text}</span>${text !== condition && html`<span class="id">${condition}</span>`}`;
}

function resultTable({ input: { result: { rows } }, names, terms }: Material): Html {
  const domain: readonly [number, number] = [
    0,
    Math.min(1, upTo(Math.max(0, ...rows.map(({ ci95 }) => ci95[1])), 0.1)),
  ];
  const isScored = rows.some(({ likelihood }) => likelihood !== undefined);
  return html`<table class="bars">
    <thead><tr>
      <th scope="col">trained on</th>
      <th scope="col" class="plot">${scale(domain, domain[1] > 0.2 ? 0.2 : 0.05, (tick) => `${Math.round(tick * 100)}\u00a0%`)}</th>
      <th scope="col" class="n">accuracy</th><th scope="col" class="n">95\u00a0% interval</th>
      <th scope="col" class="n">${pluralOf(terms.context)}</th><th scope="col" class="n">questions</th>
      <th scope="col" class="n">repeats</th>
      ${isScored && html`<th scope="col" class="n">log-probability of the gold answer</th>`}
    </tr></thead>
    <tbody>${rows.map(
      ({
        condition,
        accuracy,
        ci95,
        contexts,
        questions,
        repeats,
        likelihood,
      }) => html`<tr class="${condition === names.after ? 'headline' : ''}">
        <th scope="row">${nameCell(condition, terms)}</th>
        <td class="plot">${intervalBar(condition, accuracy, ci95, domain, role(condition, terms))}</td>
        <td class="n strong">${percent(accuracy)}\u00a0%</td>
        <td class="n interval">${percent(ci95[0])} to ${percent(ci95[1])}\u00a0%
          <span class="counts">${counted(contexts, terms.context)}, ${counted(questions, 'question')},
            ${counted(repeats, 'repeat')}</span></td>
        <td class="n extra">${contexts}</td><td class="n extra">${questions}</td><td class="n extra">${repeats}</td>
        ${
          isScored &&
          html`<td class="n interval">${
            likelihood === undefined ? '–' : `${nats(likelihood.mean)} (${nats(likelihood.ci95[0])} to ${nats(likelihood.ci95[1])})`
          }</td>`
        }
      </tr>`,
    )}</tbody></table>`;
}

function comparisonTable(comparisons: readonly Comparison[], first: Comparison | null): Html {
  const reach = upTo(Math.max(0, ...comparisons.flatMap(({ ci95 }) => ci95.map(Math.abs))), 0.1);
  const domain: readonly [number, number] = [-reach, reach];
  const step = reach > 0.4 ? 0.4 : reach > 0.1 ? 0.2 : 0.05;
  const isFirst = (one: Comparison): boolean => first !== null && one.a === first.a && one.b === first.b;
  return html`<table class="bars">
    <thead><tr>
      <th scope="col">paired difference</th>
      <th scope="col" class="plot">${scale(domain, step, (tick) => points(tick).replace(/\.0$/, ''))}</th>
      <th scope="col" class="n">points</th><th scope="col" class="n">95\u00a0% interval</th>
      <th scope="col" class="n">noise</th>
    </tr></thead>
    <tbody>${comparisons.map(
      (one) => html`<tr class="${isFirst(one) ? 'headline' : ''}">
        <th scope="row"><span class="name">${one.a} − ${one.b}</span></th>
        <td class="plot">${differenceBar(`${one.a} minus ${one.b}`, one.difference, one.ci95, domain)}</td>
        <td class="n strong">${points(one.difference)}</td>
        <td class="n interval">${points(one.ci95[0])} to ${points(one.ci95[1])}</td>
        <td class="n extra">${isBeyondNoise(one) ? 'beyond' : html`<span class="quiet">within</span>`}</td>
      </tr>`,
    )}</tbody></table>`;
}

/** Share of right answers by condition and kind of question. */
function byKind({ input: { answers, result }, terms, evaluation }: Material): Html | null {
  const conditionOf = new Map([...evaluation].flatMap(([name, own]) => own.map(({ key }) => [key, name] as const)));
  const evaluated = answers.filter(({ rewardKey }) => conditionOf.has(rewardKey));
  const kinds = [...new Set(evaluated.map(({ kind }) => kind))];
  if (kinds.length < 2) return null;
  const cells = Map.groupBy(
    evaluated,
    (answer: AnswerRecord) => `${conditionOf.get(answer.rewardKey)}\n${answer.kind}`,
  );
  const share = (condition: string, kind: string): string => {
    const own = cells.get(`${condition}\n${kind}`);
    const right = mean((own ?? []).map(({ correct, score }) => score ?? Number(correct)));
    return right === null ? '–' : `${percent(right)}\u00a0%`;
  };
  return html`<h3>By kind of question</h3><div class="card"><table class="kinds">
    <thead><tr><th scope="col">trained on</th>
      ${kinds.map((kind) => html`<th scope="col" class="n model">${kind}</th>`)}</tr></thead>
    <tbody>${result.rows.map(
      ({ condition }) =>
        html`<tr><th scope="row">${label(condition, terms)}</th>
          ${kinds.map((kind) => html`<td class="n">${share(condition, kind)}</td>`)}</tr>`,
    )}</tbody></table></div>`;
}

export function resultsSection(material: Material): Html {
  const { result } = material.input;
  const { comparisons, notes = [] } = result;
  const first = headline(result);
  const greedy = greedyHeadline(result);
  const several = pluralOf(material.terms.context);
  return html`<section id="results"><h2>Results</h2>
    <p>Every row starts from the same held-out ${several} and asks the same
      questions${result.terms === undefined && ' with no passage in context'}.
      Intervals are 95\u00a0% bootstrap intervals over ${several}.</p>
    <ul class="key"><li class="is-control">control</li><li class="is-before">before RL</li>
      <li class="is-after">after RL</li><li class="is-ceiling">ceiling</li></ul>
    <div class="card">${resultTable(material)}</div>
    ${
      comparisons.length > 0 &&
      html`<h3 style="margin-top: 2.2rem">Paired differences, in percentage points</h3>
      <div class="card">${comparisonTable(comparisons, first)}</div>`
    }
    <p class="verdict">${verdict(result)}${
      greedy !== null && !isBeyondNoise(greedy) && ' For greedy self-edits the difference is not beyond noise.'
    }</p>
    ${result.likelihood && html`<p>${trust(result.likelihood)}</p>`}
    ${
      notes.length > 0 &&
      html`<h3 style="margin-top: 2.2rem">To know besides</h3>
      <ul class="limits">${notes.map((note) => html`<li class="model">${note}</li>`)}</ul>`
    }
    <div style="margin-top: 2.2rem">${byKind(material)}</div></section>`;
}
