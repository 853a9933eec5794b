/** Values as Python writes them: `str`, `repr` and `json.dumps`. */

import { covered, isText, Marked, textOf, type Mark, type Text } from './marked.ts';
import { Dict, Float, isList, isTuple, numberOf, Row, typeOf, Undefined, type Value } from './values.ts';

/** A float's shortest digits, in Python's notation. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  const [digits = '0', power = '0'] = value.toExponential().split('e');
  const exponent = Number(power);
  if (value !== 0 && (exponent < -4 || exponent >= 16)) {
    return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  if (Object.is(value, -0)) return '-0.0';
  const plain = Math.abs(value) < 1e-6 || exponent < 0 ? value.toFixed(Math.max(0, digits.replace(/^-?\d\.?/, '').length - exponent)) : String(value);
  return plain.includes('.') ? plain : `${plain}.0`;
}

/** A value as text. Throws for what Python would print the address of. */
export function str(value: Value): Text {
  if (isText(value)) return value;
  if (value instanceof Undefined) return '';
  return whole(value, repr(value));
}

/** A text made of a whole value, which comes from wherever the value does. */
function whole(value: Value, text: string): Text {
  const marks: Mark[] = [];
  collect(value, marks);
  return covered(text, marks);
}

function collect(value: Value, marks: Mark[]): void {
  if (value instanceof Marked) marks.push(...value.marks);
  else if (isList(value)) for (const item of value) collect(item, marks);
  else if (value instanceof Row) for (const item of value.items) collect(item, marks);
  else if (value instanceof Dict) for (const item of value.values()) collect(item, marks);
}

export function repr(value: Value): string {
  if (isText(value)) return quotedText(textOf(value));
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return String(value);
  if (value instanceof Float) return floatText(value.value);
  if (value instanceof Undefined) return 'Undefined';
  if (isList(value)) return `[${value.map(repr).join(', ')}]`;
  if (isTuple(value)) return value.items.length === 1 ? `(${repr(value.items[0] ?? null)},)` : `(${value.items.map(repr).join(', ')})`;
  if (value instanceof Row) return value.label ?? `${value.kind}([${value.items.map(repr).join(', ')}])`;
  if (value instanceof Dict) return `{${value.entries().map(([key, item]) => `${repr(key)}: ${repr(item)}`).join(', ')}}`;
  throw new RangeError(`it prints a ${typeOf(value)}, which is not supported`);
}

const SHORT: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function quotedText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inner = text.replace(/[\\\p{C}\p{Z}'"]/gu, (letter) => {
    if (letter === ' ') return letter;
    if (letter === "'" || letter === '"') return letter === quote ? `\\${letter}` : letter;
    const code = letter.codePointAt(0) ?? 0;
    const hex = code.toString(16);
    return SHORT[letter] ?? (code < 0x100 ? `\\x${hex.padStart(2, '0')}` : code < 0x1_0000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`);
  });
  return quote + inner + quote;
}

/** How `json.dumps` is asked to write. */
export interface JsonStyle {
  readonly ascii: boolean;
  readonly indent: string | null;
  readonly separators: readonly [string, string];
  readonly sorted: boolean;
}

export function json(value: Value, style: JsonStyle): Text {
  return whole(value, jsonText(value, style, ''));
}

function jsonText(value: Value, style: JsonStyle, margin: string): string {
  if (isText(value)) return jsonString(textOf(value), style.ascii);
  if (value === null) return 'null';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return String(value);
  if (value instanceof Float) return jsonFloat(value.value);
  const inner = style.indent === null ? '' : margin + style.indent;
  const [comma, colon] = style.separators;
  const lay = (open: string, parts: readonly string[], close: string): string => {
    if (parts.length === 0) return open + close;
    if (style.indent === null) return open + parts.join(comma) + close;
    return `${open}\n${inner}${parts.join(`${comma}\n${inner}`)}\n${margin}${close}`;
  };
  if (isList(value)) return lay('[', value.map((item) => jsonText(item, style, inner)), ']');
  if (isTuple(value)) return lay('[', value.items.map((item) => jsonText(item, style, inner)), ']');
  if (value instanceof Dict) {
    const entries = value.entries().map(([key, item]) => [jsonKey(key), item] as const);
    if (style.sorted) entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return lay('{', entries.map(([key, item]) => jsonString(key, style.ascii) + colon + jsonText(item, style, inner)), '}');
  }
  throw new RangeError(`Object of type ${typeOf(value)} is not JSON serializable`);
}

function jsonFloat(value: number): string {
  if (Number.isFinite(value)) return floatText(value);
  return Number.isNaN(value) ? 'NaN' : value < 0 ? '-Infinity' : 'Infinity';
}

function jsonKey(key: Value): string {
  if (isText(key)) return textOf(key);
  if (key === null) return 'null';
  if (typeof key === 'boolean') return String(key);
  if (numberOf(key) !== null) return key instanceof Float ? jsonFloat(key.value) : String(numberOf(key));
  throw new RangeError(`keys must be str, int, float, bool or None, not ${typeOf(key)}`);
}

const JSON_SHORT: Readonly<Record<string, string>> = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\f': '\\f', '\b': '\\b' };

function jsonString(text: string, ascii: boolean): string {
  // By UTF-16 units: what is not ASCII is written as a pair of surrogates.
  // oxlint-disable-next-line no-control-regex
  const pattern = ascii ? /["\\]|[^ -~]/g : /["\\\x00-\x1f]/g;
  return `"${text.replace(pattern, (unit) => JSON_SHORT[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`;
}
