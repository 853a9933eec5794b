/** `seal generate`, `seal score` and `seal tokenize`: texts written, weighed and taken apart. */

import { readText } from '@seal/files/node';
import { counted } from '@seal/report/text';
import type { CommandOf } from './options.ts';
import { perform } from './perform.ts';

export async function generateTexts(command: CommandOf<'generate'>): Promise<void> {
  const { generate } = await import('@seal/engine/generate');
  const { command: _, json, ...request } = command;
  // One completion is shown while it is written.
  const isLive = !json && command.count * Math.max(1, command.adapters.length) === 1;
  const heading = (number: number, digest: string | null) => `--- ${number}${digest === null ? '' : `, adapter ${digest.slice(0, 12)}`}`;
  await perform(command, (deps, hooks) => generate({ ...request, logprobs: json }, deps, hooks), ({ completions }) =>
    isLive ? '\n' : completions.map(({ text, adapterDigest }, i) => `${heading(i + 1, adapterDigest)}\n${text}`).join('\n'),
  { stops: false, pieces: isLive });
}

/** A file as it is named; of stdin, which is `-`, the text. */
function inputOf(path: string): string | { readonly text: string; readonly place: string } {
  return path === '-' ? { text: readText(path, 'data', { orStdin: true }), place: 'stdin' } : path;
}

export async function scoreTexts(command: CommandOf<'score'>): Promise<void> {
  const { score } = await import('@seal/engine/score');
  const { command: _, json: __, input: path, ...request } = command;
  const input = inputOf(path);
  await perform(command, (deps, hooks) => score({ ...request, input }, deps, hooks), ({ lines, tokens, total, perplexity }) => {
    const rows = (typeof input === 'string' ? readText(input, 'data') : input.text).split(/\r?\n/);
    return [
      ...lines.map((line, i) => `${line.total.toFixed(4)}\t${rows[i] ?? ''}`),
      `${tokens} tokens, log-probability ${total.toFixed(4)}, perplexity ${perplexity.toFixed(4)}`,
    ].join('\n');
  }, { stops: false });
}

/** A table of ids with the text that is complete with each; a star marks those with a loss. */
export async function tokenizeTexts(command: CommandOf<'tokenize'>): Promise<void> {
  const { tokenize } = await import('@seal/engine/tokenize');
  const { command: _, json, input, ...request } = command;
  const what = command.chat ? 'conversation' : 'line';
  await perform(command, (deps, hooks) => tokenize({ ...request, input: inputOf(input), pieces: !json }, deps, hooks), ({ ids, mask, pieces }) =>
    ids.map((own, i) => {
      const rows = own.map((id, j) => `${mask?.[i]?.[j] ? '*' : ' '}${String(id).padStart(8)}  ${JSON.stringify(pieces?.[i]?.[j])}`);
      return [`${what} ${i + 1}: ${counted(own.length, 'token')}`, ...rows].join('\n');
    }).join('\n\n'),
  { stops: false });
}
