/** What a schema found wrong, on one line of bounded length. */

import type { ArkError, type } from 'arktype';

const MOST_PROBLEMS = 8;
const MOST_CHARACTERS = 300;

/** `a must be a string (was 1); b.c is not a known key`. `unknownKey` may say more of a key that should not be there. */
export function problemsOf(
  errors: type.errors,
  unknownKey: (error: ArkError) => string = ({ propString }) => `${propString} is not a known key`,
): string {
  const problems = [...errors].slice(0, MOST_PROBLEMS).map((error) => {
    return brief(error.problem === 'must be removed' ? unknownKey(error) : oneLine(error.message));
  });
  const more = errors.length - problems.length;
  return more > 0 ? `${problems.join('; ')}; and ${more} more` : problems.join('; ');
}

/** Text from a file as it may stand in a message: a damaged file may hold any amount of it. */
export function brief(text: string): string {
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS)}... (${text.length} characters)`;
}

/** A value from a file as it may stand in a message. */
export function quoted(value: unknown): string {
  return brief(JSON.stringify(value) ?? 'undefined');
}

/** arktype lists several demands on one value in lines that begin with a ring. */
function oneLine(message: string): string {
  return message
    .replace(/\.\.\.\s*◦\s*/, ' ')
    .replaceAll(/\s*◦\s*/g, ' and ')
    .replaceAll(/\s*\n\s*/g, ' ');
}
