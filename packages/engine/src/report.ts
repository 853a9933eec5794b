/** A run's `report.html`, from its records. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Problem, problemsAs, problemsOf } from '@seal/files';
import { readJson, writeWhole } from '@seal/files/node';
import { renderReport } from '@seal/report';
import { parseContexts, readRun, resultDocumentSchema } from '@seal/runs';
import { type } from 'arktype';
import { checkRequest, type RequestOf } from './request.ts';

const schema = type({
  /** Directory of a finished run. */
  run: 'string',
});

export type ReportRequest = RequestOf<typeof schema>;

/** Writes `report.html` beside the records. Throws a problem of kind `data` where the run is not finished or damaged. */
export async function report(request: ReportRequest): Promise<{ readonly report: string }> {
  const { run: dir } = checkRequest(schema, request);
  return problemsAs('data', async () => {
    const records = await readRun(dir);
    const place = join(dir, 'result.json');
    if (!existsSync(place)) {
      throw new Problem('data', `Cannot report on ${dir}: the run is not finished`, { place: dir, verb: ['run', dir] });
    }
    const result = resultDocumentSchema(readJson(place, 'data'));
    if (!('rows' in result)) throw new Problem('data', `Cannot read ${place}: ${problemsOf(result)}`, { place });
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
    return { report: path };
  });
}
