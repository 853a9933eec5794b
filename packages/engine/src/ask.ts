/** One question, answered without any context. */

import { Problem, problemsAs } from '@seal/files';
import { lengthsOf } from '@seal/trainer';
import { type } from 'arktype';
import { ANSWERING, answerTasks } from './answering.ts';
import type { Deps } from './deps.ts';
import type { Hooks } from './events.ts';
import { builtInPresets } from './presets/list.ts';
import { presetFor } from './presets/preset.ts';
import { checkRequest, CONFIGURED, LOADING, SEED, WORDING, type RequestOf } from './request.ts';
import { openAdapter, openCheckpoint, openSession } from './session.ts';
import { configFor } from './settings.ts';

const schema = type({
  ...LOADING,
  ...CONFIGURED,
  ...WORDING,
  question: 'string',
  /** Adapter directory. */
  'adapter?': 'string',
  /** What the question is about, as a title of a context says it. */
  'topic?': 'string',
  /** 0, the most likely answer, unless given. */
  'temperature?': '0 <= number <= 100',
  'seed?': SEED,
});

/** Its preset is `tiny` where no model is named, else `squad`, unless given. */
export type AskRequest = RequestOf<typeof schema>;

export interface AskDocument {
  readonly question: string;
  readonly answer: string;
  readonly adapterDigest: string | null;
}

export async function ask(request: AskRequest, deps: Deps, hooks: Hooks = {}): Promise<AskDocument> {
  const { question, model, adapter, topic, temperature, seed, template, chat } = checkRequest(schema, request);
  const { name, preset } = presetFor(deps.presets ?? builtInPresets, request);
  const checkpoint = await openCheckpoint(model, deps);
  const subject = await preset.open(checkpoint, { model, mode: 'corrected', template, chat });
  const config = await configFor(preset, request, 'asking', ANSWERING);
  const context = subject.domain.question?.(question, topic);
  if (!context) throw new Problem('usage', `Cannot ask a question with the preset ${name}: its domain takes none from outside`);
  const tasks = subject.domain.tasks(context);
  const most = lengthsOf(config, checkpoint.config.maxPositionEmbeddings, subject.promptTokens).question;
  for (const { prompt } of tasks) {
    const { length } = await problemsAs('usage', () => subject.codec.prompt(prompt));
    if (length > most) throw new Problem('data', `Cannot ask a question of ${length} tokens: at most ${most} fit; shorten it`);
  }
  const opened = adapter === undefined ? null : await openAdapter(adapter, { name: model, config: checkpoint.config }, hooks);
  const session = await openSession(checkpoint, deps, request, hooks);
  try {
    const { answers, adapterDigest } = await answerTasks(session, subject, config, opened, tasks, { temperature, seed }, hooks);
    const [judged] = subject.domain.judge(context, answers);
    return { question, answer: judged?.answer ?? answers[0] ?? '', adapterDigest };
  } finally {
    session.close();
  }
}
