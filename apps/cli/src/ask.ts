/** `seal ask`: one question, answered without any passage. */

import { tinyDomain, unknownWords } from '@seal/tiny';
import { answerTasks } from './answering.ts';
import { EXIT, Failure } from './failure.ts';
import { writeWhole } from './files.ts';
import type { CommandOf } from './options.ts';
import { openSession } from './session.ts';
import { print } from './terminal.ts';

export async function ask({ question, model, adapter, temperature, seed, out, json }: CommandOf<'ask'>): Promise<void> {
  const [unknown] = unknownWords(question);
  if (unknown) {
    throw new Failure(
      EXIT.data,
      `Cannot ask ${JSON.stringify(question)}: ${JSON.stringify(unknown.word)}, word ${unknown.index + 1}, is not in the ` +
        'vocabulary; npm run -s seal -- words lists it',
    );
  }
  if (question.trim() === '') throw new Failure(EXIT.data, 'Cannot ask nothing: write a question, such as "who plays the cymbal ?"');
  const tasks = tinyDomain.tasks({ id: 'question', title: '', text: '', questions: [{ question, answer: '', kind: 'question' }] });
  const session = await openSession(model);
  try {
    const { answers, adapterDigest } = await answerTasks(session, adapter, tasks, { temperature, seed });
    const answer = answers[0] ?? '';
    const document = JSON.stringify({ question, answer, adapterDigest });
    if (out !== undefined) writeWhole(out, `${document}\n`);
    print(json ? document : answer);
  } finally {
    session.close();
  }
}
