/** Jinja's filters, `value | name(...)`, with the `tojson` of transformers. */

import { derived, isText, joined, textOf, type Text } from './marked.ts';
import { percentFormat } from './formats.ts';
import { arithmetic, attributeOf, checkLength, itemOf, lazily, MAX_LIST_LENGTH, pairsOf } from './operators.ts';
import { json, str } from './printing.ts';
import { capitalize, center, join, lower, replace, splitLines, strip, upper } from './strings.ts';
import { OPERATOR_TESTS, TESTS } from './tests.ts';
import {
  bind, compare, defined, Dict, equal, Float, isList, isTuple, itemsOf, keyOf, Lazy, lengthOf, numberOf, pointLength, pointPart, points, Row, truth, typeOf, Undefined, whole, wholeOf,
  type Call, type Value,
} from './values.ts';

type Filter = (value: Value, call: Call, name: string) => Value;

const NONE: Call = { args: [], named: new Map() };
const plain = (filter: (value: Value) => Value): Filter => (value, call, name) => (bind(name, call, []), filter(value));

function wholeArgument(value: Value | undefined, otherwise: number): number {
  const number = value === undefined ? otherwise : wholeOf(value);
  if (number === null) throw new RangeError(`'${value === undefined ? 'missing' : typeOf(value)}' object cannot be interpreted as an integer`);
  return number;
}

/** The value at a path such as `a.b.0`. */
function getter(attribute: Value | undefined, otherwise: Value = null): (item: Value) => Value {
  if (attribute === undefined || attribute === null) return (item) => item;
  const parts: Value[] = isText(attribute) ? textOf(attribute).split('.').map((name) => (/^\d+$/.test(name) ? Number(name) : name)) : [attribute];
  return (item) =>
    parts.reduce<Value>((of, name) => {
      const found = itemOf(of, name);
      return found instanceof Undefined && otherwise !== null ? otherwise : found;
    }, item);
}

const uncased = (value: Value): Value => (isText(value) ? lower(value) : value);
const sorted = <T>(items: readonly T[], key: (item: T) => Value, isReversed: boolean): T[] => {
  const keyed = items.map((item) => [key(item), item] as const);
  // Stable both ways, as Python's.
  return keyed.sort(([a], [b]) => (isReversed ? compare(b, a) : compare(a, b))).map(([, item]) => item);
};

function extreme(sign: 1 | -1): Filter {
  return (value, call, name) => {
    const [isCased = false, attribute] = bind(name, call, ['case_sensitive', 'attribute']);
    const key = getter(attribute);
    const keyFor = (item: Value) => (truth(isCased) ? key(item) : uncased(key(item)));
    let best: Value | undefined;
    for (const item of itemsOf(value)) if (best === undefined || sign * compare(keyFor(item), keyFor(best)) > 0) best = item;
    return best === undefined ? new Undefined('No aggregated item, sequence was empty.') : best;
  };
}

/** `select`, `reject` and those by an attribute. */
function selecting(isKept: boolean, byAttribute: boolean): Filter {
  return (value, { args, named }, name) => {
    const attribute = byAttribute ? args[0] : undefined;
    if (byAttribute && attribute === undefined) throw new RangeError('Missing parameter for attribute name');
    const key = getter(attribute);
    const [test, ...own] = byAttribute ? args.slice(1) : args;
    const passes = testOf(test, { args: own, named }, name);
    return lazily(function* () {
      for (const item of itemsOf(value)) if (passes(key(item)) === isKept) yield item;
    });
  };
}

function testOf(test: Value | undefined, call: Call, filter: string): (value: Value) => boolean {
  if (test === undefined) return truth;
  const name = isText(test) ? textOf(test) : '';
  const found = Object.hasOwn(TESTS, name) ? TESTS[name] : Object.hasOwn(OPERATOR_TESTS, name) ? OPERATOR_TESTS[name] : undefined;
  if (!found) throw new RangeError(`${filter}: the test ${JSON.stringify(name)} is not supported or no test`);
  return (value) => found(value, call, name);
}

function round(value: Value, call: Call, name: string): Value {
  const [precision, method = 'common'] = bind(name, call, ['precision', 'method']);
  const digits = wholeArgument(precision, 0);
  const how = textOf(str(method));
  const number = numberOf(value);
  if (number === null) throw new RangeError(`type ${typeOf(value)} doesn't define __round__ method`);
  if (!['common', 'ceil', 'floor'].includes(how)) throw new RangeError('method must be common, ceil or floor');
  const scale = 10 ** digits;
  if (how !== 'common') {
    const scaled = (how === 'ceil' ? Math.ceil : Math.floor)(number * scale) / scale;
    return new Float(scaled);
  }
  if (digits < 0 || digits > 20) throw new RangeError(`rounding to ${digits} digits is not supported`);
  if (!(value instanceof Float)) return number;
  return new Float(roundEven(number, digits));
}

/** To the nearest, halves that are exact to the even digit: `toFixed` rounds the exact value, but halves up. */
function roundEven(value: number, digits: number): number {
  if (!Number.isFinite(value) || Math.abs(value) >= 2 ** 52) return value;
  const [up, scaled] = [Number(value.toFixed(digits)), value * 2 * 10 ** digits];
  const isHalf = digits <= 3 && Number.isInteger(scaled) && scaled % 2 !== 0 && Number.isInteger(value * 1024);
  if (!isHalf) return up;
  const below = Math.floor(value * 10 ** digits);
  return (below % 2 === 0 ? below : below + 1) / 10 ** digits;
}

function toNumber(text: string): number {
  const own = textOf(strip(text, undefined, 'both'));
  if (/^[+-]?(?:inf|infinity|nan)$/i.test(own)) return /nan/i.test(own) ? Number.NaN : own.startsWith('-') ? -Infinity : Infinity;
  return /^[+-]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+)?$/i.test(own) ? Number(own.replaceAll('_', '')) : Number.NaN;
}

function int(value: Value, call: Call, name: string): Value {
  const [otherwise = 0, base] = bind(name, call, ['default', 'base']);
  if (wholeArgument(base, 10) !== 10) throw new RangeError('the base of the filter int is not supported');
  defined(value);
  const number = isText(value) ? toNumber(textOf(value)) : numberOf(value);
  if (number === null || !Number.isFinite(number)) return otherwise;
  return whole(Math.trunc(number));
}

function float(value: Value, call: Call, name: string): Value {
  const [otherwise = new Float(0)] = bind(name, call, ['default']);
  defined(value);
  const text = isText(value) ? textOf(strip(value, undefined, 'both')) : null;
  const number = text === null ? numberOf(value) : toNumber(text);
  if (number === null || (Number.isNaN(number) && text !== null && !/nan/i.test(text))) return otherwise;
  return new Float(number);
}

function indent(value: Value, call: Call, name: string): Value {
  const [width = 4, isFirst = false, isBlank = false] = bind(name, call, ['width', 'first', 'blank']);
  if (!isText(value)) throw new RangeError(`can only indent a text, not a ${typeOf(value)}`);
  const count = isText(width) ? 0 : wholeArgument(width, 4);
  checkLength(count, 65_536);
  const margin: Text = isText(width) ? width : ' '.repeat(Math.max(0, count));
  const lines = splitLines(joined([value, '\n']));
  checkLength(textOf(value).length + lines.length * textOf(margin).length);
  const laid = lines.flatMap((line, i): Text[] => {
    const isIndented = i === 0 ? truth(isFirst) : truth(isBlank) || textOf(line) !== '';
    return [...(i > 0 ? ['\n'] : []), ...(isIndented ? [margin] : []), line];
  });
  return joined(laid);
}

function truncate(value: Value, call: Call, name: string): Value {
  const [length, killWords = false, end = '...', leeway] = bind(name, call, ['length', 'killwords', 'end', 'leeway']);
  if (!isText(value) || !isText(end)) throw new RangeError('can only truncate a text');
  const most = wholeArgument(length, 255);
  if (most < pointLength(textOf(end))) throw new RangeError(`expected length >= ${pointLength(textOf(end))}, got ${most}`);
  if (pointLength(textOf(value)) <= most + wholeArgument(leeway ?? undefined, 5)) return value;
  const kept = pointPart(value, 0, most - pointLength(textOf(end)));
  const last = textOf(kept).lastIndexOf(' ');
  return joined([truth(killWords) || last < 0 ? kept : pointPart(kept, 0, pointLength(textOf(kept).slice(0, last))), end]);
}

function tojson(value: Value, call: Call, name: string): Value {
  const [ascii = false, wanted = null, separators = null, isSorted = false] = bind(name, call, ['ensure_ascii', 'indent', 'separators', 'sort_keys']);
  const margin = wanted === null ? null : isText(wanted) ? textOf(wanted) : ' '.repeat(Math.min(1_000, Math.max(0, wholeArgument(wanted, 0))));
  const own = separators === null ? [margin === null ? ', ' : ',', ': '] : [...itemsOf(separators)].map((item) => textOf(str(item)));
  const [comma = ', ', colon = ': '] = own;
  return json(value, { ascii: truth(ascii), indent: margin, separators: [comma, colon], sorted: truth(isSorted) });
}

function* batches(items: readonly Value[], count: number, fill: Value): Generator<Value> {
  for (let at = 0; at < items.length; at += count) {
    const own = items.slice(at, at + count);
    yield fill === null ? own : [...own, ...Array.from({ length: count - own.length }, () => fill)];
  }
}

function* slices(items: readonly Value[], count: number, fill: Value): Generator<Value> {
  const [each, extra] = [Math.floor(items.length / count), items.length % count];
  for (let i = 0, at = 0; i < count; i++) {
    const own = items.slice(at, at + each + (i < extra ? 1 : 0));
    at += own.length;
    yield fill !== null && i >= extra ? [...own, fill] : own;
  }
}

function map(value: Value, { args, named }: Call): Value {
  const [name, ...rest] = args;
  if (name === undefined) {
    const { attribute, default: otherwise = null, ...others } = Object.fromEntries(named);
    const [unknown] = Object.keys(others);
    if (attribute === undefined || unknown !== undefined) throw new RangeError(unknown === undefined ? 'map requires a filter argument' : `Unexpected keyword argument '${unknown}'`);
    const key = getter(attribute, otherwise);
    return lazily(function* () {
      for (const item of itemsOf(value)) yield key(item);
    });
  }
  const own = isText(name) ? textOf(name) : '';
  const filter = Object.hasOwn(FILTERS, own) ? FILTERS[own] : undefined;
  if (!filter) throw new RangeError(`map: the filter ${JSON.stringify(own)} is not supported or no filter`);
  return lazily(function* () {
    for (const item of itemsOf(value)) yield filter(item, { args: rest, named }, own);
  });
}

const count = plain(lengthOf);
const fallback: Filter = (value, call, name) => {
  const [otherwise = '', isForFalse = false] = bind(name, call, ['default_value', 'boolean']);
  return value instanceof Undefined || (truth(isForFalse) && !truth(value)) ? otherwise : value;
};

export const FILTERS: Readonly<Record<string, Filter>> = {
  abs: plain((value) => {
    const number = numberOf(value);
    if (number === null) throw new RangeError(`bad operand type for abs(): '${typeOf(value)}'`);
    return value instanceof Float ? new Float(Math.abs(number)) : Math.abs(number);
  }),
  attr(value, call, name) {
    const own = textOf(str(bind(name, call, ['name'], 1)[0] ?? null));
    const found = attributeOf(value, own);
    return value instanceof Dict && value.get(own) === found ? new Undefined(`'dict object' has no attribute '${own}'`) : found;
  },
  batch(value, call, name) {
    const [size, fill = null] = bind(name, call, ['linecount', 'fill_with'], 1);
    const each = wholeArgument(size, 1);
    if (each < 1) throw new RangeError('batches of none are not supported');
    checkLength(each, MAX_LIST_LENGTH);
    return lazily(() => batches([...itemsOf(value)], each, fill));
  },
  capitalize: plain((value) => capitalize(str(value))),
  center: (value, call, name) => center(str(value), bind(name, call, ['width'])[0] ?? 80),
  count,
  d: fallback,
  default: fallback,
  dictsort(value, call, name) {
    const [isCased = false, by = 'key', isReversed = false] = bind(name, call, ['case_sensitive', 'by', 'reverse']);
    if (!(value instanceof Dict)) throw new RangeError(`can only sort a mapping, not a ${typeOf(value)}`);
    const at = ['key', 'value'].indexOf(textOf(str(by)));
    if (at < 0) throw new RangeError('You can only sort by either "key" or "value"');
    return sorted(pairsOf(value), ({ items }) => (truth(isCased) ? (items[at] ?? null) : uncased(items[at] ?? null)), truth(isReversed));
  },
  first: plain((value) => {
    for (const item of itemsOf(value)) return item;
    return new Undefined('No first item, sequence was empty.');
  }),
  float,
  format(value, { args, named }) {
    if (args.length > 0 && named.size > 0) throw new RangeError("can't handle positional and keyword arguments at the same time");
    return percentFormat(str(value), named.size > 0 ? new Dict(named) : new Row('tuple', args));
  },
  groupby(value, call, name) {
    const [attribute, otherwise = null, isCased = false] = bind(name, call, ['attribute', 'default', 'case_sensitive'], 1);
    const key = getter(attribute, otherwise);
    const keyFor = (item: Value) => (truth(isCased) ? key(item) : uncased(key(item)));
    const groups: { key: Value; items: Value[] }[] = [];
    for (const item of sorted([...itemsOf(value)], keyFor, false)) {
      const last = groups.at(-1);
      if (last && equal(last.key, keyFor(item))) last.items.push(item);
      else groups.push({ key: keyFor(item), items: [item] });
    }
    return groups.map(({ items }) => new Row('tuple', [key(items[0] ?? null), items], { fields: ['grouper', 'list'] }));
  },
  indent,
  int,
  items: plain((value) => {
    if (!(value instanceof Dict) && !(value instanceof Undefined)) throw new RangeError('Can only get item pairs from a mapping.');
    return lazily(function* () {
      if (value instanceof Dict) yield* pairsOf(value);
    });
  }),
  join(value, call, name) {
    const [separator = '', attribute] = bind(name, call, ['d', 'attribute']);
    const key = getter(attribute);
    return join(str(separator), [...itemsOf(value)].map((item) => str(key(item))));
  },
  last: plain((value) => {
    if (value instanceof Lazy) throw new RangeError("'generator' object is not reversible");
    const item = [...itemsOf(value)].at(-1);
    return item === undefined ? new Undefined('No last item, sequence was empty.') : item;
  }),
  length: count,
  list: plain((value) => [...itemsOf(value)]),
  lower: plain((value) => lower(str(value))),
  map,
  max: extreme(1),
  min: extreme(-1),
  reject: selecting(false, false),
  rejectattr: selecting(false, true),
  replace(value, call, name) {
    const [from, to, most] = bind(name, call, ['old', 'new', 'count'], 2);
    return replace(str(value), textOf(str(from ?? null)), str(to ?? null), most === null ? -1 : wholeArgument(most, -1));
  },
  reverse: plain((value) => {
    if (isText(value)) return joined(points(value).reverse());
    const items = [...itemsOf(value)].reverse();
    if (value instanceof Lazy || value instanceof Undefined) return items;
    return lazily(function* () {
      yield* items;
    });
  }),
  round,
  select: selecting(true, false),
  selectattr: selecting(true, true),
  slice(value, call, name) {
    const [size, fill = null] = bind(name, call, ['slices', 'fill_with'], 1);
    const into = wholeArgument(size, 1);
    if (into < 1) throw new RangeError('slices of none are not supported');
    checkLength(into, MAX_LIST_LENGTH);
    return lazily(() => slices([...itemsOf(value)], into, fill));
  },
  sort(value, call, name) {
    const [isReversed = false, isCased = false, attribute = null] = bind(name, call, ['reverse', 'case_sensitive', 'attribute']);
    const keys = (isText(attribute) ? textOf(attribute).split(',') : [attribute]).map((own) => getter(own));
    const keyFor = (item: Value): Value => keys.map((key) => (truth(isCased) ? key(item) : uncased(key(item))));
    return sorted([...itemsOf(value)], keyFor, truth(isReversed));
  },
  string: plain(str),
  sum(value, call, name) {
    const [attribute, start = 0] = bind(name, call, ['attribute', 'start']);
    const key = getter(attribute);
    let total = start;
    if (isText(total)) throw new RangeError("sum() can't sum strings [use ''.join(seq) instead]");
    for (const item of itemsOf(value)) total = arithmetic('+', total, key(item));
    return total;
  },
  title: plain((value) => {
    const own = str(value);
    const text = textOf(own).replace(/[^-\s({[<]+/gu, (word) => {
      const [first = '', ...rest] = word;
      return first.toUpperCase() + rest.join('').toLowerCase();
    });
    return derived(text, own);
  }),
  tojson,
  trim: (value, call, name) => strip(str(value), bind(name, call, ['chars'])[0], 'both'),
  truncate,
  unique(value, call, name) {
    const [isCased = false, attribute] = bind(name, call, ['case_sensitive', 'attribute']);
    const key = getter(attribute);
    return lazily(function* () {
      const seen = new Set<string>();
      for (const item of itemsOf(value)) {
        const own = keyOf(truth(isCased) ? key(item) : uncased(key(item)));
        if (!seen.has(own)) yield item;
        seen.add(own);
      }
    });
  },
  upper: plain((value) => upper(str(value))),
  wordcount: plain((value) => (textOf(str(value)).match(/[\p{L}\p{N}_]+/gu) ?? []).length),
};

/** Applies a filter that the parser knew. */
export function applyFilter(name: string, value: Value, call: Call = NONE): Value {
  const filter = FILTERS[name];
  if (!filter) throw new RangeError(`the filter ${JSON.stringify(name)} is not supported or no filter`);
  if (isList(value) || isTuple(value)) checkLength(lengthOf(value), MAX_LIST_LENGTH);
  return filter(value, call, name);
}
