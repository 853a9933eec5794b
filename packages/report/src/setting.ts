/** The sections on the conditions of the run: time, configuration, preset and mode, and what none of it can show. */
import { pluralOf, type Terms } from '@seal/runs';
import { greedyHeadline, isBeyondNoise } from './conditions.ts';
import { counted, duration, words } from './format.ts';
import { type Html, html } from './html.ts';
import type { Material } from './input.ts';
import { shareBar } from './figures.ts';

export function timingsSection({ input: { result, events } }: Material): Html {
  const { totalSeconds, ...parts } = result.timings;
  const entries = Object.entries(parts)
    .filter(([, seconds]) => seconds > 0)
    .sort(([, a], [, b]) => b - a);
  const whole = Math.max(totalSeconds, ...entries.map(([, seconds]) => seconds), 1e-9);
  return html`<section id="time"><h2>Time</h2>
    <p>${duration(totalSeconds)} in all.</p>
    ${
      entries.length > 0 &&
      html`<div class="card"><table><tbody>${entries.map(
        ([name, seconds]) => html`<tr><th scope="row">${words(name.replace(/Seconds$/, ''))}</th>
        <td class="strip" style="width: 55%">${shareBar(words(name), seconds / whole)}</td>
        <td class="n">${duration(seconds)}</td></tr>`,
      )}</tbody></table></div>`
    }
    ${
      events.length > 0 &&
      html`<details style="margin-top: 1.25rem"><summary>${counted(events.length, 'event')}</summary>
        <div class="inside scroll"><table><tbody>${events.map(
          ({ time, type, message }) =>
            html`<tr><td class="quiet" style="white-space: nowrap">${time}</td>
            <td class="model">${type}</td><td class="model">${message}</td></tr>`,
        )}</tbody></table></div></details>`
    }</section>`;
}

/** Every leaf of a configuration with its path. */
function leaves(value: unknown, path = ''): [path: string, value: string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[path, JSON.stringify(value) ?? '']];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, path === '' ? key : `${path}.${key}`));
}

/** How a part of the domain was set up: a text as it is, what has a name by its name. */
function settingOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const name = typeof value === 'object' && value !== null && 'name' in value ? value.name : undefined;
  return typeof name === 'string' ? name : (JSON.stringify(value) ?? '');
}

function pairs(entries: readonly (readonly [string, string])[]): Html {
  return html`<dl class="pairs">${entries.map(
    ([key, value]) => html`<div><dt>${key}</dt><dd class="model">${value}</dd></div>`,
  )}</dl>`;
}

const PRESETS: Readonly<Record<string, string>> = {
  tiny:
    'tiny is the embedded default: a model of about half a million parameters, pretrained by this project on a ' +
    'synthetic world, small enough to run the whole loop on a processor in minutes. Several passages share one ' +
    'adapter, every adaptation has the same number of steps, and the best self-edit of each passage is kept without ' +
    'a threshold.',
  squad:
    'squad takes passages and a model of one’s own. Answers count as right when they hold the gold answer’s words in a ' +
    'row, without regard to case, punctuation and articles; against the verdicts of GPT-4.1 that the reference recorded ' +
    'this agrees in about 85 of 100 answers. Every adaptation has one passage and a fixed number of steps.',
};

/** What the modes are. */
function modesOf(terms: Terms) {
  return {
    paper:
      'paper reproduces what the reference implementation of SEAL does, its quirks included: end tokens used as ' +
      'padding count in the loss, adapters sit on the query and value projections only, ties go to the first ' +
      'self-edit, and the best is kept whether or not it beats doing nothing.',
    corrected:
      'corrected does what we believe is right: padding is masked out of the loss, adapters sit on all seven ' +
      'projections, and, unless the preset says otherwise, a self-edit is kept only if it beats both the un-adapted ' +
      `model and the control (${terms.control.label}) beyond noise.`,
  } as const;
}

export function configurationSection({ input: { header }, terms }: Material): Html {
  const modes = modesOf(terms);
  const { environment } = header;
  const facts: (readonly [string, string])[] = [
    ['run', header.runId],
    ['started', header.createdAt],
    ['seed', String(header.seed)],
    ['model', header.modelDigest],
    ...(header.model === undefined ? [] : [['model from', header.model] as const]),
    ...Object.entries(header.domain ?? {}).map(([key, value]) => [words(key), settingOf(value)] as const),
    ['runtime', environment.runtime],
    ['adapter', environment.adapter],
    ['kernels', environment.kernels === undefined ? 'defaults' : `tuned, ${environment.kernels.slice(0, 12)}`],
    ['version', environment.packageVersion],
    ...(environment.commit === undefined ? [] : [['commit', environment.commit] as const]),
  ];
  return html`<section id="configuration"><h2>Configuration</h2>
    <h3>Preset: <span class="model">${header.preset}</span></h3>
    <p>${PRESETS[header.preset] ?? 'A preset this report has no description of; its whole configuration is below.'}</p>
    <h3>Mode: ${header.mode}</h3><p>${modes[header.mode]}</p>
    <p class="quiet">The other mode, ${header.mode === 'paper' ? modes.corrected : modes.paper}</p>
    <details><summary>The run and its machine</summary><div class="inside">${pairs(facts)}</div></details>
    <details><summary>The resolved configuration, every value</summary>
      <div class="inside">${pairs(leaves(header.config))}</div></details>
  </section>`;
}

export function limitsSection({ input: { header, result, rewards, answers }, terms }: Material): Html {
  const shared = Math.max(1, ...rewards.filter(({ phase }) => phase === 'evaluate').map(({ group }) => group.length));
  const hasInverse = answers.some(({ kind }) => kind === 'inverse');
  const greedy = greedyHeadline(result);
  const broken = rewards.filter(({ status }) => status !== 'ok').length;
  return html`<section id="limits"><h2>What this does not show</h2><ul class="limits">
    <li><strong>RL selects; it does not invent.</strong> It keeps the self-edits that teach best among those the model
      already writes, and moves the mixture towards them. A way of writing that pretraining lacks will not appear.
      ${header.preset === 'tiny' && 'Here the mixture, good and bad, was designed into the pretraining corpus.'}</li>
    ${
      header.preset === 'tiny' &&
      html`<li><strong>The world is synthetic.</strong> People, facts and wordings come from a
      generator and the model is tiny. The figures are about whether the loop works; they say nothing about real text or
      large models.</li>`
    }
    ${
      shared > 1 &&
      html`<li><strong>${counted(shared, terms.context)} share one adapter.</strong>
      ${
        hasInverse
          ? html`An inverse question, such as who plays an instrument, can then be answered by guessing among the names
              in the adapter: up to ${Math.round(100 / shared)}\u00a0% by chance. Read inverse accuracies against that
              level, not against zero.`
          : html`What helps one of them may help or hurt the others, and a reward measures the group’s training, not one
          self-edit alone.`
      }</li>`
    }
    ${
      greedy !== null &&
      html`<li><strong>Sampled is not greedy.</strong> The headline is about sampled self-edits. For the single
      likeliest self-edit the difference ${isBeyondNoise(greedy) ? 'is also beyond noise.' : 'is within noise.'}</li>`
    }
    <li><strong>One seed.</strong> Intervals resample ${pluralOf(terms.context)}. They do not say how much another seed of sampling,
      training and selection would change the result; run several seeds for that.</li>
    <li><strong>Nothing here measures forgetting.</strong> Each adaptation starts from the model afresh; what it
      overwrites in the model’s other knowledge is not asked.</li>
    ${
      broken > 0 &&
      html`<li><strong>${counted(broken, 'reward')} did not come from a clean adaptation</strong> (an unusable self-edit
        or a loss that was not finite). They are counted with the accuracy they got, not left out.</li>`
    }
  </ul></section>`;
}
