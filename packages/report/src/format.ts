/** Numbers and names as people read them. */
import { pluralOf } from '@seal/runs';

/** A fraction as a percentage with one decimal, without the sign: 0.2661 -> 26.6. */
export function percent(fraction: number): string {
  return (fraction * 100).toFixed(1);
}

/** A difference of fractions in percentage points with its sign; `minus` is what a negative one starts with. */
export function points(difference: number, minus: '-' | '−' = '−'): string {
  const text = Math.abs(difference * 100).toFixed(1);
  if (Number(text) === 0) return text;
  return difference < 0 ? `${minus}${text}` : `+${text}`;
}

/** 1 passage, 2 passages. */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? noun : pluralOf(noun)}`;
}

/** Seconds as a duration: 8.2 s, 3 min 05 s, 2 h 10 min. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** A configuration key in words: `contextsPerAdapter` -> contexts per adapter. */
export function words(key: string): string {
  return key
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replaceAll(/[-_.]+/g, ' ')
    .toLowerCase();
}

/** The arithmetic mean, null of nothing. */
export function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
