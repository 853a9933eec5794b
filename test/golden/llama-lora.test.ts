/** Our model against transformers and PEFT in float64: logits, losses, gradients and AdamW trajectories. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { FullTrainer, LoraTrainer } from '@seal/model';
import { openFixture, relativeL2, scoreLogits, settings } from './fixture.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

const open = (variant: '' | 'untied/') => openFixture(gpu, new URL(`llama-lora/${variant}`, import.meta.url));

describe.each(['', 'untied/'] as const)('llama-lora/%s', (variant) => {
  it('has the logits of transformers and PEFT', async () => {
    const { model, pack, segment, tensor, has } = open(variant);
    const adapted = await scoreLogits(model, pack, [segment]);
    adapted.forEach((logits, i) => expect(relativeL2(logits, tensor(`lora.logits.${i}`))).toBeLessThanOrEqual(1e-5));
    if (!has('base.logits.0')) return;
    const base = await scoreLogits(model, null, [segment]);
    base.forEach((logits, i) => {
      expect(relativeL2(logits, tensor(`base.logits.${i}`))).toBeLessThanOrEqual(1e-5);
      expect(relativeL2(logits, tensor(`lora.logits.${i}`))).toBeGreaterThan(1e-3);
    });
  });

  it('has the loss and every LoRA gradient', async () => {
    const { model, pack, segment, expected, adapterErrors } = open(variant);
    const trainer = new LoraTrainer(model, pack, { tokens: 64, steps: 1 });
    trainer.step([segment], [null]);
    const [losses] = await trainer.losses();
    expect(Math.abs(losses![0]! / expected.lora.loss - 1)).toBeLessThanOrEqual(1e-5);
    const [gradient] = await pack.readGradients();
    for (const { name, error } of adapterErrors('lora.grad.', gradient!)) expect(error, name).toBeLessThanOrEqual(1e-4);
  });
});

describe('trajectories', () => {
  it('follows ten AdamW steps of the adapters', async () => {
    const { model, pack, segment, expected, adapter, adapterErrors } = open('');
    const { optimizer, losses } = expected.lora;
    const trainer = new LoraTrainer(model, pack, { tokens: 64, steps: optimizer.steps }, settings(optimizer));
    trainer.begin([adapter]);
    for (let step = 0; step < optimizer.steps; step++) trainer.step([segment], [optimizer.learningRate]);
    const measured = (await trainer.losses()).map((row) => row[0]!);
    expect(relativeL2(measured, losses)).toBeLessThanOrEqual(1e-5);
    const [after] = await pack.read(1);
    for (const { name, error } of adapterErrors('lora.after.', after!)) expect(error, name).toBeLessThanOrEqual(1e-4);
  });

  it('follows three AdamW steps of all weights', async () => {
    const { model, segment, expected, weightErrors } = open('');
    const { optimizer, losses, rowStride } = expected.full!;
    const trainer = new FullTrainer(model, { tokens: 40, steps: optimizer.steps }, settings(optimizer));
    trainer.step(segment, optimizer.learningRate);
    const gradients = weightErrors('full.grad', await trainer.gradients(), rowStride);
    for (const { name, error } of gradients) expect(error, name).toBeLessThanOrEqual(1e-4);
    for (let step = 1; step < optimizer.steps; step++) trainer.step(segment, optimizer.learningRate);
    expect(relativeL2(await trainer.losses(), losses)).toBeLessThanOrEqual(1e-5);
    for (const { name, error } of weightErrors('full.after', await model.read(), rowStride)) {
      expect(error, name).toBeLessThanOrEqual(1e-4);
    }
  });
});
