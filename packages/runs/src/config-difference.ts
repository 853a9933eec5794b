/** Where two configurations differ, in words. */

import { canonicalJson } from '@seal/files';
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const show = (value: unknown): string => {
  const text = value === undefined ? 'absent' : canonicalJson(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
};

/** One line per differing leaf, `path: ours, not theirs`, in the order of the sorted paths. */
export const differences = (ours: unknown, theirs: unknown, path = ''): string[] => {
  if (isObject(ours) && isObject(theirs)) {
    const keys = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].sort();
    return keys.flatMap((key) => differences(ours[key], theirs[key], path === '' ? key : `${path}.${key}`));
  }
  return show(ours) === show(theirs) && canonicalJson(ours ?? null) === canonicalJson(theirs ?? null)
    ? []
    : [`${path}: ${show(ours)}, not ${show(theirs)}`];
};
