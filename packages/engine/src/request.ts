/** Requests as they come in from an app: plain objects with the settings' names. */

import { brief, Problem } from '@seal/files';
import { type, type Type } from 'arktype';

/** Values that several verbs take. */
export const SEED = 'number.integer >= 0';
export const WEIGHT_FORMAT = "'f32' | 'f16' | 'int8' | 'int4'";
export const NUMBER_DTYPE = "'f32' | 'f16' | 'bf16'";

/** How a model is named and loaded. */
export const LOADING = { 'model?': 'string', 'weights?': WEIGHT_FORMAT, 'verbose?': 'boolean' } as const;

/** Which preset, and values that replace its own, nested as they are, with where they are from. */
export const CONFIGURED = { 'preset?': 'string', 'config?': 'unknown', 'configPlace?': 'string' } as const;

/** What asks for self-edits (a name, or a file of one's own wording), and whether to ask by the model's chat template. */
export const WORDING = { 'template?': 'string', 'chat?': 'boolean' } as const;

type Frozen<T> = T extends readonly (infer Item)[] ? readonly Frozen<Item>[] : T extends object ? { readonly [Key in keyof T]: Frozen<T[Key]> } : T;

/** What a schema asks for. */
export type RequestOf<Schema extends Type> = Frozen<Schema['infer']>;

/**
 * A request that is as its schema asks; settings that are undefined count as left out. Throws a problem of kind `usage` that
 * names the first setting that is not.
 */
export function checkRequest<Schema extends Type>(schema: Schema, request: RequestOf<Schema>): RequestOf<Schema> {
  const given = typeof request === 'object' && request !== null ? Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined)) : request;
  const result: unknown = schema.onUndeclaredKey('reject')(given);
  if (!(result instanceof type.errors)) return request;
  const [first] = result;
  const [setting, ...rest] = first?.path ?? [];
  // A choice names its place itself.
  const wrong = (first?.problem ?? 'is none').replace(setting === undefined ? '' : `${first?.propString} `, '');
  const problem = wrong === 'must be removed' ? 'there is no such setting' : `it ${wrong}`;
  const within = rest.length > 0 ? ` (${rest.map(String).join('.')})` : '';
  const what = setting === undefined ? 'this request' : `\`${String(setting)}\`${within}`;
  throw new Problem('usage', brief(`Cannot use ${what}: ${problem}`.replaceAll(/\s+/g, ' ')));
}

/** A text by itself, with the name that problems call it by, or the path of the file that holds it. */
export const TEXT_INPUT = type('string').or({ text: 'string', 'place?': 'string' });
