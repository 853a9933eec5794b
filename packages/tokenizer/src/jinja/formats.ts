/** Python's two ways of formatting: `'%s' % value` and `'{}'.format(value)`. */

import { joined, part, textOf, type Text } from './marked.ts';
import { floatText, repr, str } from './printing.ts';
import { defined, Dict, Float, isTuple, numberOf, pointLength, Row, typeOf, wholeOf, type Call, type Value } from './values.ts';

const MAX_WIDTH = 65_536;

function padded(text: Text, width: number, align: string, fill = ' '): Text {
  if (width > MAX_WIDTH) throw new RangeError('computes too much');
  const missing = Math.max(0, width - pointLength(textOf(text)));
  const left = align === '>' ? missing : align === '^' ? Math.floor(missing / 2) : 0;
  return joined([fill.repeat(left), text, fill.repeat(missing - left)]);
}

function fixed(value: number, digits: number): string {
  if (!Number.isFinite(value)) return floatText(value);
  if (digits > 100) throw new RangeError('computes too much');
  if (Math.abs(value) >= 1e21) throw new RangeError('a number of 1e21 or more in fixed notation is not supported');
  const text = Math.abs(value).toFixed(digits);
  return value < 0 || Object.is(value, -0) ? `-${text}` : text;
}

/** `template % values`. */
export function percentFormat(template: Text, values: Value): Text {
  const own = textOf(template);
  const list = isTuple(values) ? values.items : [values];
  const parts: Text[] = [];
  let [at, next] = [0, 0];
  for (const match of own.matchAll(/%(?:\(([^)]*)\))?([-+ #0]*)(\d+|\*)?(?:\.(\d+|\*))?[hlL]?([^]|$)/gu)) {
    const [whole, key, flags = '', width = '0', precision, kind = ''] = match;
    parts.push(part(template, at, match.index));
    at = match.index + whole.length;
    if (kind === '%' && whole === '%%') {
      parts.push('%');
      continue;
    }
    if (!/[sdirfF]/.test(kind) || width === '*' || precision === '*' || /[+ #]/.test(flags)) throw new RangeError(`the format '${whole}' is not supported`);
    const value = key === undefined ? list[next++] : keyed(values, key);
    if (value === undefined) throw new RangeError('not enough arguments for format string');
    let text = percentText(value, kind, precision);
    if (flags.includes('0') && !flags.includes('-') && /[dif]/i.test(kind)) text = zeroed(textOf(text), Number(width));
    parts.push(padded(text, Number(width), flags.includes('-') ? '<' : '>'));
  }
  parts.push(part(template, at, own.length));
  if (next < list.length && !(values instanceof Dict) && (isTuple(values) || next === 0)) {
    throw new RangeError('not all arguments converted during string formatting');
  }
  return joined(parts);
}

function keyed(values: Value, key: string): Value {
  const found = values instanceof Dict ? values.get(key) : undefined;
  if (found === undefined) throw new RangeError(values instanceof Dict ? `KeyError: '${key}'` : 'format requires a mapping');
  return found;
}

function percentText(value: Value, kind: string, precision: string | undefined): Text {
  if (kind === 's' || kind === 'r') {
    const text = kind === 's' ? str(value) : repr(value);
    return precision === undefined ? text : part(text, 0, Number(precision));
  }
  defined(value);
  const number = numberOf(value);
  if (number === null) throw new RangeError(`%${kind} format: a number is required, not ${typeOf(value)}`);
  return /f/i.test(kind) ? fixed(number, Number(precision ?? 6)) : String(Math.trunc(number));
}

function zeroed(text: string, width: number): string {
  if (width > MAX_WIDTH) throw new RangeError('computes too much');
  const sign = text.startsWith('-') ? '-' : '';
  return sign + text.slice(sign.length).padStart(width - sign.length, '0');
}

/** `template.format(...)`. Attributes and subscripts within fields are not supported. */
export function braceFormat(template: Text, { args, named }: Call): Text {
  const own = textOf(template);
  const parts: Text[] = [];
  let [at, next] = [0, 0];
  for (const match of own.matchAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g)) {
    const [whole, field] = match;
    parts.push(part(template, at, match.index));
    at = match.index + whole.length;
    if (field === undefined) {
      if (whole.length === 1) throw new RangeError(`the format string has a single or nested '${whole}', which is not supported`);
      parts.push(whole.charAt(0));
      continue;
    }
    const [, name = '', conversion, , spec = ''] = /^([^!:]*)(?:!(.))?(:(.*))?$/s.exec(field) ?? [];
    if (!/^\w*$/.test(name) || (conversion !== undefined && !/[rs]/.test(conversion))) throw new RangeError(`the format field '${whole}' is not supported`);
    const value = name === '' ? args[next++] : /^\d+$/.test(name) ? args[Number(name)] : named.get(name);
    if (value === undefined) throw new RangeError(`the format field '${whole}' has no argument`);
    parts.push(specified(conversion === undefined ? value : conversion === 'r' ? repr(value) : str(value), spec, whole));
  }
  parts.push(part(template, at, own.length));
  return joined(parts);
}

function specified(value: Value, spec: string, field: string): Text {
  const found = /^(?:(.)?([<>^]))?(0)?(\d*)(,)?(?:\.(\d+))?([sdf]?)$/su.exec(spec);
  if (!found) throw new RangeError(`the format field '${field}' is not supported`);
  const [, fill = ' ', align, zero, width = '', comma, precision, kind] = found;
  if (spec === '') return str(value);
  const number = typeof value === 'boolean' && kind === '' ? null : numberOf(value);
  let text: Text;
  if (number === null) {
    if (kind === 'd' || kind === 'f' || zero !== undefined || comma !== undefined) throw new RangeError(`the format field '${field}' does not fit a ${typeOf(value)}`);
    if (value instanceof Row || typeof value === 'object' && !(typeof textOf(str(value)) === 'string' && typeOf(value) === 'str')) {
      throw new RangeError(`unsupported format string passed to ${typeOf(value)}.__format__`);
    }
    text = precision === undefined ? str(value) : part(str(value), 0, Number(precision));
  } else {
    if (kind === 's' || (kind === 'd' && wholeOf(value) === null) || (kind !== 'f' && precision !== undefined)) throw new RangeError(`the format field '${field}' does not fit a ${typeOf(value)}`);
    const plain = kind === 'f' ? fixed(number, Number(precision ?? 6)) : value instanceof Float ? floatText(number) : String(number);
    const grouped = comma === undefined ? plain : plain.replace(/^-?\d+/, (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ','));
    if (comma !== undefined && zero !== undefined) throw new RangeError(`the format field '${field}' is not supported`);
    text = zero !== undefined && align === undefined ? zeroed(grouped, Number(width)) : grouped;
  }
  return padded(text, Number(width), align ?? (number === null ? '<' : '>'), fill);
}
