/** What a self-edit may choose of its own training, within bounds that its domain sets. */

import type { Rejection, SelfEditSettings } from './domain.ts';

/** The least and most of every setting that may be chosen. */
export interface SettingBounds {
  readonly learningRate?: readonly [least: number, most: number];
  /** Whole walks over the documents. */
  readonly epochs?: readonly [least: number, most: number];
}

/** Settings within bounds, and what was clamped or refused to get there. */
export interface BoundedSettings {
  readonly settings: SelfEditSettings;
  readonly rejected: readonly Rejection[];
}

/**
 * Bounds what a model wrote. A number beyond a bound is taken as that bound, and counted; what is no number, or may not be
 * chosen here, is left out and counted.
 *
 * @example
 * boundSettings({ learningRate: 5, epochs: 'many' }, { learningRate: [1e-5, 1e-2], epochs: [1, 10] });
 * // { settings: { learningRate: 0.01 }, rejected: [learningRate above 0.01 …, epochs is no whole number …] }
 */
export function boundSettings(chosen: Readonly<Record<string, unknown>>, bounds: SettingBounds): BoundedSettings {
  const settings: Record<string, number> = {};
  const rejected: Rejection[] = [];
  const refuse = (reason: string) => rejected.push({ reason, count: 1 });
  for (const name of ['learningRate', 'epochs'] as const) {
    const value = chosen[name];
    const bound = bounds[name];
    if (value === undefined) continue;
    if (bound === undefined) {
      refuse(`${name} may not be chosen`);
      continue;
    }
    const [least, most] = bound;
    const isNumber = typeof value === 'number' && (name === 'epochs' ? Number.isInteger(value) : Number.isFinite(value));
    if (!isNumber) {
      refuse(`${name} is no ${name === 'epochs' ? 'whole number' : 'number'}`);
    } else if (value < least) {
      refuse(`${name} below ${least}`);
      settings[name] = least;
    } else if (value > most) {
      refuse(`${name} above ${most}`);
      settings[name] = most;
    } else {
      settings[name] = value;
    }
  }
  return { settings, rejected };
}
