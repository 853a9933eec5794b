/** `kill -9` at several moments of one run: it goes on each time and ends as the run that was never killed. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { contents } from '../loop/records.ts';
import { seal } from './seal.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-killed-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const at = (name: string) => join(base, name);

const config = {
  inner: { steps: 12, packSize: 2, contextsPerAdapter: 2 },
  outer: { rounds: 2, contexts: 4, samples: 2, maxSelfEditTokens: 48, sft: { epochs: 2 } },
  evaluation: { contexts: 4, repeats: 2 },
};
writeFileSync(at('config.json'), JSON.stringify(config));

it('repeats no finished reward and gives the same records and table', { timeout: 300_000 }, async () => {
  const whole = await seal(['run', '--config', at('config.json'), '--out', at('whole'), '--json']);
  expect(whole).toMatchObject({ code: 0 });
  const dir = at('killed');
  const started: string[] = ['run', '--config', at('config.json'), '--out', dir];
  const finished: number[] = [];
  for (const moment of ['round 1: adaptation |', 'round 1: fine-tuning |', 'round 2: adaptation |', 'evaluation |']) {
    const args = finished.length === 0 ? started : ['run', '--resume', dir];
    const ended = await seal(args, {
      onStderr(soFar, child) {
        // A little later than it says, so that something is half done.
        if (soFar.includes(moment)) setTimeout(() => child.kill('SIGKILL'), 150);
      },
    });
    expect(ended, moment).toMatchObject({ signal: 'SIGKILL', stdout: '' });
    finished.push(contents(dir)['rewards']?.length ?? 0);
  }
  expect(finished).toEqual(finished.toSorted((a, b) => a - b));
  const total = contents(at('whole'))['rewards']?.length ?? 0;
  expect(finished.at(-1)).toBeLessThan(total);

  const ended = await seal(['run', '--resume', dir, '--json']);
  expect(ended).toMatchObject({ code: 0 });
  const table = (stdout: string) => {
    const { rows, comparisons } = JSON.parse(stdout) as { rows: object[]; comparisons: object[] };
    return { rows, comparisons };
  };
  expect(table(ended.stdout)).toEqual(table(whole.stdout));
  expect(contents(dir)).toEqual(contents(at('whole')));
  expect(readFileSync(join(dir, 'events.jsonl'), 'utf8')).toContain('"type":"lock-taken-over"');
});
