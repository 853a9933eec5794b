/** `seal run`, `adapt`, `ask`, `eval` and `report`: the loop of self-edits, and parts of it. */

import type { MeanLosses } from '@seal/engine/learnt';
import type { FinishedRun } from '@seal/engine/run';
import { Problem, Stopped } from '@seal/files';
import { readJson } from '@seal/files/node';
import { counted, duration, renderTable } from '@seal/report/text';
import type { CommandOf } from './options.ts';
import { kept, perform } from './perform.ts';
import { commandLine } from './words-of-problems.ts';

/** The values of a configuration file, and its name. */
function configOf({ config }: { readonly config?: string | undefined }) {
  return config === undefined ? { config } : { config: readJson(config, 'usage'), configPlace: config };
}

export async function runLoop(command: CommandOf<'run'>): Promise<void> {
  const { run, RunStopped } = await import('@seal/engine/run');
  const { command: _, json: __, maxTime: ___, ...request } = command;
  const seeds = command.seeds === undefined ? undefined : seedsIn(command.seeds);
  let finished: FinishedRun | null = null;
  try {
    await perform(
      command,
      async (deps, hooks) => {
        // What a run that is gone on with was begun with is not read again.
        const config = command.resume === undefined ? configOf(command) : { config: command.config };
        finished = await run({ ...request, ...config, seeds }, deps, hooks);
        return finished.document;
      },
      (document) => [renderTable(document), ...(finished?.runs ?? []).map((one) => `Report: ${one.report} (${duration(one.document.timings.totalSeconds)})`)].join('\n'),
    );
  } catch (error) {
    if (!(error instanceof RunStopped)) throw error;
    const message = `${error.message}. Go on with: ${goOn(command, error.dir)}`;
    throw error.cause === undefined ? new Stopped(message) : new Problem('resumable', message, { cause: error.cause });
  }
}

function seedsIn(text: string): number[] {
  const list = text.split(',').map((one) => (/^\s*\d{1,9}\s*$/.test(one) ? Number(one) : NaN));
  if (!list.some(Number.isNaN)) return list;
  throw new Problem('usage', `Cannot use --seeds ${text}: write different whole numbers with commas between, such as 0,1,2`);
}

/** The command that goes on: several seeds do when given again with their directory. */
function goOn({ preset, mode, seeds, model, passages, tablePassages, template, chat, config }: CommandOf<'run'>, dir: string): string {
  if (seeds === undefined) return commandLine('run', '--resume', dir);
  const options = Object.entries({ preset, mode, model, passages, 'table-passages': tablePassages, template, config }).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  return commandLine('run', ...options, ...(chat ? ['--chat'] : []), '--seeds', seeds, '--out', dir);
}

/** Passages that are shown one by one. */
const MOST_SHOWN = 20;

function beforeAndAfter({ lossBefore, lossAfter }: MeanLosses): string {
  return `${lossBefore?.toFixed(3) ?? 'not finite'} before, ${lossAfter?.toFixed(3) ?? 'not finite'} after`;
}

export async function adaptModel(command: CommandOf<'adapt'>): Promise<void> {
  const { adapt } = await import('@seal/engine/adapt');
  const { command: _, json: __, maxTime: ___, documents: named, more, ...request } = command;
  const documents = [...named, ...more];
  const asked = { ...request, ...configOf(command), ...(documents.length > 0 && { documents }) };
  await perform(command, (deps, hooks) => adapt(asked, deps, hooks), ({ out, learnt, meanLearnt, correctBefore, correctAfter, questions }) => [
    `Adapter in ${out}`,
    ...(learnt.length > 1 ? learnt.slice(0, MOST_SHOWN).map(({ title, ...losses }) => `  ${beforeAndAfter(losses)}  ${title}`) : []),
    ...(learnt.length > MOST_SHOWN ? [`  and ${learnt.length - MOST_SHOWN} more, in adaptation.json`] : []),
    `Loss a token on ${learnt.length === 1 ? 'the passage' : 'all passages'}: ${beforeAndAfter(meanLearnt)}`,
    ...(questions > 0 ? [`Questions right: ${correctBefore} of ${questions} before, ${correctAfter} after`] : []),
  ].join('\n'));
}

export async function askModel(command: CommandOf<'ask'>): Promise<void> {
  const { ask } = await import('@seal/engine/ask');
  const { command: _, json: __, out, ...request } = command;
  await perform(command, async (deps, hooks) => kept(out, await ask({ ...request, ...configOf(command) }, deps, hooks)), ({ answer }) => answer, { stops: false });
}

export async function evaluateModel(command: CommandOf<'eval'>): Promise<void> {
  const { evaluate } = await import('@seal/engine/evaluate');
  const { command: _, json: __, out, ...request } = command;
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
  await perform(command, async (deps, hooks) => kept(out, await evaluate({ ...request, ...configOf(command) }, deps, hooks)), ({ answers, accuracy, ci95, contexts }) => {
    const empty = answers.filter(({ answer }) => answer === '').length;
    return [
      ...answers.map(({ correct, question, answer, gold }) => `${correct ? 'right' : 'wrong'}  ${question}  ${answer || '(nothing)'}${correct ? '' : `  (${gold})`}`),
      `${percent(accuracy)} of ${counted(answers.length, 'question')} on ${counted(contexts, 'passage')}, ` +
        `95 % interval ${percent(ci95[0])} to ${percent(ci95[1])}`,
      ...(empty > 0 ? [`${counted(empty, 'answer')} empty`] : []),
    ].join('\n');
  }, { stops: false });
}

export async function reportOn(command: CommandOf<'report'>): Promise<void> {
  const { report } = await import('@seal/engine/report');
  await perform(command, () => report({ run: command.run }), (document) => `Report: ${document.report}`, { stops: false });
}
