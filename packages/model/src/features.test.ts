/** What works where, as README.md says it: every cell is tried, on a device without memory, or read from what tests run. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { dryGpu } from '@seal/device';
import { WEIGHT_FORMATS } from '@seal/kernels';
import { LoraPack } from './adapters/lora.ts';
import { configFile, parseConfig } from './config.ts';
import { FAMILIES } from './families/list.ts';
import { PROJECTIONS } from './model-config.ts';
import type { WeightFormat } from './matrix.ts';
import { Model } from './model.ts';
import { Generator } from './sampling/generation.ts';
import { FullTrainer, LoraTrainer } from './training.ts';

const FORMATS: readonly WeightFormat[] = ['f32', ...WEIGHT_FORMATS];
/** The section of README.md. */
const section = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8').split(/^#+ /m).find((text) => text.startsWith('What works where')) ?? '';

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

/** The formats that `make` can be done with. */
function formatsThat(make: (format: WeightFormat) => void): string {
  const fine = FORMATS.filter((format) => {
    try {
      make(format);
      return true;
    } catch (error) {
      // What cannot be done is refused by name; anything else is a fault.
      if (error instanceof TypeError && error.message.startsWith('Cannot ')) return false;
      throw error;
    }
  });
  return fine.length > 0 ? fine.join(', ') : 'none';
}

const small = {
  vocab_size: 128, hidden_size: 64, intermediate_size: 96, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 16,
};
const lora = { rank: 4, alpha: 8, targets: PROJECTIONS };

it('says of every family which weights it runs and trains with, and which keys it reads', () => {
  const rows = FAMILIES.map(({ name, reads }) => {
    const { gpu } = dryGpu();
    const config = parseConfig({ ...small, model_type: name }, name);
    const model = (weights: WeightFormat) => new Model(gpu, config, { weights });
    const pack = () => new LoraPack(gpu.device, config, lora, 2);
    const cells = [
      formatsThat((format) => new Generator(model(format), null, { slots: 2, length: 16, prefillTokens: 16 })),
      formatsThat((format) => new LoraTrainer(model(format), pack(), { tokens: 16, steps: 1 })),
      formatsThat((format) => new FullTrainer(model(format), { tokens: 16, steps: 1 })),
    ];
    gpu.close();
    // What a family reads it writes, so that a model goes to other programs as it came.
    expect(Object.keys(configFile(config))).toEqual(expect.arrayContaining([...reads]));
    return [`\`${name}\``, ...cells, reads.map((key) => `\`${key}\``).join(', ')];
  });
  expect(section).toContain(table(['family', 'runs and samples as', 'trains adapters over', 'trains all weights as', 'keys of its own'], rows));
});

it('says on which runtimes the suite runs, and with whose WebGPU', () => {
  const suites = readFileSync(join(import.meta.dirname, '../../../test/runtimes/runtimes.test.ts'), 'utf8');
  const runs = [...suites.matchAll(/\{ name: '(\w+)', command: '(\w+)', .*backend: '(\w+)' \}/g)].map(([, name = '', command = '', backend = '']) => ({ name, command, backend }));
  expect(runs.length).toBeGreaterThan(3);
  const names = [...new Set(runs.map(({ name }) => name))];
  const cell = (of: string, backend: string) => (runs.some((run) => run.name === of && run.backend === backend) ? 'yes' : '-');
  expect(section).toContain(table(['runtime', 'Dawn (npm `webgpu`)', 'its own WebGPU'], names.map((name) => [name, cell(name, 'dawn'), cell(name, 'native')])));
});
