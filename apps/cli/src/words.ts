/** `seal words`: what one can say to the tiny model. */

import { vocabularyByRole } from '@seal/tiny';
import type { CommandOf } from './options.ts';
import { print } from './terminal.ts';

export async function words(command: CommandOf<'words'>): Promise<void> {
  const roles = vocabularyByRole();
  if (command.json) return print(JSON.stringify(roles));
  print(Object.values(roles).map(({ role, words: own }) => `${role}\n  ${own.join(', ')}`).join('\n\n'));
}
