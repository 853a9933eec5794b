/** The tables of `benchmarks/README.md`, made from a record so that they cannot differ from it. */

import type { KernelBenchmark, KernelRow } from './kernels.ts';
import type { PeerRecord } from './peers.ts';

const BEGIN = '<!-- kernels: made from the record by npm run bench:record -->';
const END = '<!-- kernels end -->';

type Cell = string | number;

function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const line = (cells: readonly Cell[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

const digits = (value: number) => String(Number(value.toPrecision(3)));
const times = (value: number | undefined) => (value === undefined ? '' : `${digits(value)}x`);
const percent = (fraction: number) => `${(100 * fraction).toFixed(0)} %`;
const variantCell = ({ variant, chosen }: KernelRow) => (chosen ? `**${variant}**` : variant);
const named = ({ op, layout, shape }: Pick<KernelRow, 'op' | 'layout' | 'shape'>) => (layout === null ? `${op}, ${shape}` : `${layout}, ${shape}`);
const isPlainTile = ({ variant }: KernelRow) => variant === 'plain-tile';

/** Everything that the record holds, as Markdown. */
export function kernelTables(benchmark: KernelBenchmark, recordPath: string): string {
  const { adapter, runtime, versions, commit, clock, repetitions, ceilings, rows, peers } = benchmark;
  const matmuls = rows.filter(({ layout }) => layout !== null);
  const others = rows.filter(({ layout }) => layout === null);
  const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ');
  return [
    `${adapter}; ${runtime}; ${software}; commit ${commit ?? 'unknown'}; ${repetitions} turns; our times by ${clock === 'wall' ? 'the wall clock' : 'timestamp queries'}; [full record](${recordPath}).`,
    `Ceilings of the run: **${digits(ceilings.gflops)} GFLOP/s** in registers, **${digits(ceilings.gbps)} GB/s** copied.`,
    ...(peers.length > 0 ? ['### Against other libraries', peerTable(rows, peers), peers.map(peerLine).join('\n')] : []),
    '### Matmul',
    table(
      ['layout', 'M x N x K', 'variant', 'ms', 'spread', 'GFLOP/s', 'of the ceiling', 'against the plain tile', 'against `nn`'],
      matmuls.map((row) => [
        row.layout ?? '',
        row.shape,
        variantCell(row),
        digits(row.medianMs),
        digits(row.spreadMs),
        digits(row.gflops),
        percent(row.fractionOfCeiling),
        isPlainTile(row) ? '' : times(row.ratios['plain-tile']),
        times(row.ratios['nn']),
      ]),
    ),
    '### Other ops, the variant that runs',
    table(
      ['op', 'shape', 'variant', 'ms', 'spread', 'GFLOP/s', 'GB/s', 'of the ceiling', 'against `plain`', '`copy`', '`fastest-copy`', '`forward`'],
      others
        .filter(({ chosen }) => chosen)
        .map((row) => [
          row.op,
          row.shape,
          row.variant,
          digits(row.medianMs),
          digits(row.spreadMs),
          digits(row.gflops),
          digits(row.gbps),
          percent(row.fractionOfCeiling),
          row.variant === 'plain' ? '' : times(row.ratios['plain']),
          times(row.ratios['copy']),
          times(row.ratios['fastest-copy']),
          times(row.ratios['forward']),
        ]),
    ),
  ].join('\n\n');
}

/** The variant that runs beside every library that computed the same. */
function peerTable(rows: readonly KernelRow[], peers: readonly PeerRecord[]): string {
  const compared = Map.groupBy(
    peers.flatMap(({ name, rows: theirs }) => theirs.map((row) => ({ ...row, peer: name }))),
    named,
  );
  return table(
    ['op and shape', 'who', 'ms', 'spread', 'GFLOP/s', 'our speed over theirs'],
    [...compared].flatMap(([name, theirs]) => {
      const ours = rows.find((row) => row.chosen && named(row) === name);
      if (!ours) return [];
      return [
        [name, `**ours, ${ours.variant}**`, digits(ours.medianMs), digits(ours.spreadMs), digits(ours.gflops), ''],
        ...theirs.map((row) => [name, row.peer, digits(row.medianMs), digits(row.spreadMs), digits(row.gflops), times(ours.ratios[row.peer])]),
      ];
    }),
  );
}

function peerLine({ name, version, device, problem }: PeerRecord): string {
  return `- \`${name}\`${version === null ? '' : ` ${version} on ${device}`}${problem === null ? '' : `: left out, ${problem}`}`;
}

/** The document with its section between the marks replaced. Throws RangeError where it has no such section. */
export function withSection(document: string, section: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new RangeError(`Cannot fill in a document without the marks ${BEGIN} and ${END}`);
  return `${document.slice(0, begin)}${BEGIN}\n\n${section}\n\n${document.slice(end)}`;
}
