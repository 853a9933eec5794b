/** Ten thousand training steps of a micro model: neither the device's nor the host's memory grows. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { openGpu } from '@seal/device';
import { smallConfig, smallWeights, uniform, watchDevice } from './fixture.ts';
import { initialAdapter, LoraPack } from './adapters/lora.ts';
import { Model } from './model.ts';
import { PROJECTIONS } from './model-config.ts';
import { LoraTrainer } from './training.ts';

const STEPS = 10_000;
const SAMPLE_EVERY = 100;
const STEPS_IN_FLIGHT = 4;

setFlagsFromString('--expose_gc');
const collectGarbage = runInNewContext('gc') as () => void;

interface Sample {
  readonly buffers: number;
  readonly bufferBytes: number;
  readonly hostBytes: number;
  readonly residentBytes: number;
}

it(`keeps its memory over ${STEPS} steps`, { timeout: 900_000 }, async () => {
  const gpu = await openGpu();
  const calls = watchDevice(gpu.device);
  const model = new Model(gpu, { ...smallConfig, numHiddenLayers: 1 });
  model.write(smallWeights(model.config));
  const pack = new LoraPack(gpu.device, model.config, { rank: 4, alpha: 8, targets: PROJECTIONS }, 2);
  const trainer = new LoraTrainer(model, pack, { tokens: 64, steps: 8 });
  trainer.begin([0, 1].map((e) => initialAdapter(pack.layout, 4, uniform(e))));
  const draw = uniform(9);
  const sequence = () => ({ tokens: Array.from({ length: 3 + Math.floor(12 * draw()) }, () => Math.floor(draw() * model.config.vocabSize)) });
  const samples: Sample[] = [];
  for (let step = 1; step <= STEPS; step++) {
    trainer.step([[sequence(), sequence()], [sequence()]], [1e-3, 2e-3]);
    if (step % STEPS_IN_FLIGHT === 0) await gpu.device.queue.onSubmittedWorkDone();
    if (step % SAMPLE_EVERY !== 0) continue;
    const [loss] = (await trainer.losses()).slice(-1);
    expect(loss?.every(Number.isFinite)).toBe(true);
    collectGarbage();
    const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
    samples.push({
      buffers: calls.liveBuffers.size,
      bufferBytes: [...calls.liveBuffers].reduce((sum, { size }) => sum + size, 0),
      hostBytes: heapUsed + external + arrayBuffers,
      residentBytes: rss,
    });
  }
  const early = samples.slice(10, 20);
  const late = samples.slice(-10);
  const mean = (of: readonly Sample[], key: keyof Sample) => of.reduce((sum, sample) => sum + sample[key], 0) / of.length;
  const grownAStep = (key: keyof Sample) => (mean(late, key) - mean(early, key)) / (STEPS - 2_000);
  console.log(
    `${late[0]?.buffers} buffers of ${late[0]?.bufferBytes} bytes; grown a step: ` +
      `${grownAStep('bufferBytes')} device, ${grownAStep('hostBytes').toFixed(1)} host, ${grownAStep('residentBytes').toFixed(0)} resident bytes`,
  );
  expect(new Set(samples.slice(10).map(({ buffers }) => buffers)).size).toBe(1);
  expect(grownAStep('bufferBytes')).toBe(0);
  // One leaked object or closure a step would be 50 bytes and more.
  expect(grownAStep('hostBytes')).toBeLessThan(16);
  trainer.destroy();
  pack.destroy();
  model.destroy();
  gpu.close();
});
