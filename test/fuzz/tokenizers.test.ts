/** Some hundred damaged tokenizers and templates; `tokenizers.full.test.ts` reads ten thousand. */

import { expect, it } from 'vitest';
import { fuzzTemplates, fuzzTokenizers } from './tokenizers.ts';

it.each([
  ['tokenizers', fuzzTokenizers, 400],
  ['chat templates', fuzzTemplates, 400],
])('damaged %s are refused by name or load', async (_, fuzz, count) => {
  const { loaded, refused } = await fuzz(count);
  expect(loaded).toBeGreaterThan(count / 20);
  expect(refused).toBeGreaterThan(count / 20);
});
