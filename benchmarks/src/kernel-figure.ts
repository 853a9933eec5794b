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
  readonly case: string;
  readonly who: string;
  readonly kind: 'ours' | 'plain' | 'peer';
  readonly gflops: number;
}

const COLOURS = { ours: '#1a7f64', plain: '#8a8f98', peer: '#c77700' };

/** Bars in GFLOP/s, ours, the plain variants and the peers, and a line where arithmetic in registers ends. SVG text. */
export function kernelFigure({ rows, peers, ceilings }: KernelBenchmark): string {
  const named = ({ op, layout, shape }: { op: string; layout: string | null; shape: string }) => `${layout ?? op} ${shape}`;
  const theirs = peers.flatMap(({ name, rows: own }) => own.map((row) => ({ ...row, peer: name })));
  const shown = new Set([
    ...theirs.map(named),
    ...rows.filter(({ shape }) => shape === '512x512x512').map(named),
  ]);
  const bars: Bar[] = [
    ...rows
      .filter((row) => shown.has(named(row)) && (row.chosen || row.variant.startsWith('plain')))
      .map((row): Bar => ({ case: named(row), who: row.variant, kind: row.chosen ? 'ours' : 'plain', gflops: row.gflops })),
    ...theirs.map((row): Bar => ({ case: named(row), who: row.peer, kind: 'peer', gflops: row.gflops })),
  ];
  const who = [...new Set(bars.map((bar) => bar.who))];
  const { document } = parseHTML('<html><body></body></html>');
  const svg = Plot.plot({
    document: document as never,
    width: 760,
    height: 50 + shown.size * (16 * who.length + 20),
    marginLeft: 130,
    marginRight: 20,
    marginTop: 30,
    style: { background: 'white', color: '#24292f' },
    x: { label: 'GFLOP/s', grid: true, domain: [0, 1.05 * Math.max(ceilings.gflops, ...bars.map(({ gflops }) => gflops))] },
    y: { label: null, domain: who, padding: 0.15 },
    fy: { axis: null, domain: [...shown], padding: 0.12 },
    marks: [
      Plot.barX(bars, { x: 'gflops', y: 'who', fy: 'case', fill: ({ kind }: Bar) => COLOURS[kind] }),
      Plot.text(bars, { x: 'gflops', y: 'who', fy: 'case', text: ({ gflops }: Bar) => gflops.toFixed(1), textAnchor: 'start', dx: 4 }),
      Plot.ruleX([ceilings.gflops], { stroke: '#cf222e', strokeDasharray: '4,3' }),
      Plot.text([...shown], { fy: (name: string) => name, text: (name: string) => name, frameAnchor: 'bottom-right', dy: -2, fontWeight: 'bold' }),
    ],
  }) as unknown as Element;
  svg.setAttribute('role', 'img');
  const description = `GFLOP/s of ${who.join(', ')}; the dashed line is the arithmetic ceiling, ${ceilings.gflops} GFLOP/s`;
  svg.setAttribute('aria-label', description);
  if (!svg.outerHTML.includes('xmlns=')) svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return `${svg.outerHTML}\n`;
}
