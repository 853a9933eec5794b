/** `seal eval`: the questions of a passages file, the passages out of sight. */

import { writeWhole } from '@seal/files/node';
import { stream } from '@seal/files';
import { bootstrapMean, mean, presets } from '@seal/trainer';
import { openAdapter } from './adapters.ts';
import { answerTasks } from './answering.ts';
import type { CommandOf } from './options.ts';
import { openCheckpoint, openSession, SHIPPED_MODEL } from './session.ts';
import { subjectOf } from './subject.ts';
import { counted, print } from './terminal.ts';

export async function evaluate(command: CommandOf<'eval'>): Promise<void> {
  const { model = SHIPPED_MODEL } = command;
  const checkpoint = await openCheckpoint(model);
  const subject = await subjectOf(checkpoint, model, command);
  const { domain } = subject;
  const { contexts } = await subject.read(command.passages, presets[subject.preset]);
  const tasks = contexts.flatMap((context) => domain.tasks(context).map((task) => ({ task, context })));
  const adapter = command.adapter === undefined ? null : await openAdapter(command.adapter, { name: model, config: checkpoint.config });
  const session = await openSession(model, checkpoint, command);
  try {
    const { answers, adapterDigest } = await answerTasks(session, subject, adapter, tasks.map(({ task }) => task));
    const judged = tasks.map(({ task, context }, i) => {
      const answer = answers[i] ?? '';
      return { contextId: context.id, question: task.question, kind: task.kind, gold: task.gold, answer, correct: domain.grade(answer, task.gold) };
    });
    const byContext = [...Map.groupBy(judged, ({ contextId }) => contextId).values()];
    const scores = byContext.map((own) => mean(own.map(({ correct }) => Number(correct))));
    const { mean: accuracy, ci95 } = bootstrapMean([scores], stream(command.seed, 'bootstrap'));
    const document = { accuracy, ci95, contexts: contexts.length, questions: judged.length, repeats: 1, adapterDigest, answers: judged };
    const json = JSON.stringify(document);
    if (command.out !== undefined) writeWhole(command.out, `${json}\n`);
    if (command.json) return print(json);
    const lines = judged.map(({ correct, question, answer, gold }) => `${correct ? 'right' : 'wrong'}  ${question}  ${answer || '(nothing)'}${correct ? '' : `  (${gold})`}`);
    const empty = judged.filter(({ answer }) => answer === '').length;
    const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
    print([
      ...lines,
      `${percent(accuracy)} of ${counted(judged.length, 'question')} on ${counted(contexts.length, 'passage')}, ` +
        `95 % interval ${percent(ci95[0])} to ${percent(ci95[1])}`,
      ...(empty > 0 ? [`${counted(empty, 'answer')} empty`] : []),
    ].join('\n'));
  } finally {
    session.close();
  }
}
