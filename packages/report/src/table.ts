/** The result of a run, or of several, as plain text for a terminal: no colour, ASCII only. */
import type { Comparison, PooledDocument, ResultDocument, ResultRow } from '@seal/runs';
import { isBeyondNoise, label, type Table, termsOf, verdict } from './conditions.ts';
import { counted, percent, points } from './format.ts';
import { trust } from './likelihood.ts';

/** Aligns the cells of every row into columns: the first to the left, `left` too, the others to the right. */
function columns(rows: readonly (readonly string[])[], left: readonly number[]): string[] {
  const width = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const widths = (rows[0] ?? []).map((_, column) => width(column));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        left.includes(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
}

function rowTable(table: Table): string[] {
  const terms = termsOf(table);
  const isScored = table.rows.some(({ likelihood }) => likelihood !== undefined);
  const scored = ({ likelihood }: ResultRow): string[] =>
    likelihood === undefined ? ['-', '-'] : [likelihood.mean.toFixed(3), `${likelihood.ci95[0].toFixed(3)} to ${likelihood.ci95[1].toFixed(3)}`];
  return columns(
    [
      ['condition', 'accuracy', '95 % CI', 'contexts', 'questions', 'repeats', ...(isScored ? ['gold log-prob.', '95 % CI'] : []), ''],
      ...table.rows.map((row) => {
        const { condition, accuracy, ci95: [low, high], contexts, questions, repeats } = row;
        return [
          condition,
          `${percent(accuracy)} %`,
          `${percent(low).padStart(4)} to ${percent(high).padStart(4)} %`,
          String(contexts),
          String(questions),
          String(repeats),
          ...(isScored ? scored(row) : []),
          label(condition, terms) === condition ? '' : label(condition, terms),
        ];
      }),
    ],
    [0, isScored ? 8 : 6],
  );
}

function comparisonTable(comparisons: readonly Comparison[]): string[] {
  return columns(
    [
      ['paired difference', 'points', '95 % CI', ''],
      ...comparisons.map((one) => [
        `${one.a} - ${one.b}`,
        points(one.difference, '-'),
        `${points(one.ci95[0], '-').padStart(5)} to ${points(one.ci95[1], '-').padStart(5)}`,
        isBeyondNoise(one) ? 'beyond noise' : 'within noise',
      ]),
    ],
    [0, 3],
  );
}

/**
 * The table `seal run` ends with: accuracies in per cent with their 95 % intervals, the paired differences that matter,
 * and one sentence saying whether RL helped beyond noise. Ends without a line feed.
 */
export function renderTable(document: ResultDocument | PooledDocument): string {
  const isPooled = 'pooled' in document;
  const table: Table = isPooled ? { ...document.pooled, terms: document.runs[0]?.terms } : document;
  const title = isPooled
    ? `${document.preset}, ${counted(document.runs.length, 'run')} pooled ` +
      `(seed${document.runs.length === 1 ? '' : 's'} ${document.runs.map(({ seed }) => seed).join(', ')})`
    : `${document.preset}, mode ${document.mode}, seed ${document.seed}`;
  const notes = isPooled
    ? document.runs.flatMap((run) => (run.notes ?? []).map((note) => `Seed ${run.seed}: ${note}`))
    : (document.notes ?? []);
  return [
    title,
    '',
    ...rowTable(table),
    ...(table.comparisons.length === 0 ? [] : ['', ...comparisonTable(table.comparisons)]),
    '',
    verdict(table, '-'),
    ...(!isPooled && document.likelihood ? [trust(document.likelihood)] : []),
    ...notes,
  ].join('\n');
}
