/** Passages that a user wrote, as contexts that the tiny model can read. */

import { parsePassages, type Context } from '@seal/domains';
import { readableContexts, tinyDomain } from '@seal/tiny';
import { QUESTION_TOKENS, type Codec } from '@seal/trainer';
import { EXIT, Failure, orExit } from './failure.ts';
import { readText } from './files.ts';

/** Reads a passages file, or ends with exit code 3 and a message that names file, place and remedy. */
export async function readPassages(path: string): Promise<Context[]> {
  const text = readText(path, EXIT.data);
  return orExit(EXIT.data, () => readableContexts(parsePassages(text, path), path));
}

/** A question must leave room for its answer: ends with exit code 3 where one does not. */
export function checkQuestions(codec: Codec, contexts: readonly Context[], place: string): void {
  contexts.forEach((context, item) =>
    tinyDomain.tasks(context).forEach(({ prompt }, number) => {
      const { length } = codec.prompt(prompt);
      if (length < QUESTION_TOKENS) return;
      const problem = `it is ${length} tokens long, at most ${QUESTION_TOKENS - 1} fit`;
      throw new Failure(EXIT.data, `Cannot ask ${place}: item ${item}, questions[${number}]: ${problem}; shorten it`);
    }),
  );
}
