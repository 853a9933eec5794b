/** A run whose executor is killed, and one whose executor loses its device: both end as an undisturbed run does, record for record. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu } from '@seal/device';
import { openWorkerExecutor, run, type Deps, type EngineEvent } from '@seal/engine';
import { readRun } from '@seal/runs';
import { contents } from './records.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-lost-executor-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const config = {
  inner: { steps: 6, contextsPerAdapter: 1, packSize: 2, tokensPerStep: 1_024 },
  outer: { rounds: 1, contexts: 2, samples: 2, maxSelfEditTokens: 24, sft: { epochs: 1 } },
  evaluation: { contexts: 2, randomSelection: false, oracle: false },
};

/** What the test reaches of a worker executor. */
interface Struck {
  readonly pid: number | undefined;
  dropDevice(): void;
}

/** Runs to the end; `strike` is called once, when `when` is told of. Gives the notes that were told. */
async function complete(name: string, when: (event: EngineEvent) => boolean, strike: (executor: Struck) => void): Promise<string[]> {
  let executor: Struck | null = null;
  const deps: Deps = {
    openGpu: () => openGpu(),
    hub: { cacheDirectory: join(base, 'hub') },
    version: { package: '0' },
    totalMemory: totalmem(),
    now: () => new Date(0),
    async openExecutor(...asked) {
      const opened = await openWorkerExecutor(...asked);
      executor = opened.executor as unknown as Struck;
      return opened;
    },
  };
  const notes: string[] = [];
  let isStruck = false;
  await run({ config, seeds: [4], out: join(base, name) }, deps, {
    onEvent(event) {
      if (event.type === 'note') notes.push(event.message);
      if (isStruck || !executor || !when(event)) return;
      isStruck = true;
      strike(executor);
    },
  });
  return notes.filter((note) => note.includes('was lost'));
}

const during = (stage: string) => (event: EngineEvent) => event.type === 'run' && event.progress.stage === stage && event.progress.underWay !== null;

beforeAll(async () => {
  expect(await complete('whole', () => false, () => {})).toEqual([]);
}, 120_000);

it.each<[string, string, (executor: Struck) => void]>([
  ['is killed', 'adaptation', ({ pid = 0 }) => process.kill(pid, 'SIGKILL')],
  ['loses its device', 'evaluation', (executor) => executor.dropDevice()],
])('an executor that %s during the %s leaves no trace in the records', async (how, stage, strike) => {
  const name = `${how}-${stage}`.replaceAll(' ', '-');
  expect(await complete(name, during(stage), strike)).toHaveLength(1);
  expect(contents(join(base, name))).toEqual(contents(join(base, 'whole')));
  // Nothing was recorded twice.
  const { rewards, answers } = await readRun(join(base, name));
  expect(new Set(rewards.map(({ key }) => key)).size).toBe(rewards.length);
  expect(answers).toHaveLength(rewards.reduce((sum, { questions }) => sum + questions, 0));
}, 120_000);
