/** Arithmetic, subscripts and attributes as Python has them. */

import { textMethod } from './strings.ts';
import { isText, joined, textOf, type Text } from './marked.ts';
import {
  bind, Callable, defined, Dict, equal, Float, isList, isTuple, Lazy, lengthOf, numberOf, pointPart, points, Row, Thing, typeOf, Undefined, whole, wholeOf,
  type Value,
} from './values.ts';
import type { ArithmeticOperator } from './nodes.ts';
import { percentFormat } from './formats.ts';

/** Longest text and list that anything may give. */
export const MAX_TEXT_LENGTH = 4_194_304;
export const MAX_LIST_LENGTH = 262_144;

/** Throws where a text would be longer than any may be, before it is made. */
export function checkLength(length: number, most = MAX_TEXT_LENGTH): void {
  if (length > most) throw new RangeError(most === MAX_TEXT_LENGTH ? `writes more than ${MAX_TEXT_LENGTH} characters` : 'computes too much');
}

export function arithmetic(operator: ArithmeticOperator, left: Value, right: Value): Value {
  if (operator === '%' && isText(left)) {
    return percentFormat(left, right);
  }
  defined(left);
  defined(right);
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a !== null && b !== null) return numeric(operator, a, b, left instanceof Float || right instanceof Float);
  if (operator === '+') {
    if (isText(left) && isText(right)) {
      checkLength(textOf(left).length + textOf(right).length);
      return joined([left, right]);
    }
    if (isList(left) && isList(right)) return [...left, ...right];
    if (isTuple(left) && isTuple(right)) return new Row('tuple', [...left.items, ...right.items]);
  }
  if (operator === '*') {
    const [sequence, count] = wholeOf(right) !== null ? [left, wholeOf(right)] : [right, wholeOf(left)];
    if (count !== null) {
      const times = Math.max(0, count);
      if (isText(sequence)) {
        checkLength(textOf(sequence).length * times);
        return joined(Array.from({ length: textOf(sequence) === '' ? 0 : times }, () => sequence));
      }
      const items = isList(sequence) ? sequence : isTuple(sequence) ? sequence.items : null;
      if (items) {
        checkLength(items.length * times, MAX_LIST_LENGTH);
        const all = Array.from({ length: items.length === 0 ? 0 : times }, () => items).flat() as Value[];
        return isList(sequence) ? all : new Row('tuple', all);
      }
    }
  }
  throw new RangeError(`unsupported operand type(s) for ${operator}: '${typeOf(left)}' and '${typeOf(right)}'`);
}

function numeric(operator: ArithmeticOperator, a: number, b: number, isFloat: boolean): Value {
  const result = (value: number): Value => (isFloat ? new Float(value) : whole(value));
  if (b === 0 && (operator === '/' || operator === '//' || operator === '%')) throw new RangeError('division by zero');
  switch (operator) {
    case '+':
      return result(a + b);
    case '-':
      return result(a - b);
    case '*':
      return result(a * b);
    case '/':
      return new Float(a / b);
    case '//':
      return result((a - modulo(a, b)) / b);
    case '%':
      return result(modulo(a, b));
    case '**':
      if (a < 0 && !Number.isInteger(b)) throw new RangeError('it computes a complex number, which is not supported');
      if (a === 0 && b < 0) throw new RangeError('zero to a negative power');
      return isFloat || b < 0 ? new Float(a ** b) : whole(a ** b);
    default:
      return operator satisfies never;
  }
}

/** The remainder with the sign of the divisor. */
function modulo(a: number, b: number): number {
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
}

export function negative(value: Value, sign: 1 | -1): Value {
  defined(value);
  const number = numberOf(value);
  if (number === null) throw new RangeError(`bad operand type for unary ${sign < 0 ? '-' : '+'}: '${typeOf(value)}'`);
  return value instanceof Float ? new Float(sign * number) : whole(sign * number);
}

/** `value[start:stop:step]`. */
export function slice(value: Value, bounds: readonly (Value | null)[]): Value {
  defined(value);
  const items = isList(value) ? value : value instanceof Row && (value.kind === 'tuple' || value.kind === 'range') ? value.items : null;
  if (!items && !isText(value)) throw new RangeError(`'${typeOf(value)}' object is not subscriptable by a slice`);
  const [start, stop, step] = bounds.map((bound) => {
    if (bound === null || wholeOf(bound) !== null) return bound === null ? null : wholeOf(bound);
    throw new RangeError('slice indices must be integers or None or have an __index__ method');
  });
  const length = lengthOf(value);
  const by = step ?? 1;
  if (by === 0) throw new RangeError('slice step cannot be zero');
  const clamp = (place: number) => Math.min(Math.max(place < 0 ? place + length : place, by < 0 ? -1 : 0), by < 0 ? length - 1 : length);
  const from = start === null || start === undefined ? (by < 0 ? length - 1 : 0) : clamp(start);
  const until = stop === null || stop === undefined ? (by < 0 ? -1 : length) : clamp(stop);
  if (isText(value) && by === 1) return pointPart(value, from, until);
  const all: readonly Value[] = items ?? points(value as Text);
  const picked: Value[] = [];
  for (let i = from; by < 0 ? i > until : i < until; i += by) picked.push(all[i] ?? null);
  if (isText(value)) return joined(picked as Text[]);
  if (isList(value)) return picked;
  if (value instanceof Row && value.kind === 'range') throw new RangeError('a slice of a range is not supported');
  return new Row('tuple', picked);
}

function missing(of: Value, name: Value): Undefined {
  const key = isText(name) ? `attribute '${textOf(name)}'` : `element ${String(wholeOf(name) ?? typeOf(name))}`;
  return new Undefined(`'${typeOf(of)} object' has no ${key}`);
}

/** `of[index]`: an item, else an attribute, else undefined. */
export function itemOf(of: Value, index: Value): Value {
  defined(of);
  if (of instanceof Dict) {
    const isKey = isText(index) || index === null || numberOf(index) !== null || isTuple(index) || index instanceof Undefined;
    const found = isKey ? of.get(index) : undefined;
    if (found !== undefined) return found;
  }
  const at = wholeOf(index);
  if (at !== null && (isList(of) || isText(of) || (of instanceof Row && (of.kind === 'tuple' || of.kind === 'range')))) {
    const length = lengthOf(of);
    const place = at < 0 ? at + length : at;
    if (place < 0 || place >= length) return missing(of, index);
    if (isText(of)) return pointPart(of, place, place + 1);
    return (isList(of) ? of[place] : of.items[place]) ?? null;
  }
  const method = isText(index) ? methodOf(of, textOf(index)) : undefined;
  return method === undefined ? missing(of, index) : method;
}

/** `of.name`: an attribute, else an item, else undefined. */
export function attributeOf(of: Value, name: string): Value {
  defined(of);
  const method = methodOf(of, name);
  if (method !== undefined) return method;
  const item = of instanceof Dict ? of.get(name) : undefined;
  return item === undefined ? missing(of, name) : item;
}

const MUTATING: Readonly<Record<string, readonly string[]>> = {
  dict: ['clear', 'pop', 'popitem', 'setdefault', 'update'],
  list: ['append', 'clear', 'extend', 'insert', 'pop', 'remove', 'reverse', 'sort'],
};
/** Attributes that Python has and nothing here. */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  dict: ['fromkeys'],
  int: ['as_integer_ratio', 'bit_count', 'bit_length', 'conjugate', 'denominator', 'from_bytes', 'imag', 'is_integer', 'numerator', 'real', 'to_bytes'],
  float: ['as_integer_ratio', 'conjugate', 'fromhex', 'hex', 'imag', 'is_integer', 'real'],
  range: ['count', 'index', 'start', 'step', 'stop'],
  function: ['arguments', 'caller', 'catch_kwargs', 'catch_varargs', 'explicit_caller', 'name'],
  generator: ['close', 'send', 'throw'],
  dict_keys: ['isdisjoint', 'mapping'],
  dict_items: ['isdisjoint', 'mapping'],
  dict_values: ['mapping'],
};

function methodOf(of: Value, name: string): Value | undefined {
  if (of instanceof Thing) return of.attributes.get(name);
  const type = typeOf(of);
  if (/^__.*__$/.test(name) || MUTATING[type]?.includes(name)) return new Undefined(`access to attribute '${name}' of '${type}' object is unsafe.`);
  const refused = type === 'bool' ? REFUSED['int'] : REFUSED[type];
  if (refused?.includes(name)) throw new RangeError(`the attribute '${name}' of '${type}' is not supported`);
  if (isText(of)) return textMethod(of, name);
  if (of instanceof Dict) return dictMethod(of, name);
  if (of instanceof Row && of.fields.includes(name)) return of.items[of.fields.indexOf(name)];
  const items = isList(of) ? of : isTuple(of) ? of.items : null;
  if (items && name === 'count') {
    return new Callable(name, (call) => {
      const [item = null] = bind(name, call, ['value'], 1);
      return items.filter((own) => equal(own, item)).length;
    });
  }
  if (items && name === 'index') {
    return new Callable(name, (call) => {
      const [item = null] = bind(name, call, ['value'], 1);
      const place = items.findIndex((own) => equal(own, item));
      if (place < 0) throw new RangeError('list.index(x): x not in list');
      return place;
    });
  }
  return isList(of) && name === 'copy' ? new Callable(name, (call) => (bind(name, call, []), [...of])) : undefined;
}

function dictMethod(of: Dict, name: string): Value | undefined {
  switch (name) {
    case 'get':
      return new Callable(name, (call) => {
        const [key = null, otherwise = null] = bind(name, call, ['key', 'default'], 1);
        const found = of.get(key);
        return found === undefined ? otherwise : found;
      });
    case 'keys':
      return new Callable(name, (call) => (bind(name, call, []), new Row('dict_keys', of.keys())));
    case 'values':
      return new Callable(name, (call) => (bind(name, call, []), new Row('dict_values', of.values())));
    case 'items':
      return new Callable(name, (call) => (bind(name, call, []), new Row('dict_items', pairsOf(of))));
    case 'copy':
      return new Callable(name, (call) => (bind(name, call, []), new Dict(of.entries(), of.message)));
    default:
      return undefined;
  }
}

/** Keys and values as tuples. */
export function pairsOf(of: Dict): Row[] {
  return of.entries().map((pair) => new Row('tuple', pair));
}

/** A generator over values that are computed as they are asked for. */
export function lazily(items: () => Generator<Value>): Lazy {
  return new Lazy(items());
}
