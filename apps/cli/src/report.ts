/** `seal report`, and the report that every run ends with. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJson, writeWhole } from '@seal/files/node';
import { Problem, problemsAs, problemsOf } from '@seal/files';
import { renderReport } from '@seal/report';
import { parseContexts, readRun, resultDocumentSchema } from '@seal/runs';
import type { CommandOf } from './options.ts';
import { print } from './terminal.ts';

/** Writes `report.html` from the records of a finished run. */
export async function writeReport(dir: string): Promise<string> {
  const records = await readRun(dir);
  if (!existsSync(join(dir, 'result.json'))) {
    throw new Problem('data', `Cannot report on ${dir}: the run is not finished; go on with: npm run -s seal -- run --resume ${dir}`);
  }
  const place = join(dir, 'result.json');
  const result = resultDocumentSchema(readJson(place, 'data'));
  if (!('rows' in result)) throw new Problem('data', `Cannot read ${place}: ${problemsOf(result)}`);
  const kept = join(dir, 'contexts.json');
  const contexts = parseContexts(readJson(kept, 'data'), kept);
  const path = join(dir, 'report.html');
  const asked = contexts.map(({ id, title, text, questions }) => ({
    id,
    title,
    text,
    questions: questions.map(({ answer, ...question }) => ({ ...question, gold: answer })),
  }));
  writeWhole(path, renderReport({ ...records, result, contexts: asked }));
  return path;
}

export async function report(command: CommandOf<'report'>): Promise<void> {
  const path = await problemsAs('data', () => writeReport(command.run));
  print(command.json ? JSON.stringify({ report: path }) : `Report: ${path}`);
}
