/** Judging answer by answer, for domains in which every task counts by itself. */

import type { Judgement, Task } from './domain.ts';

/** A judgement for every task, in their order; what was not answered is the empty answer. */
export function judgeEach(tasks: readonly Task[], answers: readonly string[], grade: (answer: string, gold: string) => boolean): Judgement[] {
  return tasks.map(({ question, gold, kind }, i) => {
    const answer = answers[i] ?? '';
    return { question, gold, kind, answer, correct: grade(answer, gold) };
  });
}

/** The credit of a judgement, from 0 to 1. */
export function scoreOf({ correct, score }: Pick<Judgement, 'correct' | 'score'>): number {
  return score ?? Number(correct);
}
