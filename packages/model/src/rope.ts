/**
 * Rotary frequencies of a configuration: the plain ones (Su et al. 2021, arXiv 2104.09864), all of them divided by a
 * factor (`linear`) or each by its own (`longrope`, where short and long texts have the same), or the slow ones alone with
 * a blend between (`llama3`, section 3.4.2 of arXiv 2407.21783; the formula is the one of `modeling_rope_utils.py` in
 * transformers 5.23, in float64 where that takes float32).
 */

import { ropeFrequencies } from '@seal/kernels';
import type { ConfigFile } from './config-schema.ts';
import type { Refuse } from './families/family.ts';
import type { ModelConfig } from './model-config.ts';

const COMMON = ['rope_type', 'type', 'rope_theta', 'partial_rotary_factor'];
const OWN: Readonly<Record<string, readonly string[]>> = {
  default: [],
  linear: ['factor'],
  llama3: ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'],
  longrope: ['factor', 'short_factor', 'long_factor', 'attention_factor', 'original_max_position_embeddings'],
};

/** Reads what a `config.json` says of rotary positions, in either layout. */
export function readRope(file: ConfigFile, maxPositionEmbeddings: number, refuse: Refuse): Pick<ModelConfig, 'ropeTheta' | 'ropeScaling'> {
  // Of two dictionaries transformers takes the older one, and of two thetas the one within.
  const place = file.rope_scaling && Object.keys(file.rope_scaling).length > 0 ? 'rope_scaling' : 'rope_parameters';
  const given = file[place] ?? {};
  const kind = given.rope_type ?? given.type ?? 'default';
  const ropeTheta = given.rope_theta ?? file.rope_theta ?? 10_000;
  const own = OWN[kind];
  if (!own || !Object.hasOwn(OWN, kind)) {
    return refuse(`${place}.${given.rope_type === undefined ? 'type' : 'rope_type'}`, kind, Object.keys(OWN).map((name) => `"${name}"`).join(', '));
  }
  const partial = given.partial_rotary_factor ?? 1;
  if (partial !== 1) refuse(`${place}.partial_rotary_factor`, partial, '1');
  const values: Readonly<Record<string, unknown>> = { ...given };
  for (const [key, value] of Object.entries(values)) {
    if (value === null || COMMON.includes(key) || own.includes(key)) continue;
    refuse(`${place}.${key}`, value, `null where the type is "${kind}"`);
  }
  const needed = (key: 'factor' | 'low_freq_factor' | 'high_freq_factor') =>
    given[key] ?? refuse(`${place}.${key}`, null, `a number where the type is "${kind}"`);
  if (kind === 'linear') return { ropeTheta, ropeScaling: { type: 'linear', factor: needed('factor') } };
  if (kind === 'default') return { ropeTheta, ropeScaling: null };
  if (kind === 'longrope') {
    const { long_factor: factors, short_factor: short, attention_factor: attention } = given;
    if (!factors || short?.join() !== factors.join() || attention !== 1) {
      return refuse(`${place}.${given.rope_type === undefined ? 'type' : 'rope_type'}`, kind, 'it where short_factor is the same as long_factor and attention_factor is 1');
    }
    return { ropeTheta, ropeScaling: { type: 'longrope', factors } };
  }
  const lowFreqFactor = needed('low_freq_factor');
  const highFreqFactor = needed('high_freq_factor');
  if (highFreqFactor <= lowFreqFactor) {
    refuse(`${place}.high_freq_factor`, highFreqFactor, `a number above low_freq_factor (${lowFreqFactor})`);
  }
  const originalMaxPositionEmbeddings =
    file.original_max_position_embeddings ?? given.original_max_position_embeddings ?? maxPositionEmbeddings;
  return {
    ropeTheta,
    ropeScaling: { type: 'llama3', factor: needed('factor'), lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings },
  };
}

/** The keys that `readRope` reads, in the layout that transformers 4 and 5 both read. */
export function writeRope({ ropeTheta, ropeScaling: scaling, maxPositionEmbeddings }: ModelConfig): Record<string, unknown> {
  if (scaling === null) return { rope_theta: ropeTheta, rope_scaling: null };
  if (scaling.type === 'longrope') {
    const { type, factors } = scaling;
    return {
      rope_theta: ropeTheta,
      rope_scaling: {
        rope_type: type,
        factor: 1,
        attention_factor: 1,
        short_factor: factors,
        long_factor: factors,
        original_max_position_embeddings: maxPositionEmbeddings,
      },
    };
  }
  const { type: rope_type, factor } = scaling;
  if (rope_type === 'linear') return { rope_theta: ropeTheta, rope_scaling: { rope_type, factor } };
  return {
    rope_theta: ropeTheta,
    rope_scaling: {
      rope_type,
      factor,
      low_freq_factor: scaling.lowFreqFactor,
      high_freq_factor: scaling.highFreqFactor,
      original_max_position_embeddings: scaling.originalMaxPositionEmbeddings,
    },
  };
}

/** Angle per position of each of the D/2 pairs of a head, float64. */
export function inverseFrequencies({ headDim, ropeTheta, ropeScaling: scaling }: ModelConfig): Float64Array {
  const plain = ropeFrequencies(headDim, ropeTheta);
  if (scaling === null) return plain;
  if (scaling.type === 'longrope') return plain.map((frequency, pair) => frequency / (scaling.factors[pair] ?? 1));
  const { factor } = scaling;
  if (scaling.type === 'linear') return plain.map((frequency) => frequency / factor);
  const { lowFreqFactor: low, highFreqFactor: high, originalMaxPositionEmbeddings: length } = scaling;
  return plain.map((frequency) => {
    const turns = (length * frequency) / (2 * Math.PI);
    const kept = Math.min(Math.max((turns - low) / (high - low), 0), 1);
    return (1 - kept) * (frequency / factor) + kept * frequency;
  });
}
