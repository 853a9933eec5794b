import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ropeTable } from '@seal/kernels';
import { configFile, parseConfig } from './config.ts';
import { smallConfig } from './fixture.ts';
import { inverseFrequencies } from './rope.ts';

const plain = inverseFrequencies({ ...smallConfig, headDim: 16 });

describe('inverseFrequencies', () => {
  it('divides all by the factor of linear scaling', () => {
    const scaled = inverseFrequencies({ ...smallConfig, headDim: 16, ropeScaling: { type: 'linear', factor: 4 } });
    expect([...scaled]).toEqual([...plain].map((frequency) => frequency / 4));
  });

  it('keeps the fast, divides the slow and blends between by llama3 scaling', () => {
    const scaling = { type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositionEmbeddings: 64 } as const;
    const scaled = inverseFrequencies({ ...smallConfig, headDim: 16, ropeScaling: scaling });
    // Of 64 positions: more than 4 turns, between 1 and 4, fewer than 1.
    const turns = [...plain].map((frequency) => (64 * frequency) / (2 * Math.PI));
    expect(turns.map((turn) => Math.sign(turn - 4) + Math.sign(turn - 1))).toEqual([2, 0, 0, -2, -2, -2, -2, -2]);
    scaled.forEach((frequency, i) => {
      const kept = turns[i] > 4 ? 1 : turns[i] < 1 ? 0 : (turns[i] - 1) / 3;
      expect(frequency / (plain[i] * (kept + (1 - kept) / 8))).toBeCloseTo(1, 14);
    });
  });
});

it('divides each frequency by its own factor, which may say what llama3 says', () => {
  const file = { model_type: 'llama', vocab_size: 8, hidden_size: 64, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 1, max_position_embeddings: 256 };
  const of = (rope_scaling: object | null) => parseConfig({ ...file, rope_scaling }, 'config.json');
  const llama = inverseFrequencies(of({ rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 }));
  const factors = [...inverseFrequencies(of(null))].map((frequency, pair) => frequency / llama[pair]);
  const own = of({ rope_type: 'longrope', factor: 1, attention_factor: 1, short_factor: factors, long_factor: factors, original_max_position_embeddings: 256 });
  inverseFrequencies(own).forEach((frequency, pair) => expect(frequency / llama[pair]).toBeCloseTo(1, 14));
  expect(parseConfig(configFile(own), 'config.json')).toEqual(own);
  expect(() => of({ rope_type: 'longrope', attention_factor: 1, short_factor: [1, 2], long_factor: [1, 2] })).toThrow('a list of head_dim / 2 (32)');
  expect(() => of({ rope_type: 'longrope', attention_factor: 1.2, short_factor: factors, long_factor: factors })).toThrow('attention_factor is 1');
});

const data = process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data';
const configs = { llama: join(data, 'real/config-llama3.2-1b/config.json'), smollm: join(data, 'real/config-smollm2-135m/config.json') };
const absent = Object.values(configs).find((file) => !existsSync(file));

describe.skipIf(absent !== undefined)(`configurations of published models${absent ? `: ${absent} is absent, it is not part of the repository` : ''}`, () => {
  const read = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;

  it('refuses Llama 3.2 1B quantised by bitsandbytes, and says what to do', () => {
    expect(() => parseConfig(read(configs.llama), 'config.json')).toThrow(
      'Cannot use config.json: its weights are quantised (quantization_config: "bitsandbytes"); use the unquantised checkpoint',
    );
  });

  it('turns the heads of Llama 3.2 1B as transformers does, at all of its positions', () => {
    const { quantization_config: _, ...file } = read(configs.llama);
    const config = parseConfig(file, 'config.json');
    expect(config).toMatchObject({ family: 'llama', numKeyValueHeads: 8, headDim: 64, tieWordEmbeddings: true, ropeTheta: 500_000 });
    const golden = new URL('../../../test/golden/families/real.json', import.meta.url);
    const { 'llama3.2-1b': expected } = JSON.parse(readFileSync(golden, 'utf8')) as {
      'llama3.2-1b': { inverseFrequencies: number[]; positions: number[]; cos: number[][]; sin: number[][] };
    };
    const frequencies = inverseFrequencies(config);
    frequencies.forEach((frequency, i) => expect(frequency / expected.inverseFrequencies[i]).toBeCloseTo(1, 14));
    const table = ropeTable(config.maxPositionEmbeddings, frequencies);
    expected.positions.forEach((position, row) => {
      const at = position * 64;
      // One rounding to float32.
      for (let i = 0; i < 32; i++) {
        expect(Math.abs(table[at + i] - expected.cos[row][i])).toBeLessThanOrEqual(6e-8);
        expect(Math.abs(table[at + 32 + i] - expected.sin[row][i])).toBeLessThanOrEqual(6e-8);
      }
    });
  });

  it('accepts SmolLM2 135M', () => {
    expect(parseConfig(read(configs.smollm), 'config.json')).toMatchObject({
      family: 'llama',
      hiddenSize: 576,
      numAttentionHeads: 9,
      numKeyValueHeads: 3,
      ropeTheta: 100_000,
      ropeScaling: null,
      biasedProjections: [],
      eosTokenIds: [0],
    });
  });
});
