/** Ten thousand damaged tokenizers and as many templates. */

import { expect, it } from 'vitest';
import { fuzzTemplates, fuzzTokenizers } from './tokenizers.ts';

it.each([
  ['tokenizers', fuzzTokenizers],
  ['chat templates', fuzzTemplates],
])('10,000 damaged %s are refused by name or load', { timeout: 600_000 }, async (_, fuzz) => {
  const { loaded, refused } = await fuzz(10_000);
  expect(loaded + refused).toBe(10_000);
  expect(Math.min(loaded, refused)).toBeGreaterThan(500);
});
