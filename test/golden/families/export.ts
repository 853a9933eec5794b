/**
 * Trains adapters of three golden models and writes them as this project exports them, under exported/:
 * `node test/golden/families/export.ts`, then `python test/golden/families/peft-load.py`.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { openGpu } from '@seal/device';
import { adapterFiles, LoraTrainer } from '@seal/model';
import { openFixture, settings } from '../fixture.ts';

const gpu = await openGpu();
for (const name of ['llama-untied', 'qwen2', 'gemma3']) {
  const { model, pack, adapter, segment, layout, lora, expected } = openFixture(gpu, new URL(`${name}/`, import.meta.url));
  const { optimizer } = expected.lora;
  const trainer = new LoraTrainer(model, pack, { tokens: 48, steps: optimizer.steps }, settings(optimizer));
  trainer.begin([adapter]);
  for (let step = 0; step < optimizer.steps; step++) trainer.step([segment], [optimizer.learningRate]);
  const [trained] = await pack.read(1);
  const folder = new URL(`exported/${name}/`, import.meta.url);
  mkdirSync(folder, { recursive: true });
  for (const [file, bytes] of Object.entries(adapterFiles(layout, lora, trained, name))) writeFileSync(new URL(file, folder), bytes);
}
gpu.close();
