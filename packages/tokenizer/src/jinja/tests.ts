/** Jinja's tests, `value is name(...)`. */

import { isText, textOf } from './marked.ts';
import { arithmetic } from './operators.ts';
import { str } from './printing.ts';
import { hasCase } from './strings.ts';
import { bind, Callable, compare, contains, Dict, equal, Float, isList, Lazy, numberOf, Row, Undefined, type Call, type Value } from './values.ts';

type Test = (value: Value, call: Call, name: string) => boolean;

const plain = (test: (value: Value) => boolean): Test => (value, call, name) => (bind(name, call, []), test(value));
const binary = (test: (value: Value, other: Value) => boolean): Test => (value, call, name) => test(value, bind(name, call, ['other'], 1)[0] ?? null);
const remainder = (value: Value, by: number) => numberOf(arithmetic('%', value, by));
const equals = binary(equal);
const differs = binary((value, other) => !equal(value, other));
const greater = binary((value, other) => compare(value, other, '>') > 0);
const less = binary((value, other) => compare(value, other, '<') < 0);
const atLeast = binary((value, other) => compare(value, other, '>=') >= 0);
const atMost = binary((value, other) => compare(value, other, '<=') <= 0);

export const TESTS: Readonly<Record<string, Test>> = {
  boolean: plain((value) => typeof value === 'boolean'),
  callable: plain((value) => value instanceof Callable || value instanceof Undefined),
  defined: plain((value) => !(value instanceof Undefined)),
  divisibleby: binary((value, other) => numberOf(arithmetic('%', value, other)) === 0),
  eq: equals,
  equalto: equals,
  even: plain((value) => remainder(value, 2) === 0),
  false: plain((value) => value === false),
  float: plain((value) => value instanceof Float),
  ge: atLeast,
  greaterthan: greater,
  gt: greater,
  in: binary((value, other) => contains(other, value)),
  integer: plain((value) => typeof value === 'number'),
  iterable: plain((value) => isText(value) || isList(value) || value instanceof Row || value instanceof Dict || value instanceof Lazy || value instanceof Undefined),
  le: atMost,
  lessthan: less,
  lower: plain((value) => hasCase(textOf(str(value)), 'lower')),
  lt: less,
  mapping: plain((value) => value instanceof Dict),
  ne: differs,
  none: plain((value) => value === null),
  number: plain((value) => numberOf(value) !== null),
  odd: plain((value) => remainder(value, 2) === 1),
  sameas: binary((value, other) => {
    if (value === null || typeof value === 'boolean' || other === null || typeof other === 'boolean') return value === other;
    throw new RangeError("the test 'sameas' is supported for none, true and false only");
  }),
  sequence: plain((value) => isText(value) || isList(value) || value instanceof Dict || value instanceof Undefined || (value instanceof Row && (value.kind === 'tuple' || value.kind === 'range'))),
  string: plain(isText),
  true: plain((value) => value === true),
  undefined: plain((value) => value instanceof Undefined),
  upper: plain((value) => hasCase(textOf(str(value)), 'upper')),
};
/** By their operators too, which the filters that select name as texts. */
export const OPERATOR_TESTS: Readonly<Record<string, Test>> = { '==': equals, '!=': differs, '>': greater, '>=': atLeast, '<': less, '<=': atMost };
