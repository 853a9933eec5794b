/** `seal ask`: one question, answered without any passage. */

import { writeWhole } from '@seal/files/node';
import { Problem } from '@seal/files';
import { unknownWords } from '@seal/tiny';
import { presets } from '@seal/trainer';
import { openAdapter } from './adapters.ts';
import { answerTasks } from './answering.ts';
import type { CommandOf } from './options.ts';
import { openCheckpoint, openSession, SHIPPED_MODEL } from './session.ts';
import { subjectOf, type Subject } from './subject.ts';
import { print } from './terminal.ts';

export async function ask(command: CommandOf<'ask'>): Promise<void> {
  const { question, model = SHIPPED_MODEL, adapter, topic, temperature, seed, out, json } = command;
  const checkpoint = await openCheckpoint(model);
  const subject = await subjectOf(checkpoint, model, command);
  checkQuestion(subject, question, topic);
  const context = { id: 'question', title: topic ?? '', text: '', questions: [{ question, answer: '', kind: 'question' }] };
  const tasks = subject.domain.tasks(context);
  const most = subject.lengths(presets[subject.preset]).question;
  for (const { prompt } of tasks) {
    const { length } = subject.codec.prompt(prompt);
    if (length > most) throw new Problem('data', `Cannot ask a question of ${length} tokens: at most ${most} fit; shorten it`);
  }
  const opened = adapter === undefined ? null : await openAdapter(adapter, { name: model, config: checkpoint.config });
  const session = await openSession(model, checkpoint, command);
  try {
    const { answers, adapterDigest } = await answerTasks(session, subject, opened, tasks, { temperature, seed });
    const answer = answers[0] ?? '';
    const document = JSON.stringify({ question, answer, adapterDigest });
    if (out !== undefined) writeWhole(out, `${document}\n`);
    print(json ? document : answer);
  } finally {
    session.close();
  }
}

function checkQuestion({ preset }: Subject, question: string, topic: string | undefined): void {
  if (preset === 'tiny') {
    if (topic !== undefined) throw new Problem('usage', 'Cannot use --topic with the tiny model: its questions name whom they are about');
    const [unknown] = unknownWords(question);
    if (unknown) {
      throw new Problem('data',
        `Cannot ask ${JSON.stringify(question)}: ${JSON.stringify(unknown.word)}, word ${unknown.index + 1}, is not in the ` +
          'vocabulary; npm run -s seal -- words lists it',
      );
    }
  }
  if (question.trim() === '') throw new Problem('data', 'Cannot ask nothing: write a question, such as "who plays the cymbal ?"');
}
