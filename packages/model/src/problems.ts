/** What a schema found wrong, on one line. */

import type { ArkError, type } from 'arktype';

/** `a must be a string (was 1); b.c is not a known key`. `unknownKey` may say more of a key that should not be there. */
export function problemsOf(
  errors: type.errors,
  unknownKey: (error: ArkError) => string = ({ propString }) => `${propString} is not a known key`,
): string {
  return [...errors].map((error) => (error.problem === 'must be removed' ? unknownKey(error) : oneLine(error.message))).join('; ');
}

/** arktype lists several demands on one value in lines that begin with a ring. */
function oneLine(message: string): string {
  return message
    .replace(/\.\.\.\s*◦\s*/, ' ')
    .replaceAll(/\s*◦\s*/g, ' and ')
    .replaceAll(/\s*\n\s*/g, ' ');
}
