import { expect, it } from 'vitest';
import { endedWith, endsOf } from './ends.ts';

it.each([
  [5, 7, [3, 4], [5, 3, 4, 7]],
  [null, null, [3], [3]],
  [3, 4, [3, 4], [3, 4]],
  [null, null, [], []],
])('the ends of a tokenizer that ends in %s, a template in %s and files in %j are %j', (eosTokenId, endOfTurn, configured, ends) => {
  expect(endsOf({ eosTokenId, chat: { endOfTurn } }, configured)).toEqual(ends);
});

it('puts no end behind an end, whichever of them it is', () => {
  expect(endedWith([1, 2], [5, 3])).toEqual([1, 2, 5]);
  expect(endedWith([1, 3], [5, 3])).toEqual([1, 3]);
  expect(endedWith([], [5])).toEqual([5]);
});
