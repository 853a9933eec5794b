/**
 * Figures as SVG text, drawn by Observable Plot on a document without a browser. Colours are the custom properties of
 * the page (style.ts), so that one figure serves light and dark; sizes are those of a phone's column.
 */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { pluralOf, type Role } from '@seal/runs';
import { counted, percent } from './format.ts';
import { escape, type Html, trusted } from './html.ts';

const WIDTH = 400;
const COLOUR: Readonly<Record<Role, string>> = {
  control: 'var(--control)',
  before: 'var(--before)',
  after: 'var(--after)',
  ceiling: 'var(--ceiling)',
};
const GRID = 'var(--line)';
const INK = 'var(--ink)';
const QUIET = 'var(--quiet)';

/** What is used of an element of the browserless document. */
interface Element {
  readonly outerHTML: string;
  removeAttribute(name: string): void;
  querySelectorAll(selector: string): Iterable<{ remove(): void }>;
}

function draw(description: string, options: Plot.PlotOptions, attributes = ''): Html {
  const { document } = parseHTML('<html><body></body></html>');
  const svg = Plot.plot({ ...options, document: document as never }) as unknown as Element;
  svg.removeAttribute('width');
  svg.removeAttribute('height');
  // Plot's own style sheet names a font and fixes sizes; the page has both.
  for (const style of svg.querySelectorAll('style')) style.remove();
  // Written here and not set on the element, because linkedom leaves < and > in attributes as they are.
  const opening = `<svg role="img" aria-label="${escape(description)}" ${attributes}`;
  const namespace = svg.outerHTML.includes('xmlns=') ? '' : 'xmlns="http://www.w3.org/2000/svg" ';
  return trusted(opening + namespace + svg.outerHTML.slice('<svg '.length));
}

/** A strip that fills its cell: it is stretched, so it holds no text. */
function strip(description: string, options: Plot.PlotOptions): Html {
  return draw(
    description,
    { width: 300, height: 24, margin: 0, axis: null, y: { domain: [0, 1] }, ...options },
    'preserveAspectRatio="none" ',
  );
}

/** Round numbers between the ends of a domain that starts or is centred at zero. */
export function ticksOf(domain: readonly [number, number], step = 0.2): number[] {
  const first = Math.ceil(domain[0] / step - 1e-9);
  const last = Math.floor(domain[1] / step + 1e-9);
  return Array.from(
    { length: Math.max(0, last - first + 1) },
    (_, index) => Math.round((first + index) * step * 1e6) / 1e6,
  );
}

function whiskers(low: number, high: number): Plot.Markish[] {
  return [
  Plot.ruleY([0.5], { x1: low, x2: high, stroke: INK, strokeWidth: 1.5 }),
  Plot.ruleX([low, high], { y1: 0.34, y2: 0.66, stroke: INK, strokeWidth: 1.5 }),
];
}

/** A bar from zero with its interval. */
export function intervalBar(
  name: string,
  value: number,
  [low, high]: readonly [number, number],
  domain: readonly [number, number],
  role: Role,
): Html {
  return strip(`${name}: ${percent(value)} %, 95 % interval ${percent(low)} to ${percent(high)} %`, {
    x: { domain },
    marks: [
      Plot.ruleX(ticksOf(domain), { stroke: GRID }),
      Plot.rect([0], { x1: 0, x2: value, y1: 0.16, y2: 0.84, fill: COLOUR[role] }),
      ...whiskers(low, high),
    ],
  });
}

/** A difference with its interval against a line at zero. */
export function differenceBar(
  name: string,
  value: number,
  [low, high]: readonly [number, number],
  domain: readonly [number, number],
): Html {
  const colour = low > 0 ? 'var(--after)' : high < 0 ? 'var(--wrong)' : QUIET;
  return strip(`${name}: ${percent(value)} points, 95 % interval ${percent(low)} to ${percent(high)}`, {
    x: { domain },
    marks: [
      Plot.ruleX(ticksOf(domain), { stroke: GRID }),
      Plot.ruleX([0], { stroke: QUIET, strokeWidth: 1.25 }),
      Plot.ruleY([0.5], { x1: low, x2: high, stroke: colour, strokeWidth: 6, strokeOpacity: 0.3 }),
      Plot.ruleX([value], { y1: 0.14, y2: 0.86, stroke: colour, strokeWidth: 3 }),
    ],
  });
}

/** A share of a whole as a bar without an interval. */
export function shareBar(name: string, share: number): Html {
  return strip(`${name}: ${percent(share)} % of the time`, {
    x: { domain: [0, 1] },
    marks: [Plot.rect([0], { x1: 0, x2: share, y1: 0.3, y2: 0.7, fill: 'var(--before)' })],
  });
}

/** The rewards of the candidates of one context as ticks, the kept ones tall. */
export function candidateStrip(rewards: readonly number[], kept: readonly number[]): Html {
  return strip(`rewards ${rewards.map((reward) => percent(reward)).join(', ')}`, {
    height: 20,
    x: { domain: [-0.01, 1.01] },
    marks: [
      Plot.ruleY([0.5], { x1: 0, x2: 1, stroke: GRID }),
      Plot.ruleX(rewards, { y1: 0.25, y2: 0.75, stroke: 'var(--before)', strokeWidth: 2, strokeOpacity: 0.6 }),
      Plot.ruleX(kept, { y1: 0, y2: 1, stroke: 'var(--after)', strokeWidth: 3 }),
    ],
  });
}

/** From before to after, a dot each, on a line from 0 to 100 %. */
export function changeStrip(before: number, after: number): Html {
  const ends = [
    { x: before, fill: 'var(--before)' },
    { x: after, fill: after < before ? 'var(--wrong)' : 'var(--after)' },
  ];
  return draw(`from ${percent(before)} to ${percent(after)} %`, {
    width: 150,
    height: 14,
    margin: 0,
    marginLeft: 6,
    marginRight: 6,
    axis: null,
    x: { domain: [0, 1] },
    y: { domain: [0, 1] },
    marks: [
      Plot.ruleY([0.5], { x1: 0, x2: 1, stroke: GRID }),
      Plot.ruleY([0.5], { x1: before, x2: after, stroke: ends[1]?.fill ?? INK, strokeWidth: 2, strokeOpacity: 0.5 }),
      Plot.dot(ends, { x: 'x', y: 0.5, r: 4, fill: { value: 'fill', scale: null } }),
    ],
  });
}

const axes = { fontSize: 11, color: QUIET, tickSize: 0, label: null } as const;

/** One reward with the context it belongs to. */
export interface RewardPoint {
  readonly contextId: string;
  readonly title: string;
  readonly reward: number;
}

/**
 * How many self-edits of a round got which reward, with the mean. `levels` is the number of steps from 0 to 1 that are
 * counted apart, `scale` the tallest count of any round.
 */
export function rewardHistogram(name: string, rewards: readonly number[], levels: number, scale: number): Html {
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / Math.max(1, rewards.length);
  const half = 0.5 / levels;
  const bins = histogram(rewards, levels).map(({ level, count }) => ({ from: level - half, to: level + half, count }));
  return draw(`Distribution of rewards, ${name}: ${counted(rewards.length, 'self-edit')}, mean ${percent(mean)} %`, {
    width: WIDTH,
    height: 150,
    marginLeft: 40,
    marginRight: 12,
    marginTop: 22,
    marginBottom: 24,
    x: { domain: [-half, 1 + half] },
    y: { domain: [0, scale] },
    marks: [
      Plot.gridY({ stroke: GRID, strokeOpacity: 1, ticks: 4 }),
      Plot.rect(bins, { x1: 'from', x2: 'to', y1: 0, y2: 'count', inset: 0.75, fill: 'var(--before)' }),
      Plot.ruleY([0], { stroke: QUIET }),
      Plot.ruleX([mean], { stroke: 'var(--after)', strokeWidth: 2 }),
      Plot.text([mean], {
        x: (value: number) => value,
        frameAnchor: 'top',
        dy: -16,
        text: () => `mean ${percent(mean)} %`,
        fill: 'var(--after)',
        fontSize: 11,
        fontWeight: 600,
      }),
      Plot.axisX({ ...axes, ticks: 5, tickFormat: (value: number) => `${Math.round(value * 100)} %` }),
      Plot.axisY({ ...axes, ticks: 4 }),
    ],
  });
}

/** Counts of the rewards nearest to 0, 1 / levels, 2 / levels, ... 1. */
export function histogram(
  rewards: readonly number[],
  levels: number,
): { readonly level: number; readonly count: number }[] {
  return Array.from({ length: levels + 1 }, (_, index) => ({
    level: index / levels,
    count: rewards.filter((reward) => Math.min(levels, Math.max(0, Math.round(reward * levels))) === index).length,
  }));
}

/** Every reward of a round by context, which is a `noun`, contexts in the order of their best: dots, the mean as a tick, best filled. */
export function rewardsByContext(name: string, noun: string, rewards: readonly RewardPoint[]): Html {
  const contexts = [...Map.groupBy(rewards, ({ contextId }) => contextId).values()]
    .map((own) => ({
      title: own[0]?.title ?? '',
      rewards: own.map(({ reward }) => reward),
      best: Math.max(...own.map(({ reward }) => reward)),
      mean: own.reduce((sum, { reward }) => sum + reward, 0) / own.length,
    }))
    .sort((a, b) => a.best - b.best || a.mean - b.mean)
    .map((context, rank) => ({ ...context, rank }));
  const dots = contexts.flatMap(({ rank, rewards: own }) => own.map((reward) => ({ rank, reward })));
  const titleOf = ({ title, mean, best }: (typeof contexts)[number]): string =>
    `${title}: mean ${percent(mean)} %, best ${percent(best)} %`;
  return draw(`Rewards by ${noun}, ${name}: ${counted(contexts.length, noun)}, each with its mean and its best`, {
    width: WIDTH,
    height: 190,
    marginLeft: 40,
    marginRight: 12,
    marginTop: 10,
    marginBottom: 22,
    x: { domain: [-0.75, Math.max(1, contexts.length) - 0.25], axis: null },
    y: { domain: [0, 1] },
    marks: [
      Plot.gridY({ stroke: GRID, strokeOpacity: 1, ticks: 5 }),
      Plot.ruleY([0], { stroke: QUIET }),
      Plot.ruleX(contexts, {
        x: 'rank',
        y1: (context) => Math.min(...context.rewards),
        y2: 'best',
        stroke: 'var(--before)',
        strokeOpacity: 0.35,
        strokeWidth: 1.5,
      }),
      Plot.dot(dots, { x: 'rank', y: 'reward', r: 2.4, fill: 'var(--before)', fillOpacity: 0.55 }),
      Plot.ruleY(contexts, {
        y: 'mean',
        x1: (context) => context.rank - 0.38,
        x2: (context) => context.rank + 0.38,
        stroke: INK,
        strokeWidth: 2,
      }),
      Plot.dot(contexts, { x: 'rank', y: 'best', r: 4, fill: 'var(--after)', title: titleOf }),
      Plot.axisY({ ...axes, ticks: 5, tickFormat: (value: number) => `${Math.round(value * 100)} %` }),
      Plot.text([`${pluralOf(noun)}, by their best self-edit →`], { frameAnchor: 'bottom', dy: 18, fill: QUIET, fontSize: 11 }),
    ],
  });
}

/** A named line over rounds or steps. */
export interface Series {
  readonly name: string;
  readonly role: Role;
  readonly values: readonly { readonly x: number; readonly y: number }[];
}

function lines(series: readonly Series[], isSparse: boolean): Plot.Markish[] {
  return series.flatMap(({ values, role }) => [
    Plot.line(values, { x: 'x', y: 'y', stroke: COLOUR[role], strokeWidth: isSparse ? 2.25 : 1.75 }),
    ...(isSparse ? [Plot.dot(values, { x: 'x', y: 'y', r: 3.5, fill: COLOUR[role] })] : []),
  ]);
}

/** Whether a point lies so close below another that its label must go under it. */
function isCrowded(point: Series['values'][number], all: Series['values'], top: number): boolean {
  return all.some(({ x, y }) => x === point.x && y > point.y && y - point.y < 0.16 * top);
}

/** Rewards and accuracies over rounds. */
export function roundCurve(series: readonly Series[], rounds: number): Html {
  const all = series.flatMap(({ values }) => values);
  const top = Math.min(1, Math.ceil(Math.max(0.1, ...all.map(({ y }) => y)) * 10 + 0.5) / 10);
  return draw(`Rewards and held-out accuracy over ${counted(rounds, 'round')}`, {
    width: WIDTH,
    height: 220,
    marginLeft: 40,
    marginRight: 26,
    marginTop: 16,
    marginBottom: 26,
    x: { domain: [0, Math.max(1, rounds)] },
    y: { domain: [0, top] },
    marks: [
      Plot.gridY({ stroke: GRID, strokeOpacity: 1, ticks: 5 }),
      Plot.ruleY([0], { stroke: QUIET }),
      ...lines(series, true),
      ...[-11, 12].map((dy) =>
        Plot.text(
          all.filter((point) => dy > 0 === isCrowded(point, all, top)),
          {
            x: 'x',
            y: 'y',
            text: ({ y }: { y: number }) => percent(y),
            dy,
            fontSize: 11,
            fontWeight: 600,
            fill: INK,
            stroke: 'var(--card)',
            strokeWidth: 4,
          },
        ),
      ),
      Plot.axisX({
        ...axes,
        ticks: Array.from({ length: rounds + 1 }, (_, round) => round),
        tickFormat: (round: number) => (round === 0 ? 'before RL' : `round ${round}`),
      }),
      Plot.axisY({ ...axes, ticks: 5, tickFormat: (value: number) => `${Math.round(value * 100)} %` }),
    ],
  });
}

/** Losses over the steps of fine-tuning. */
export function lossCurve(series: readonly Series[]): Html {
  const all = series.flatMap(({ values }) => values);
  return draw('Loss by step of fine-tuning on the kept self-edits', {
    width: WIDTH,
    height: 200,
    marginLeft: 40,
    marginRight: 12,
    marginTop: 12,
    marginBottom: 36,
    x: { domain: [1, Math.max(2, ...all.map(({ x }) => x))] },
    y: { domain: [0, Math.max(0.1, ...all.map(({ y }) => y)) * 1.05] },
    marks: [
      Plot.gridY({ stroke: GRID, strokeOpacity: 1, ticks: 5 }),
      Plot.ruleY([0], { stroke: QUIET }),
      ...lines(series, false),
      Plot.axisX({ ...axes, ticks: 6, label: 'step', labelAnchor: 'center', labelArrow: 'none' }),
      Plot.axisY({ ...axes, ticks: 5 }),
    ],
  });
}
