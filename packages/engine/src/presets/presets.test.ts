/** What holds for every preset: its numbers, what a mode changes in them, and the room that they leave. */

import { describe, expect, it } from 'vitest';
import { lengthsOf, parseSealConfig, resolveConfig } from '@seal/trainer';
import { builtInPresets } from './list.ts';
import { presetFor, presetOf } from './preset.ts';
import { squadConfig } from './squad.ts';
import { tinyConfig } from './tiny.ts';

describe.each(Object.entries(builtInPresets))('%s', (name, { config }) => {
  it('is a whole configuration, which resolving without overrides leaves as it is', () => {
    expect(parseSealConfig(structuredClone(config), 'x.json')).toEqual(config);
    expect(resolveConfig(config, 'corrected', undefined, 'x.json')).toEqual(config);
  });

  it('takes nested values over its own and is not changed by them', () => {
    const before = structuredClone(config);
    const resolved = resolveConfig(config, 'corrected', { inner: { steps: 7 }, outer: { sft: { epochs: 2 } } }, 'x.json');
    expect(resolved).toEqual({
      ...before,
      inner: { ...before.inner, steps: 7 },
      outer: { ...before.outer, sft: { ...before.outer.sft, epochs: 2 } },
    });
    expect(config).toEqual(before);
  });

  it('repeats in paper mode what the reference does, unless told otherwise', () => {
    const paper = resolveConfig(config, 'paper', undefined, 'x.json');
    expect(paper.inner).toMatchObject({ trainOnPadding: true, lora: { targets: 'q,v' } });
    expect(paper.outer.selection).toEqual({ threshold: 'none', ties: 'first' });
    expect(resolveConfig(config, 'paper', { inner: { trainOnPadding: false } }, 'x.json').inner.trainOnPadding).toBe(false);
    expect(resolveConfig(config, 'corrected', undefined, 'x.json').inner.trainOnPadding).toBe(false);
  });

  it('keeps activations and trains at a constant rate, and does not say so', () => {
    // squad-small names its layers.
    for (const key of ['recompute', 'schedule', 'warmUpSteps', ...(name === 'squad-small' ? [] : ['layers']), 'keep"']) expect(JSON.stringify(config)).not.toContain(`"${key}`);
    const resolved = resolveConfig(config, 'corrected', { inner: { recompute: true }, outer: { sft: { recompute: true } } }, 'x.json');
    expect([resolved.inner.recompute, resolved.outer.sft.recompute]).toEqual([true, true]);
  });

  // What a subject of the preset is opened with.
  const most = name === 'tiny' ? 256 : 2_048;
  it.each([64, 500, 512, 2_048, 32_768])('keeps everything within %i positions and leaves half of them for a self-edit', (positions) => {
    const lengths = lengthsOf(config, positions, most);
    for (const length of Object.values(lengths)) {
      expect(length).toBeGreaterThan(0);
      expect(length).toBeLessThanOrEqual(positions);
    }
    expect(lengths.writing - lengths.prompt).toBeGreaterThanOrEqual(Math.min(config.outer.maxSelfEditTokens, positions >> 1));
    expect(lengths.answering - lengths.question).toBeGreaterThanOrEqual(Math.min(config.inner.maxAnswerTokens, positions >> 2));
    const { documentsPerStep, replayPerStep, tokensPerStep } = config.inner;
    expect(lengths.document * (documentsPerStep + replayPerStep)).toBeLessThanOrEqual(tokensPerStep);
    expect(lengths.example * config.outer.sft.batchSize).toBeLessThanOrEqual(config.outer.sft.tokensPerStep);
  });
});

it('squad gives a passage what a short self-edit leaves', () => {
  const config = resolveConfig(squadConfig, 'corrected', { outer: { maxSelfEditTokens: 100 } }, 'x');
  expect(lengthsOf(config, 512, 2_048).prompt).toBe(412);
});

it('is found by its name; without one the shipped model is for tiny and any other for squad', () => {
  expect(presetOf(builtInPresets, 'tiny').config).toBe(tinyConfig);
  expect(() => presetOf(builtInPresets, 'huge')).toThrow('Cannot find the preset "huge": there are tiny, squad, squad-small');
  expect(() => presetOf(builtInPresets, 'toString')).toThrow('Cannot find the preset');
  expect(presetFor(builtInPresets, {}).name).toBe('tiny');
  expect(presetFor(builtInPresets, { model: 'somebody/larger' }).name).toBe('squad');
  expect(presetFor(builtInPresets, { model: 'somebody/larger', preset: 'tiny' }).name).toBe('tiny');
});
