/** `seal report`, and the report that every run ends with. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJson, writeWhole } from '@seal/files/node';
import { Problem, problemsAs, problemsOf } from '@seal/files';
import { type } from 'arktype';
import { renderReport } from '@seal/report';
import { readRun, resultDocumentSchema } from '@seal/runs';
import type { Context } from '@seal/domains';
import type { CommandOf } from './options.ts';
import { print } from './terminal.ts';

const contextsSchema = type({
  id: 'string > 0',
  title: 'string',
  text: 'string',
  questions: type({ question: 'string', answer: 'string', kind: 'string' }).onUndeclaredKey('reject').array(),
})
  .onUndeclaredKey('reject')
  .array();

/** The contexts that a run keeps, or exit code 3. */
export function readContexts(path: string): Context[] {
  const contexts = contextsSchema(readJson(path, 'data'));
  if (contexts instanceof type.errors) throw new Problem('data', `Cannot read ${path}: ${problemsOf(contexts)}`);
  return contexts;
}

/** Writes `report.html` from the records of a finished run. */
export function writeReport(dir: string): string {
  const records = readRun(dir);
  if (!existsSync(join(dir, 'result.json'))) {
    throw new Problem('data', `Cannot report on ${dir}: the run is not finished; go on with: npm run -s seal -- run --resume ${dir}`);
  }
  const place = join(dir, 'result.json');
  const result = resultDocumentSchema(readJson(place, 'data'));
  if (!('rows' in result)) throw new Problem('data', `Cannot read ${place}: ${problemsOf(result)}`);
  const contexts = readContexts(join(dir, 'contexts.json'));
  const path = join(dir, 'report.html');
  const asked = contexts.map(({ questions, ...context }) => ({
    ...context,
    questions: questions.map(({ answer, ...question }) => ({ ...question, gold: answer })),
  }));
  writeWhole(path, renderReport({ ...records, result, contexts: asked }));
  return path;
}

export async function report(command: CommandOf<'report'>): Promise<void> {
  const path = await problemsAs('data', () => writeReport(command.run));
  print(command.json ? JSON.stringify({ report: path }) : `Report: ${path}`);
}
