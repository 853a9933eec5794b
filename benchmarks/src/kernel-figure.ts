/** The figure of `benchmarks/README.md`: who is how fast at the shapes that other libraries compute too, and the ceiling. */

import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { KernelBenchmark } from './kernels.ts';

/** What is used of an element of the browserless document. */
interface Element {
  outerHTML: string;
  setAttribute(name: string, value: string): void;
}

interface Bar {
  readonly who: string;
  readonly kind: keyof typeof COLOURS;
  readonly gflops: number;
  /** Line of the figure, counted from the top. */
  readonly line: number;
}

const COLOURS = { ours: '#1a7f64', plain: '#8a8f98', peer: '#c77700' };
const LEGEND = [
  { text: 'ours, the variant that runs', kind: 'ours', dx: 0 },
  { text: 'ours, plain', kind: 'plain', dx: 190 },
  { text: 'other libraries (those on the CPU do not use the adapter)', kind: 'peer', dx: 280 },
] as const;
const LINE_HEIGHT = 17;
const LEFT = 130;

/** Bars in GFLOP/s, ours, the plain variants and the peers, and a line where arithmetic in registers ends. SVG text. */
export function kernelFigure({ rows, peers, ceilings }: KernelBenchmark): string {
  const named = ({ op, layout, shape }: { op: string; layout: string | null; shape: string }) =>
    layout === null ? `${op}, ${shape}` : `matmul ${layout}, ${shape}`;
  const theirs = peers.flatMap(({ name, rows: own }) => own.map((row) => ({ ...row, who: name, kind: 'peer' as const })));
  const ours = rows
    .filter((row) => row.chosen || row.variant.startsWith('plain'))
    .map((row) => ({ ...row, who: row.variant, kind: row.chosen ? ('ours' as const) : ('plain' as const) }));
  const shown = [...new Set([...rows.filter(({ shape }) => shape === '512x512x512'), ...theirs].map(named))];
  // A title and the bars of each case below it, and an empty line between two cases.
  const titles: { readonly name: string; readonly line: number }[] = [];
  const bars: Bar[] = [];
  let line = 0;
  for (const name of shown) {
    titles.push({ name, line: line++ });
    for (const { who, kind, gflops } of [...ours, ...theirs].filter((row) => named(row) === name)) bars.push({ who, kind, gflops, line: line++ });
    line++;
  }
  const colour = ({ kind }: { readonly kind: keyof typeof COLOURS }) => COLOURS[kind];
  const { document } = parseHTML('<html><body></body></html>');
  const svg = Plot.plot({
    document: document as never,
    width: 760,
    height: 80 + LINE_HEIGHT * line,
    marginLeft: LEFT,
    marginRight: 45,
    marginTop: 60,
    marginBottom: 20,
    style: { background: 'white', color: '#24292f' },
    x: { label: 'GFLOP/s', grid: true, axis: 'top', domain: [0, Math.max(ceilings.gflops, ...bars.map(({ gflops }) => gflops))] },
    y: { axis: null, domain: [line - 0.5, -0.5] },
    marks: [
      Plot.ruleX([ceilings.gflops], { stroke: '#cf222e', strokeDasharray: '4,3' }),
      Plot.text([`arithmetic in registers on the adapter: ${ceilings.gflops}`], {
        x: ceilings.gflops,
        frameAnchor: 'bottom',
        dy: 14,
        fill: '#cf222e',
      }),
      Plot.rect(bars, { x1: 0, x2: 'gflops', y1: (bar: Bar) => bar.line - 0.42, y2: (bar: Bar) => bar.line + 0.42, fill: colour }),
      Plot.text(bars, { x: 0, y: 'line', text: 'who', textAnchor: 'end', dx: -6 }),
      Plot.text(bars, {
        x: 'gflops',
        y: 'line',
        text: ({ gflops }: Bar) => gflops.toFixed(1),
        textAnchor: 'start',
        dx: 4,
        stroke: 'white',
        strokeWidth: 4,
        fill: '#24292f',
      }),
      Plot.text(titles, { x: 0, y: 'line', text: 'name', textAnchor: 'start', dx: -LEFT + 4, fontWeight: 'bold', stroke: 'white', fill: '#24292f' }),
      ...LEGEND.map(({ text, kind, dx }) =>
        Plot.text([text], { frameAnchor: 'top-left', textAnchor: 'start', dx: dx - LEFT + 4, dy: -52, fill: COLOURS[kind], fontWeight: 'bold' }),
      ),
    ],
  }) as unknown as Element;
  svg.setAttribute('role', 'img');
  const who = [...new Set(bars.map((bar) => bar.who))].join(', ');
  svg.setAttribute('aria-label', `GFLOP/s of ${who}; the dashed line is the arithmetic ceiling, ${ceilings.gflops} GFLOP/s`);
  if (!svg.outerHTML.includes('xmlns=')) svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return `${svg.outerHTML}\n`;
}
