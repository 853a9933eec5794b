/** Methods of Python's `str`. Positions are code points; marks stay where they can. */

import { braceFormat } from './formats.ts';
import { SPACE } from './lexer.ts';
import { derived, isText, joined, part, textOf, type Text } from './marked.ts';
import { bind, Callable, isTuple, itemsOf, pointLength, pointPart, points, Row, truth, typeOf, wholeOf, type Call, type Value } from './values.ts';

const MAX_WIDTH = 65_536;
const MAX_LENGTH = 4_194_304;
const IS_SPACE = new RegExp(`^[${SPACE}]$`);

/** A method of a text, undefined where Python has none. Throws for one that is not supported. */
export function textMethod(text: Text, name: string): Callable | undefined {
  if (REFUSED.includes(name)) throw new RangeError(`the method '${name}' of 'str' is not supported`);
  const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
  return method && new Callable(name, (call) => method(text, call, name));
}

const REFUSED = ['casefold', 'encode', 'expandtabs', 'format_map', 'isidentifier', 'isprintable', 'istitle', 'maketrans', 'translate'];

function textArgument(value: Value | undefined, name: string): string {
  if (value !== undefined && isText(value)) return textOf(value);
  throw new RangeError(`${name}() argument must be str, not ${value === undefined ? 'missing' : typeOf(value)}`);
}

function wholeArgument(value: Value | undefined, otherwise: number): number {
  if (value === undefined) return otherwise;
  const number = wholeOf(value);
  if (number === null) throw new RangeError(`'${typeOf(value)}' object cannot be interpreted as an integer`);
  return number;
}

/** Without the characters named, white space where none are, at one end or both. */
export function strip(text: Text, chars: Value | undefined, side: 'both' | 'left' | 'right'): Text {
  const own = textOf(text);
  const set = chars === undefined || chars === null ? null : new Set(textArgument(chars, 'strip'));
  const isStripped = (letter: string) => (set ? set.has(letter) : IS_SPACE.test(letter));
  let [start, end] = [0, own.length];
  if (side !== 'right') for (const letter of own) {
    if (!isStripped(letter)) break;
    start += letter.length;
  }
  if (side !== 'left') {
    while (end > start) {
      const last = /[\udc00-\udfff]/.test(own.charAt(end - 1)) && end - start > 1 ? own.slice(end - 2, end) : own.charAt(end - 1);
      if (!isStripped(last)) break;
      end -= last.length;
    }
  }
  return part(text, start, end);
}

function split(text: Text, separator: Value | undefined, limit: number): Text[] {
  const own = textOf(text);
  const most = limit < 0 ? Infinity : limit;
  const pieces: Text[] = [];
  if (separator === undefined || separator === null) {
    const words = new RegExp(`[^${SPACE}]+`, 'g');
    for (let match = words.exec(own); match; match = words.exec(own)) {
      if (pieces.length === most) return [...pieces, part(text, match.index, own.length)];
      pieces.push(part(text, match.index, match.index + match[0].length));
    }
    return pieces;
  }
  const mark = textArgument(separator, 'split');
  if (mark === '') throw new RangeError('empty separator');
  let at = 0;
  for (let found = own.indexOf(mark); found >= 0 && pieces.length < most; found = own.indexOf(mark, at)) {
    pieces.push(part(text, at, found));
    at = found + mark.length;
  }
  return [...pieces, part(text, at, own.length)];
}

function splitFromEnd(text: Text, separator: Value | undefined, limit: number): Text[] {
  if (limit < 0) return split(text, separator, limit);
  const own = textOf(text);
  const pieces: Text[] = [];
  let end = own.length;
  if (separator === undefined || separator === null) {
    let rest = strip(text, undefined, 'right');
    while (pieces.length < limit && textOf(rest) !== '') {
      const word = new RegExp(`[^${SPACE}]+$`).exec(textOf(rest));
      if (!word) break;
      pieces.unshift(part(rest, word.index, textOf(rest).length));
      rest = strip(part(rest, 0, word.index), undefined, 'right');
    }
    return textOf(rest) === '' ? pieces : [rest, ...pieces];
  }
  const mark = textArgument(separator, 'rsplit');
  if (mark === '') throw new RangeError('empty separator');
  while (pieces.length < limit && end >= mark.length) {
    const found = own.lastIndexOf(mark, end - mark.length);
    if (found < 0) break;
    pieces.unshift(part(text, found + mark.length, end));
    end = found;
  }
  return [part(text, 0, end), ...pieces];
}

export function replace(text: Text, from: string, to: Text, count: number): Text {
  const own = textOf(text);
  const most = count < 0 ? Infinity : count;
  const places: number[] = [];
  if (from === '') {
    let at = 0;
    if (most > 0) places.push(0);
    for (const letter of own) {
      at += letter.length;
      if (places.length < most) places.push(at);
    }
  } else {
    for (let at = own.indexOf(from); at >= 0 && places.length < most; at = own.indexOf(from, at + from.length)) places.push(at);
  }
  if (own.length + places.length * textOf(to).length > MAX_LENGTH) throw new RangeError(`writes more than ${MAX_LENGTH} characters`);
  const parts: Text[] = [];
  let at = 0;
  for (const place of places) {
    parts.push(part(text, at, place), to);
    at = place + from.length;
  }
  return joined([...parts, part(text, at, own.length)]);
}

/** Lines with or without their ends, which are those of Python. */
export function splitLines(text: Text, keepEnds = false): Text[] {
  const own = textOf(text);
  const lines: Text[] = [];
  let at = 0;
  // oxlint-disable-next-line no-control-regex
  for (const { 0: end, index } of own.matchAll(/\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g)) {
    lines.push(part(text, at, keepEnds ? index + end.length : index));
    at = index + end.length;
  }
  return at < own.length ? [...lines, part(text, at, own.length)] : lines;
}

/** Lower case; a lone sigma at a word's end is the runtime's, as Python's. */
export function lower(text: Text): Text {
  return derived(textOf(text).toLowerCase(), text);
}

export function upper(text: Text): Text {
  return derived(textOf(text).toUpperCase(), text);
}

export function capitalize(text: Text): Text {
  const [first = '', ...rest] = textOf(text);
  return derived(first.toUpperCase() + rest.join('').toLowerCase(), text);
}

/** Every run of letters in title case. */
function title(text: Text): Text {
  return derived(textOf(text).replace(/\p{Cased}(?:\p{Cased}|\p{Case_Ignorable}(?=\p{Case_Ignorable}*\p{Cased}))*/gu, (run) => {
    let isFirst = true;
    return Array.from(run, (letter) => {
      if (!/\p{Cased}/u.test(letter)) {
        isFirst = true;
        return letter;
      }
      const own = isFirst ? letter.toUpperCase() : letter.toLowerCase();
      isFirst = false;
      return own;
    }).join('');
  }), text);
}

function swapCase(text: Text): Text {
  return derived(Array.from(textOf(text), (letter) => (letter === letter.toUpperCase() ? letter.toLowerCase() : letter.toUpperCase())).join(''), text);
}

function justified(text: Text, call: Call, name: string): Text {
  const [width, fill = ' '] = bind(name, call, ['width', 'fillchar'], 1);
  const own = textArgument(fill, name);
  if (pointLength(own) !== 1) throw new RangeError('The fill character must be exactly one character long');
  const wanted = wholeArgument(width, 0);
  if (wanted > MAX_WIDTH) throw new RangeError('computes too much');
  const missing = Math.max(0, wanted - pointLength(textOf(text)));
  const length = missing + pointLength(textOf(text));
  // Which side has one more is decided as CPython decides it.
  const left = name === 'rjust' ? missing : name === 'center' ? Math.floor(missing / 2) + (missing & length & 1) : 0;
  return joined([own.repeat(left), text, own.repeat(missing - left)]);
}

export function center(text: Text, width: Value): Text {
  return justified(text, { args: [width], named: new Map() }, 'center');
}

function affixed(text: Text, call: Call, name: string): boolean {
  const [wanted = null, start, end] = bind(name, call, ['prefix', 'start', 'end'], 1);
  const own = textOf(pointPart(text, ...range(text, start, end)));
  const affixes = isTuple(wanted) ? wanted.items : [wanted];
  return affixes.some((affix) => {
    const other = textArgument(affix, name);
    return name === 'startswith' ? own.startsWith(other) : own.endsWith(other);
  });
}

function range(text: Text, start: Value | undefined, end: Value | undefined): [number, number] {
  const length = pointLength(textOf(text));
  const place = (value: Value | undefined, otherwise: number) => {
    const at = value === null ? otherwise : wholeArgument(value, otherwise);
    return Math.min(length, Math.max(0, at < 0 ? at + length : at));
  };
  return [place(start, 0), place(end, length)];
}

function find(text: Text, call: Call, name: string): number {
  const [wanted, start, end] = bind(name, call, ['sub', 'start', 'end'], 1);
  const other = textArgument(wanted, name);
  const [from, until] = range(text, start, end);
  const own = textOf(pointPart(text, from, until));
  if (name === 'count') return other === '' ? pointLength(own) + 1 : own.split(other).length - 1;
  const at = name.startsWith('r') ? own.lastIndexOf(other) : own.indexOf(other);
  if (at < 0 && name.endsWith('index')) throw new RangeError('substring not found');
  return at < 0 ? -1 : from + pointLength(own.slice(0, at));
}

function partition(text: Text, call: Call, name: string): Row {
  const [separator] = bind(name, call, ['sep'], 1);
  const mark = textArgument(separator, name);
  if (mark === '') throw new RangeError('empty separator');
  const own = textOf(text);
  const at = name === 'partition' ? own.indexOf(mark) : own.lastIndexOf(mark);
  if (at < 0) return new Row('tuple', name === 'partition' ? [text, '', ''] : ['', '', text]);
  return new Row('tuple', [part(text, 0, at), part(text, at, at + mark.length), part(text, at + mark.length, own.length)]);
}

/** Whether there are letters and all match. */
const all = (pattern: RegExp) => (text: Text, call: Call, name: string): boolean => {
  bind(name, call, []);
  return textOf(text) !== '' && points(text).every((letter) => pattern.test(textOf(letter)));
};
/** Whether letters with a case are there, and all of that case. */
export function hasCase(text: Text, wanted: 'upper' | 'lower'): boolean {
  const other = wanted === 'upper' ? /\p{Lowercase}|\p{Lt}/u : /\p{Uppercase}|\p{Lt}/u;
  const own = wanted === 'upper' ? /\p{Uppercase}/u : /\p{Lowercase}/u;
  return own.test(textOf(text)) && !other.test(textOf(text));
}

const simple = (change: (text: Text) => Value) => (text: Text, call: Call, name: string): Value => {
  bind(name, call, []);
  return change(text);
};
const stripping = (side: 'both' | 'left' | 'right') => (text: Text, call: Call, name: string): Text => strip(text, bind(name, call, ['chars'])[0], side);

export function join(separator: Text, items: Iterable<Value>): Text {
  const parts: Text[] = [];
  let length = 0;
  for (const item of items) {
    if (!isText(item)) throw new RangeError(`sequence item ${parts.length}: expected str instance, ${typeOf(item)} found`);
    length += textOf(item).length + textOf(separator).length;
    if (length > MAX_LENGTH) throw new RangeError(`writes more than ${MAX_LENGTH} characters`);
    parts.push(item);
  }
  return joined(parts.flatMap((item, i) => (i === 0 ? [item] : [separator, item])));
}

const METHODS: Readonly<Record<string, (text: Text, call: Call, name: string) => Value>> = {
  capitalize: simple(capitalize),
  center: justified,
  count: find,
  endswith: affixed,
  find,
  format: braceFormat,
  index: find,
  isalnum: all(/[\p{L}\p{N}]/u),
  isalpha: all(/\p{L}/u),
  isascii: simple((text) => points(text).every((letter) => textOf(letter) <= '\x7f')),
  isdecimal: all(/\p{Nd}/u),
  isdigit: all(/[\p{Nd}\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089]/u),
  islower: simple((text) => hasCase(text, 'lower')),
  isnumeric: all(/\p{N}/u),
  isspace: all(IS_SPACE),
  isupper: simple((text) => hasCase(text, 'upper')),
  join: (text, call, name) => join(text, itemsOf(bind(name, call, ['iterable'], 1)[0] ?? null)),
  ljust: justified,
  lower: simple(lower),
  lstrip: stripping('left'),
  partition,
  removeprefix(text, call, name) {
    const prefix = textArgument(bind(name, call, ['prefix'], 1)[0], name);
    return textOf(text).startsWith(prefix) ? part(text, prefix.length, textOf(text).length) : text;
  },
  removesuffix(text, call, name) {
    const suffix = textArgument(bind(name, call, ['suffix'], 1)[0], name);
    return suffix !== '' && textOf(text).endsWith(suffix) ? part(text, 0, textOf(text).length - suffix.length) : text;
  },
  replace(text, call, name) {
    const [from, to, count] = bind(name, call, ['old', 'new', 'count'], 2);
    textArgument(to, name);
    return replace(text, textArgument(from, name), to as Text, wholeArgument(count, -1));
  },
  rfind: find,
  rindex: find,
  rjust: justified,
  rpartition: partition,
  rsplit(text, call, name) {
    const [separator, limit] = bind(name, call, ['sep', 'maxsplit']);
    return splitFromEnd(text, separator, wholeArgument(limit, -1));
  },
  rstrip: stripping('right'),
  split(text, call, name) {
    const [separator, limit] = bind(name, call, ['sep', 'maxsplit']);
    return split(text, separator, wholeArgument(limit, -1));
  },
  splitlines: (text, call, name) => splitLines(text, truth(bind(name, call, ['keepends'])[0] ?? false)),
  startswith: affixed,
  strip: stripping('both'),
  swapcase: simple(swapCase),
  title: simple(title),
  upper: simple(upper),
  zfill(text, call, name) {
    const width = wholeArgument(bind(name, call, ['width'], 1)[0], 0);
    if (width > MAX_WIDTH) throw new RangeError('computes too much');
    const sign = /^[+-]/.test(textOf(text)) ? 1 : 0;
    const zeros = '0'.repeat(Math.max(0, width - pointLength(textOf(text))));
    return joined([part(text, 0, sign), zeros, part(text, sign, textOf(text).length)]);
  },
};
