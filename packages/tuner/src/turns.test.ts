import { expect, test } from 'vitest';
import { speedOver, takeTurns, type Contestant } from './turns.ts';

test('takes the ratio of each turn and their median', async () => {
  const scripted = (name: string, times: readonly number[]): Contestant => {
    // The first three runs estimate.
    const rest = [20, 20, 20, ...times];
    return { name, run: () => Promise.resolve({ wallMs: rest.shift() ?? NaN, gpuMs: null }) };
  };
  const [ours, theirs] = await takeTurns([scripted('ours', [10, 20, 40, 10, 10]), scripted('theirs', [20, 40, 80, 50, 1])], 5);
  // Turn by turn 2, 2, 2, 5 and 0.1; the medians, 10 and 40 ms, would say 4.
  expect(ours && theirs && speedOver(ours, theirs)).toBe(2);
});
