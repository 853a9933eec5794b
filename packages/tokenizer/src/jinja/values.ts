/** What a template computes with: Python's values as far as templates have them. */

import { isText, Marked, part, textOf, type Text } from './marked.ts';

/** A Python float; numbers are whole ones. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** What a name or attribute that is not there gives: no text, false, nothing to go over, and an error for any other use. */
export class Undefined {
  readonly problem: string;

  constructor(problem: string) {
    this.problem = problem;
  }
}

/** Values in a row that is no list: a tuple, a range, or what a mapping gives. `label` is how it prints, where not as a tuple. */
export class Row {
  readonly kind: 'tuple' | 'range' | 'dict_keys' | 'dict_values' | 'dict_items';
  readonly items: readonly Value[];
  readonly label: string | null;
  readonly fields: readonly string[];

  constructor(kind: Row['kind'], items: readonly Value[], { label = null, fields = [] }: { readonly label?: string | null; readonly fields?: readonly string[] } = {}) {
    this.kind = kind;
    this.items = items;
    this.label = label;
    this.fields = fields;
  }
}

/** What can be gone over once, as a Python generator. */
export class Lazy {
  readonly items: Iterator<Value>;

  constructor(items: Iterator<Value>) {
    this.items = items;
  }
}

/** Arguments of a call. */
export interface Call {
  readonly args: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

/** A function, method or macro. */
export class Callable {
  readonly name: string;
  readonly call: (call: Call) => Value;

  constructor(name: string, call: (call: Call) => Value) {
    this.name = name;
    this.call = call;
  }
}

/** A thing of the template with attributes: a namespace, or a loop. */
export class Thing {
  readonly kind: 'Namespace' | 'LoopContext';
  readonly attributes: Map<string, Value>;

  constructor(kind: Thing['kind'], attributes: Map<string, Value>) {
    this.kind = kind;
    this.attributes = attributes;
  }
}

export type Value = null | boolean | number | Text | Float | Undefined | readonly Value[] | Row | Dict | Lazy | Callable | Thing;

/** A mapping in the order of its keys. `message` is the index of the message that it is. */
export class Dict {
  readonly #entries = new Map<string, readonly [Value, Value]>();
  readonly message: number | null;

  constructor(entries: Iterable<readonly [Value, Value]> = [], message: number | null = null) {
    this.message = message;
    for (const [key, value] of entries) {
      const own = keyOf(key);
      this.#entries.set(own, [this.#entries.get(own)?.[0] ?? key, value]);
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(keyOf(key))?.[1];
  }

  has(key: Value): boolean {
    return this.#entries.has(keyOf(key));
  }

  entries(): (readonly [Value, Value])[] {
    return [...this.#entries.values()];
  }

  keys(): Value[] {
    return this.entries().map(([key]) => key);
  }

  values(): Value[] {
    return this.entries().map(([, value]) => value);
  }
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isTuple(value: Value): value is Row {
  return value instanceof Row && value.kind === 'tuple';
}

/** Python's name of a value's type. */
export function typeOf(value: Value): string {
  if (value === null) return 'NoneType';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return 'int';
  if (isText(value)) return 'str';
  if (isList(value)) return 'list';
  if (value instanceof Row || value instanceof Thing) return value.kind;
  if (value instanceof Dict) return 'dict';
  if (value instanceof Float) return 'float';
  if (value instanceof Undefined) return 'Undefined';
  return value instanceof Lazy ? 'generator' : 'function';
}

/** Throws what using an undefined value throws. */
export function defined(value: Value): void {
  if (value instanceof Undefined) throw new RangeError(value.problem);
}

/** The number that a value is in arithmetic: booleans are 0 and 1. */
export function numberOf(value: Value): number | null {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return Number(value);
  return value instanceof Float ? value.value : null;
}

/** A whole number, or a boolean as one. */
export function wholeOf(value: Value): number | null {
  return value instanceof Float ? null : numberOf(value);
}

/** Whole numbers are computed exactly or not at all. */
export function whole(value: number): number {
  if (!Number.isSafeInteger(value)) throw new RangeError('it computes a whole number beyond 2^53, which is not supported');
  return value === 0 ? 0 : value;
}

export function truth(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false;
  if (isText(value)) return textOf(value) !== '';
  const number = numberOf(value);
  if (number !== null) return number !== 0;
  if (isList(value)) return value.length > 0;
  if (value instanceof Row) return value.items.length > 0;
  return value instanceof Dict ? value.size > 0 : true;
}

/** What equal keys of a mapping have in common. Throws for what is no key. */
export function keyOf(value: Value): string {
  if (isText(value)) return `s${textOf(value)}`;
  const number = numberOf(value);
  if (number !== null) return `n${number}`;
  if (value === null) return 'none';
  if (value instanceof Undefined) return 'undefined';
  if (isTuple(value)) return `t${JSON.stringify(value.items.map(keyOf))}`;
  throw new RangeError(`unhashable type: '${typeOf(value)}'`);
}

export function equal(a: Value, b: Value): boolean {
  if (isText(a) || isText(b)) return isText(a) && isText(b) && textOf(a) === textOf(b);
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== null || y !== null) return x === y;
  if (a instanceof Undefined) return b instanceof Undefined;
  const allEqual = (left: readonly Value[], right: readonly Value[]) => left.length === right.length && left.every((item, i) => equal(item, right[i] ?? null));
  if (isList(a)) return isList(b) && allEqual(a, b);
  if (a instanceof Row && (a.kind === 'tuple' || a.kind === 'range')) return b instanceof Row && b.kind === a.kind && allEqual(a.items, b.items);
  if (a instanceof Dict) {
    if (!(b instanceof Dict) || a.size !== b.size) return false;
    return a.entries().every(([key, value]) => b.has(key) && equal(value, b.get(key) ?? null));
  }
  return a === b;
}

/** -1, 0 or 1. Throws where Python has no order. */
export function compare(a: Value, b: Value, operator = '<'): number {
  defined(a);
  defined(b);
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== null && y !== null) return x < y ? -1 : x > y ? 1 : x === y ? 0 : Number.NaN;
  if (isText(a) && isText(b)) return compareTexts(textOf(a), textOf(b));
  const [left, right] = isList(a) && isList(b) ? [a, b] : isTuple(a) && isTuple(b) ? [a.items, b.items] : [null, null];
  if (!left || !right) throw new RangeError(`'${operator}' not supported between instances of '${typeOf(a)}' and '${typeOf(b)}'`);
  for (const [i, item] of left.entries()) {
    const other = right[i];
    if (other === undefined) return 1;
    if (!equal(item, other)) return compare(item, other, operator);
  }
  return left.length < right.length ? -1 : 0;
}

/** By code points, which UTF-16 does not order so. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  if (!hasSurrogates(a) && !hasSurrogates(b)) return a < b ? -1 : 1;
  const [x, y] = [Array.from(a), Array.from(b)];
  for (const [i, letter] of x.entries()) {
    const other = y[i];
    if (other === undefined) return 1;
    if (letter !== other) return (letter.codePointAt(0) ?? 0) - (other.codePointAt(0) ?? 0) < 0 ? -1 : 1;
  }
  return -1;
}

function hasSurrogates(text: string): boolean {
  return /[\ud800-\udfff]/.test(text);
}

/** Letters of a text, in code points. */
export function pointLength(text: string): number {
  return hasSurrogates(text) ? Array.from(text).length : text.length;
}

/** The letters of a text with their marks. */
export function points(text: Text): Text[] {
  const letters: Text[] = [];
  let at = 0;
  for (const letter of textOf(text)) {
    letters.push(text instanceof Marked ? part(text, at, at + letter.length) : letter);
    at += letter.length;
  }
  return letters;
}

/** The part of a text between two of its code points. */
export function pointPart(text: Text, start: number, end: number): Text {
  const own = textOf(text);
  if (!hasSurrogates(own)) return part(text, start, Math.max(start, end));
  const letters = Array.from(own);
  const from = letters.slice(0, start).join('').length;
  return part(text, from, from + letters.slice(start, Math.max(start, end)).join('').length);
}

export function lengthOf(value: Value): number {
  if (isText(value)) return pointLength(textOf(value));
  if (isList(value)) return value.length;
  if (value instanceof Row) return value.items.length;
  if (value instanceof Dict) return value.size;
  if (value instanceof Undefined) return 0;
  throw new RangeError(`object of type '${typeOf(value)}' has no len()`);
}

/** What a loop goes over. Throws for what has no items. */
export function itemsOf(value: Value): Iterable<Value> {
  if (isList(value)) return value;
  if (value instanceof Row) return value.items;
  if (value instanceof Dict) return value.keys();
  if (isText(value)) return points(value);
  if (value instanceof Undefined) return [];
  if (value instanceof Lazy) return { [Symbol.iterator]: () => value.items };
  throw new RangeError(`'${typeOf(value)}' object is not iterable`);
}

export function contains(container: Value, item: Value): boolean {
  if (isText(container)) {
    if (!isText(item)) throw new RangeError(`'in <string>' requires string as left operand, not ${typeOf(item)}`);
    return textOf(container).includes(textOf(item));
  }
  if (container instanceof Dict) return container.has(item);
  if (container === null || numberOf(container) !== null || container instanceof Thing || container instanceof Callable) {
    throw new RangeError(`argument of type '${typeOf(container)}' is not a container or iterable`);
  }
  for (const own of itemsOf(container)) if (equal(own, item)) return true;
  return false;
}

/**
 * Arguments by their names. Throws for one too many, an unknown name and one of the first `required` that is not given.
 */
export function bind(name: string, { args, named }: Call, parameters: readonly string[], required = 0): (Value | undefined)[] {
  if (args.length > parameters.length) throw new RangeError(`${name}() takes at most ${parameters.length} arguments, got ${args.length}`);
  const bound: (Value | undefined)[] = parameters.map((parameter, i) => {
    if (i < args.length && named.has(parameter)) throw new RangeError(`${name}() got several values for argument '${parameter}'`);
    return i < args.length ? args[i] : named.get(parameter);
  });
  for (const key of named.keys()) if (!parameters.includes(key)) throw new RangeError(`${name}() got an unexpected argument '${key}'`);
  const missing = bound.slice(0, required).indexOf(undefined);
  if (missing >= 0) throw new RangeError(`${name}() is missing the argument '${parameters[missing]}'`);
  return bound;
}
