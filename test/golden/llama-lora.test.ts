/** Our model against transformers and PEFT in float64: logits, losses, gradients and AdamW trajectories. */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import {
  FullTrainer,
  LoraPack,
  loraLayout,
  LoraTrainer,
  Model,
  parseAdapterFile,
  parseConfig,
  parseSafetensors,
  PROJECTIONS,
  scoreLogits,
  toFloat32,
  type Segment,
} from '@seal/model';

interface Optimiser {
  readonly steps: number;
  readonly learningRate: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weightDecay: number;
  readonly maxGradientNorm: number;
}
interface Expected {
  readonly rank: number;
  readonly alpha: number;
  readonly sequences: readonly { readonly tokens: number[]; readonly mask: number[] }[];
  readonly lora: { readonly loss: number; readonly optimizer: Optimiser; readonly losses: number[] };
  readonly full: { readonly optimizer: Optimiser; readonly losses: number[]; readonly rowStride: number };
}

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

function relativeL2(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  return Math.sqrt(difference / norm);
}

/** Opens one of the two fixtures. */
function open(variant: '' | 'untied/') {
  const path = (name: string) => new URL(`llama-lora/${variant}${name}`, import.meta.url);
  const json = (name: string): unknown => JSON.parse(readFileSync(path(name), 'utf8'));
  const tensors = (name: string) => {
    const parsed = parseSafetensors(readFileSync(path(name)), name);
    return new Map([...parsed].map(([key, tensor]) => [key, toFloat32(tensor, key)]));
  };
  const expected = json('expected.json') as Expected;
  const model = new Model(gpu, parseConfig(json('config.json'), 'config.json'));
  model.write(tensors('model.safetensors'));
  const lora = { rank: expected.rank, alpha: expected.alpha, targets: PROJECTIONS };
  const layout = loraLayout(model.config, lora);
  const pack = new LoraPack(gpu.device, model.config, lora, 1);
  const adapter = parseAdapterFile(readFileSync(path('lora-initial.safetensors')), layout, lora.rank, 'lora-initial');
  pack.write(0, adapter);
  const segment: Segment = expected.sequences.map(({ tokens, mask }) => ({ tokens, targetWeights: mask }));
  const wanted = tensors('expected.safetensors');
  const adapterTensors = (prefix: string, values: Float32Array) =>
    layout.places.flatMap((place) =>
      (['A', 'B'] as const).map((matrix) => {
        const name = `${prefix}base_model.model.model.layers.${place.layer}.${place.projection}.lora_${matrix}.weight`;
        const want = wanted.get(name) as Float32Array;
        const { rank } = lora;
        const got =
          matrix === 'A'
            ? values.slice(place.offsetA, place.offsetA + rank * place.inner)
            : Float32Array.from(want, (_, i) => values[place.offsetB + (i % rank) * place.out + Math.floor(i / rank)]);
        return { name, error: relativeL2(got, want) };
      }),
    );
  return { expected, model, lora, layout, pack, adapter, segment, wanted, adapterTensors };
}

describe.each(['', 'untied/'] as const)('llama-lora/%s', (variant) => {
  it('has the logits of transformers and PEFT', async () => {
    const { model, pack, segment, wanted } = open(variant);
    const adapted = await scoreLogits(model, pack, [segment]);
    adapted.forEach((logits, i) => {
      expect(relativeL2(logits, wanted.get(`lora.logits.${i}`) as Float32Array)).toBeLessThanOrEqual(1e-5);
    });
    if (!wanted.has('base.logits.0')) return;
    const base = await scoreLogits(model, null, [segment]);
    base.forEach((logits, i) => {
      expect(relativeL2(logits, wanted.get(`base.logits.${i}`) as Float32Array)).toBeLessThanOrEqual(1e-5);
      expect(relativeL2(logits, wanted.get(`lora.logits.${i}`) as Float32Array)).toBeGreaterThan(1e-3);
    });
  });

  it('has the loss and every LoRA gradient', async () => {
    const { model, pack, segment, expected, adapterTensors } = open(variant);
    const trainer = new LoraTrainer(model, pack, { tokens: 64, steps: 1 });
    trainer.step([segment], [null]);
    const [losses] = await trainer.losses();
    expect(Math.abs(losses![0]! / expected.lora.loss - 1)).toBeLessThanOrEqual(1e-5);
    const [gradient] = await pack.readGradients();
    for (const { name, error } of adapterTensors('lora.grad.', gradient!)) expect(error, name).toBeLessThanOrEqual(1e-4);
  });
});

function settings({ betas, eps, weightDecay, maxGradientNorm }: Optimiser) {
  return { beta1: betas[0], beta2: betas[1], eps, weightDecay, maxNorm: maxGradientNorm };
}

describe('trajectories', () => {
  it('follows ten AdamW steps of the adapters', async () => {
    const { model, pack, segment, expected, adapter, adapterTensors } = open('');
    const { optimizer, losses } = expected.lora;
    const trainer = new LoraTrainer(model, pack, { tokens: 64, steps: optimizer.steps }, settings(optimizer));
    trainer.begin([adapter]);
    for (let step = 0; step < optimizer.steps; step++) trainer.step([segment], [optimizer.learningRate]);
    const measured = (await trainer.losses()).map((row) => row[0]!);
    expect(relativeL2(measured, losses)).toBeLessThanOrEqual(1e-5);
    const [after] = await pack.read(1);
    for (const { name, error } of adapterTensors('lora.after.', after!)) expect(error, name).toBeLessThanOrEqual(1e-4);
  });

  it('follows three AdamW steps of all weights', async () => {
    const { model, segment, expected, wanted } = open('');
    const { optimizer, losses, rowStride } = expected.full;
    const trainer = new FullTrainer(model, { tokens: 40, steps: optimizer.steps }, settings(optimizer));
    const compare = (prefix: 'full.grad' | 'full.after', tensors: Map<string, Float32Array>) => {
      for (const [name, values] of tensors) {
        const want = wanted.get(`${prefix}.${name}`) as Float32Array;
        const { shape } = model.weights.layout.places.get(name)!;
        if (shape.length === 1) {
          expect(relativeL2(values, want), name).toBeLessThanOrEqual(1e-4);
          continue;
        }
        const [rows, columns] = shape as readonly [number, number];
        const sampled = Array.from({ length: Math.ceil(rows / rowStride) }, (_, i) => [
          ...values.subarray(i * rowStride * columns, (i * rowStride + 1) * columns),
        ]).flat();
        const rowSums = Array.from({ length: rows }, (_, r) => sum(values.subarray(r * columns, (r + 1) * columns)));
        const columnSums = Array.from({ length: columns }, (_, c) => sum(values.filter((_value, i) => i % columns === c)));
        expect(relativeL2(sampled, want), name).toBeLessThanOrEqual(1e-4);
        expect(relativeL2(rowSums, wanted.get(`${prefix}_row_sums.${name}`) as Float32Array), name).toBeLessThanOrEqual(1e-4);
        expect(relativeL2(columnSums, wanted.get(`${prefix}_column_sums.${name}`) as Float32Array), name).toBeLessThanOrEqual(1e-4);
      }
    };
    trainer.step(segment, optimizer.learningRate);
    compare('full.grad', await trainer.gradients());
    for (let step = 1; step < optimizer.steps; step++) trainer.step(segment, optimizer.learningRate);
    expect(relativeL2(await trainer.losses(), losses)).toBeLessThanOrEqual(1e-5);
    compare('full.after', await model.read());
  });
});

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}
