/** What one can say to the tiny model. */

import { vocabularyByRole } from '@seal/tiny';

/** The words that the tiny model knows, by role. */
export async function words(): Promise<ReturnType<typeof vocabularyByRole>> {
  return vocabularyByRole();
}
