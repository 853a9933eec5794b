/** The questions of a file of contexts, the contexts out of sight. */

import { Problem, stream } from '@seal/files';
import { scoreOf, type Judgement } from '@seal/domains';
import { counted } from '@seal/report/text';
import { bootstrapMean, lengthsOf, mean } from '@seal/trainer';
import { type } from 'arktype';
import { ANSWERING, answerTasks } from './answering.ts';
import type { Deps } from './deps.ts';
import { note, type Hooks } from './events.ts';
import { builtInPresets } from './presets/list.ts';
import { fitted, presetFor } from './presets/preset.ts';
import { checkRequest, CONFIGURED, LOADING, SEED, WORDING, type RequestOf } from './request.ts';
import { openAdapter, openCheckpoint, openSession } from './session.ts';
import { configFor } from './settings.ts';

const schema = type({
  ...LOADING,
  ...CONFIGURED,
  ...WORDING,
  passages: 'string',
  /** Adapter directory. */
  'adapter?': 'string',
  /** Draws the resamples of the interval. */
  'seed?': SEED,
});

/** Its preset is `tiny` where no model is named, else `squad`, unless given. */
export type EvaluateRequest = RequestOf<typeof schema>;

export interface EvaluateDocument {
  readonly accuracy: number;
  readonly ci95: readonly [low: number, high: number];
  readonly contexts: number;
  readonly questions: number;
  readonly repeats: 1;
  readonly adapterDigest: string | null;
  readonly answers: readonly (Judgement & { readonly contextId: string })[];
}

/** Asks, judges, and gives the mean score with its interval over contexts. */
export async function evaluate(request: EvaluateRequest, deps: Deps, hooks: Hooks = {}): Promise<EvaluateDocument> {
  const { model, passages, template, chat, seed = 0 } = checkRequest(schema, request);
  const { preset } = presetFor(deps.presets ?? builtInPresets, request);
  const checkpoint = await openCheckpoint(model, deps);
  const subject = await preset.open(checkpoint, { model, mode: 'corrected', template, chat });
  const { domain } = subject;
  const config = await configFor(preset, request, 'asking', ANSWERING);
  const lengths = lengthsOf(config, checkpoint.config.maxPositionEmbeddings, subject.promptTokens);
  const all = await subject.read(passages);
  const gradable = all.filter((context) => domain.tasks(context).length > 0);
  const unasked = all.length - gradable.length;
  if (gradable.length === 0) throw new Problem('data', `Cannot evaluate on ${passages}: no passage in it has a question; add questions`, { place: passages });
  if (unasked > 0) note(hooks, `${counted(unasked, 'passage')} of ${all.length} left out: without a question there is nothing to grade`);
  const read = await fitted(subject, lengths, gradable, passages);
  if (read.leftOut > 0 && read.shortened !== null) note(hooks, read.shortened);
  const asked = read.contexts.map((context) => ({ context, tasks: domain.tasks(context) }));
  const adapter = request.adapter === undefined ? null : await openAdapter(request.adapter, { name: model, config: checkpoint.config }, hooks);
  const session = await openSession(checkpoint, deps, request, hooks);
  try {
    const { answers, adapterDigest } = await answerTasks(session, subject, config, adapter, asked.flatMap(({ tasks }) => tasks), {}, hooks);
    let next = 0;
    const judged = asked.map(({ context, tasks }) => {
      const own = answers.slice(next, (next += tasks.length));
      return domain.judge(context, own).map((judgement) => ({ contextId: context.id, ...judgement }));
    });
    const scores = judged.map((own) => mean(own.map(scoreOf)));
    const { mean: accuracy, ci95 } = bootstrapMean([scores], stream(seed, 'bootstrap'));
    const answered = judged.flat();
    return { accuracy, ci95, contexts: read.contexts.length, questions: answered.length, repeats: 1, adapterDigest, answers: answered };
  } finally {
    session.close();
  }
}
