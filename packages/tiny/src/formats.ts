/** How texts become documents and prompts: the same functions write the pretraining corpus and ask at run time. */

import { MARKERS } from './lexicon.ts';

/** What a self-edit is asked for with: a passage, then the marker. */
export function editPrompt(passage: string): string {
  return `${passage} ${MARKERS.edit}`;
}

/** What an answer is asked for with, behind a passage where it may be read. */
export function questionPrompt(question: string, passage?: string): string {
  const asked = `${MARKERS.question} ${question} ${MARKERS.answer}`;
  return passage === undefined ? asked : `${passage} ${asked}`;
}
