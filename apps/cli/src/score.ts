/** `seal score`: how likely a model finds texts, token by token. */

import { readText } from '@seal/files/node';
import { Problem, problemsAs, problemsOf } from '@seal/files';
import { type } from 'arktype';
import { LoraPack, scoreTokens } from '@seal/model';
import { openAdapter } from './adapters.ts';
import type { CommandOf } from './options.ts';
import { openCheckpoint, openSession, SHIPPED_MODEL } from './session.ts';
import { print } from './terminal.ts';

/** One line: its tokens and the log-probability of each behind those before it; the first token has none. */
interface ScoredLine {
  readonly tokenIds: readonly number[];
  readonly logprobs: readonly (number | null)[];
  readonly total: number;
}

export async function score(command: CommandOf<'score'>): Promise<void> {
  const { model: name = SHIPPED_MODEL, adapter: adapterDirectory, input, json } = command;
  const checkpoint = await openCheckpoint(name);
  const { tokenizer, config } = checkpoint;
  const place = input === '-' ? 'stdin' : input;
  const text = readText(input, 'data', { orStdin: true });
  const rows = text.replace(/\r?\n$/, '').split(/\r?\n/);
  const lines = input.endsWith('.jsonl') ? rows.map((row, i) => textOf(row, `line ${i + 1} of ${place}`)) : rows;
  const sequences = lines.map((line) => (line === '' ? [] : tokenizer.encodeWithSpecials(line)));
  const scorable = sequences.filter(({ length }) => length > 1);
  if (scorable.length === 0) throw new Problem('data', `Cannot score ${place}: no line has a token behind another one`);
  const long = sequences.findIndex(({ length }) => length > config.maxPositionEmbeddings);
  if (long >= 0) {
    throw new Problem('data',
      `Cannot score line ${long + 1} of ${place}: it has ${sequences[long]?.length} tokens, the model has ${config.maxPositionEmbeddings} positions; divide it`,
    );
  }
  const adapter = adapterDirectory === undefined ? null : await openAdapter(adapterDirectory, { name, config });
  const session = await openSession(name, checkpoint, command);
  const pack = adapter && new LoraPack(session.gpu.device, config, adapter.lora, 1);
  try {
    if (adapter) pack?.write(0, adapter.values);
    const scores = await problemsAs('data', () => scoreTokens(session.model, pack, scorable));
    let next = 0;
    const scored = sequences.map((tokenIds): ScoredLine => {
      const own = tokenIds.length > 1 ? [...(scores[next++] ?? [])] : [];
      return { tokenIds, logprobs: tokenIds.length > 0 ? [null, ...own] : [], total: sum(own) };
    });
    const tokens = scorable.reduce((all, { length }) => all + length - 1, 0);
    const total = sum(scored.map((line) => line.total));
    const summary = { tokens, total, perplexity: Math.exp(-total / tokens), adapterDigest: adapter?.digest ?? null };
    if (json) return print(JSON.stringify({ lines: scored, ...summary }));
    const shown = scored.map((line, i) => `${line.total.toFixed(4)}\t${rows[i] ?? ''}`);
    print([...shown, `${tokens} tokens, log-probability ${total.toFixed(4)}, perplexity ${summary.perplexity.toFixed(4)}`].join('\n'));
  } finally {
    pack?.destroy();
    session.close();
  }
}

const rowSchema = type({ text: 'string' });

/** A text that has lines itself. */
function textOf(row: string, place: string): string {
  if (row.trim() === '') return '';
  const parsed = rowSchema(parseJson(row, place));
  if (parsed instanceof type.errors) throw new Problem('data', `Cannot score ${place}: ${problemsOf(parsed)}`);
  return parsed.text;
}

function parseJson(row: string, place: string): unknown {
  try {
    return JSON.parse(row);
  } catch (cause) {
    throw new Problem('data', `Cannot score ${place}: it is not JSON; write {"text": "..."}`, { cause });
  }
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
