/** How likely a model finds texts, token by token. */

import { Problem, problemsAs, problemsOf } from '@seal/files';
import { LoraPack, scoreTokens } from '@seal/model';
import { type } from 'arktype';
import type { Deps } from './deps.ts';
import type { Hooks } from './events.ts';
import { checkRequest, LOADING, TEXT_INPUT, type RequestOf } from './request.ts';
import { openAdapter, openCheckpoint, openSession } from './session.ts';
import { textOf } from './text-input.ts';

const schema = type({
  ...LOADING,
  'adapter?': 'string',
  /** Texts, one a line; where its name ends with .jsonl, one `{"text"}` a line. */
  input: TEXT_INPUT,
});

export type ScoreRequest = RequestOf<typeof schema>;

/** One line: its tokens and the log-probability of each behind those before it; the first token has none. */
interface ScoredLine {
  readonly tokenIds: readonly number[];
  readonly logprobs: readonly (number | null)[];
  readonly total: number;
}

export interface ScoreDocument {
  readonly lines: readonly ScoredLine[];
  readonly tokens: number;
  readonly total: number;
  readonly perplexity: number;
  readonly adapterDigest: string | null;
}

export async function score(request: ScoreRequest, deps: Deps, hooks: Hooks = {}): Promise<ScoreDocument> {
  const { model: name, adapter: adapterDirectory, input } = checkRequest(schema, request);
  const checkpoint = await openCheckpoint(name, deps);
  const { tokenizer, config } = checkpoint;
  const { text, place } = textOf(input);
  const rows = text.replace(/\r?\n$/, '').split(/\r?\n/);
  const lines = place.endsWith('.jsonl') ? rows.map((row, i) => rowText(row, `line ${i + 1} of ${place}`)) : rows;
  const sequences = lines.map((line) => (line === '' ? [] : tokenizer.encodeWithSpecials(line)));
  const scorable = sequences.filter(({ length }) => length > 1);
  if (scorable.length === 0) throw new Problem('data', `Cannot score ${place}: no line has a token behind another one`);
  const long = sequences.findIndex(({ length }) => length > config.maxPositionEmbeddings);
  if (long >= 0) {
    throw new Problem('data',
      `Cannot score line ${long + 1} of ${place}: it has ${sequences[long]?.length} tokens, the model has ${config.maxPositionEmbeddings} positions; divide it`,
    );
  }
  const adapter = adapterDirectory === undefined ? null : await openAdapter(adapterDirectory, { name, config }, hooks);
  const session = await openSession(checkpoint, deps, request, hooks);
  let pack: LoraPack | null = null;
  try {
    if (adapter) {
      pack = new LoraPack(session.gpu.device, config, adapter.lora, 1);
      pack.write(0, adapter.values);
    }
    const scores = await problemsAs('data', () => scoreTokens(session.model, pack, scorable));
    let next = 0;
    const scored = sequences.map((tokenIds): ScoredLine => {
      const own = tokenIds.length > 1 ? [...(scores[next++] ?? [])] : [];
      return { tokenIds, logprobs: tokenIds.length > 0 ? [null, ...own] : [], total: sum(own) };
    });
    const tokens = scorable.reduce((all, { length }) => all + length - 1, 0);
    const total = sum(scored.map((line) => line.total));
    return { lines: scored, tokens, total, perplexity: Math.exp(-total / tokens), adapterDigest: adapter?.digest ?? null };
  } finally {
    pack?.destroy();
    session.close();
  }
}

const rowSchema = type({ text: 'string' });

/** A text that may have lines itself. */
function rowText(row: string, place: string): string {
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

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
