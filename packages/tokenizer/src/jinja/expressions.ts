/** Jinja's expressions, with the precedence of jinja2 3.1.6 (parser.py). */

import type { Cursor } from './cursor.ts';
import { FILTERS } from './filters.ts';
import type { Argument, ArithmeticOperator, ComparisonOperator, Expression, FilterCall } from './nodes.ts';
import { TESTS } from './tests.ts';

const COMPARISONS = ['==', '!=', '<', '<=', '>', '>='];
const LITERAL_KINDS = ['name', 'string', 'integer', 'float'];

/** An expression; without `withCondition` not one with `if` at its end. */
export function parseExpression(cursor: Cursor, withCondition = true): Expression {
  return cursor.nested(() => (withCondition ? parseCondition(cursor) : parseOr(cursor)));
}

function parseCondition(cursor: Cursor): Expression {
  let yes = parseOr(cursor);
  while (cursor.skip('name', 'if')) {
    const test = parseOr(cursor);
    const no = cursor.skip('name', 'else') ? cursor.nested(() => parseCondition(cursor)) : null;
    yes = { type: 'condition', test, yes, no };
  }
  return yes;
}

function parseOr(cursor: Cursor): Expression {
  let left = parseAnd(cursor);
  while (cursor.skip('name', 'or')) left = { type: 'or', left, right: parseAnd(cursor) };
  return left;
}

function parseAnd(cursor: Cursor): Expression {
  let left = parseNot(cursor);
  while (cursor.skip('name', 'and')) left = { type: 'and', left, right: parseNot(cursor) };
  return left;
}

function parseNot(cursor: Cursor): Expression {
  if (!cursor.skip('name', 'not')) return parseCompare(cursor);
  return { type: 'not', operand: cursor.nested(() => parseNot(cursor)) };
}

function parseCompare(cursor: Cursor): Expression {
  const first = parseSum(cursor);
  const rest: [ComparisonOperator, Expression][] = [];
  for (;;) {
    if (cursor.is('operator', ...COMPARISONS)) {
      rest.push([cursor.next().text as ComparisonOperator, parseSum(cursor)]);
    } else if (cursor.skip('name', 'in')) {
      rest.push(['in', parseSum(cursor)]);
    } else if (cursor.is('name', 'not') && cursor.peek(1).kind === 'name' && cursor.peek(1).text === 'in') {
      cursor.next();
      cursor.next();
      rest.push(['not in', parseSum(cursor)]);
    } else {
      return rest.length === 0 ? first : { type: 'compare', first, rest };
    }
  }
}

/** Operators of one level, from left to right. */
function parseLevel(cursor: Cursor, operators: readonly string[], below: (cursor: Cursor) => Expression): Expression {
  let left = below(cursor);
  while (cursor.is('operator', ...operators)) {
    const operator = cursor.next().text as ArithmeticOperator;
    left = { type: 'arithmetic', operator, left, right: below(cursor) };
  }
  return left;
}

function parseSum(cursor: Cursor): Expression {
  return parseLevel(cursor, ['+', '-'], parseConcat);
}

function parseConcat(cursor: Cursor): Expression {
  const first = parseProduct(cursor);
  const items = [first];
  while (cursor.skip('operator', '~')) items.push(parseProduct(cursor));
  return items.length === 1 ? first : { type: 'concat', items };
}

function parseProduct(cursor: Cursor): Expression {
  return parseLevel(cursor, ['*', '/', '//', '%'], parsePower);
}

/** Powers are taken from left to right, as nowhere else. */
function parsePower(cursor: Cursor): Expression {
  return parseLevel(cursor, ['**'], (own) => parseUnary(own));
}

function parseUnary(cursor: Cursor, withFilter = true): Expression {
  let operand: Expression;
  if (cursor.is('operator', '-', '+')) {
    const type = cursor.next().text === '-' ? 'negative' : 'positive';
    operand = { type, operand: cursor.nested(() => parseUnary(cursor, false)) };
  } else {
    operand = parsePrimary(cursor);
  }
  operand = parsePostfix(cursor, operand);
  return withFilter ? parseFilters(cursor, operand) : operand;
}

const CONSTANTS: Readonly<Record<string, Expression>> = {
  true: { type: 'boolean', value: true },
  True: { type: 'boolean', value: true },
  false: { type: 'boolean', value: false },
  False: { type: 'boolean', value: false },
  none: { type: 'none' },
  None: { type: 'none' },
};

function parsePrimary(cursor: Cursor): Expression {
  const { kind, text, value = 0 } = cursor.token;
  switch (kind) {
    case 'name':
      cursor.next();
      return (Object.hasOwn(CONSTANTS, text) && CONSTANTS[text]) || { type: 'name', name: text };
    case 'string': {
      let whole = '';
      while (cursor.is('string')) whole += cursor.next().text;
      return { type: 'string', value: whole };
    }
    case 'integer':
    case 'float':
      cursor.next();
      return { type: kind, value };
    case 'operator':
      if (text === '(') {
        cursor.next();
        const inner = parseTuple(cursor, { isBracketed: true });
        cursor.expect('operator', ')');
        return inner;
      }
      if (text === '[') return { type: 'list', items: parseItems(cursor, ']', () => parseExpression(cursor)) };
      if (text === '{') {
        const pairs = parseItems(cursor, '}', (): [Expression, Expression] => {
          const key = parseExpression(cursor);
          cursor.expect('operator', ':');
          return [key, parseExpression(cursor)];
        });
        return { type: 'dict', pairs };
      }
      break;
    default:
  }
  return cursor.fail(`unexpected ${cursor.told()}`);
}

/** Things between commas up to what closes them; a comma may stand behind the last. */
function parseItems<T>(cursor: Cursor, closing: string, parse: () => T): T[] {
  cursor.next();
  const items: T[] = [];
  while (!cursor.is('operator', closing)) {
    if (items.length > 0) cursor.expect('operator', ',');
    if (cursor.is('operator', closing)) break;
    items.push(parse());
  }
  cursor.expect('operator', closing);
  return items;
}

/** One expression, or several with commas between them, which make a tuple. Ends before `in` in a loop's head. */
export function parseTuple(cursor: Cursor, { isBracketed = false, withCondition = true } = {}): Expression {
  const items: Expression[] = [];
  let isTuple = false;
  const isOver = () => cursor.is('variable-end') || cursor.is('block-end') || cursor.is('operator', ')', ']') || cursor.is('name', 'in', 'recursive');
  for (;;) {
    if (items.length > 0) cursor.expect('operator', ',');
    if (isOver()) break;
    items.push(parseExpression(cursor, withCondition));
    if (!cursor.is('operator', ',')) break;
    isTuple = true;
  }
  const [only] = items;
  if (!isTuple && only) return only;
  if (!isTuple && !isBracketed) cursor.fail(`expected an expression, got ${cursor.told()}`);
  return { type: 'tuple', items };
}

export function parsePostfix(cursor: Cursor, start: Expression): Expression {
  let of = start;
  for (;;) {
    if (cursor.skip('operator', '.')) {
      const { kind, text, value = 0 } = cursor.next();
      if (kind === 'name') of = { type: 'attribute', of, name: text };
      else if (kind === 'integer') of = { type: 'item', of, index: { type: 'integer', value } };
      else cursor.fail('expected a name or a number behind the point');
    } else if (cursor.skip('operator', '[')) {
      of = parseSubscript(cursor, of);
      cursor.expect('operator', ']');
    } else if (cursor.is('operator', '(')) {
      of = { type: 'call', callee: of, args: parseArguments(cursor) };
    } else {
      return of;
    }
  }
}

function parseSubscript(cursor: Cursor, of: Expression): Expression {
  const bounds: (Expression | null)[] = [null];
  while (!cursor.is('operator', ']', ',')) {
    if (cursor.skip('operator', ':')) {
      bounds.push(null);
      if (bounds.length > 3) cursor.fail('a slice has too many parts');
      continue;
    }
    bounds[bounds.length - 1] = parseExpression(cursor);
    if (!cursor.is('operator', ']', ',', ':')) cursor.fail(`expected ']', got ${cursor.told()}`);
  }
  if (cursor.is('operator', ',')) cursor.fail('several subscripts are not supported');
  const [start = null, stop = null, step = null] = bounds;
  if (bounds.length > 1) return { type: 'slice', of, bounds: [start, stop, step] };
  if (start === null) return cursor.fail('expected a subscript');
  return { type: 'item', of, index: start };
}

/** The arguments of a call, from its bracket on. */
export function parseArguments(cursor: Cursor): Argument[] {
  let [isNamed, isSpread] = [false, false];
  return parseItems(cursor, ')', (): Argument => {
    for (const spread of ['**', '*'] as const) {
      if (!cursor.skip('operator', spread)) continue;
      if (spread === '**') isSpread = true;
      return { value: parseExpression(cursor), spread };
    }
    const { kind, text } = cursor.token;
    const following = cursor.peek(1);
    if (kind === 'name' && following.kind === 'operator' && following.text === '=') {
      cursor.next();
      cursor.next();
      isNamed = true;
      return { name: text, value: parseExpression(cursor) };
    }
    if (isNamed || isSpread) cursor.fail('an argument without a name stands behind one with a name');
    return { value: parseExpression(cursor) };
  });
}

/** Filters and tests behind an expression. */
function parseFilters(cursor: Cursor, start: Expression): Expression {
  let of = start;
  for (;;) {
    if (cursor.is('operator', '|')) for (const filter of parseFilterChain(cursor)) of = { type: 'filter', of, ...filter };
    else if (cursor.skip('name', 'is')) of = parseTest(cursor, of);
    else if (cursor.is('operator', '(')) of = { type: 'call', callee: of, args: parseArguments(cursor) };
    else return of;
  }
}

/** Filters with a bar before each; the first may lack it. */
export function parseFilterChain(cursor: Cursor, isStart = false): FilterCall[] {
  const filters: FilterCall[] = [];
  while ((isStart && filters.length === 0) || cursor.skip('operator', '|')) {
    const name = parseDotted(cursor);
    if (!Object.hasOwn(FILTERS, name)) cursor.fail(`the filter ${JSON.stringify(name)} is not supported or no filter`);
    filters.push({ name, args: cursor.is('operator', '(') ? parseArguments(cursor) : [] });
  }
  return filters;
}

function parseDotted(cursor: Cursor): string {
  let name = cursor.expect('name').text;
  while (cursor.skip('operator', '.')) name += `.${cursor.expect('name').text}`;
  return name;
}

function parseTest(cursor: Cursor, of: Expression): Expression {
  const negated = cursor.skip('name', 'not');
  const name = parseDotted(cursor);
  if (!Object.hasOwn(TESTS, name)) cursor.fail(`the test ${JSON.stringify(name)} is not supported or no test`);
  let args: Argument[] = [];
  if (cursor.is('operator', '(')) {
    args = parseArguments(cursor);
  } else if ((LITERAL_KINDS.includes(cursor.token.kind) || cursor.is('operator', '(', '[', '{')) && !cursor.is('name', 'else', 'or', 'and')) {
    if (cursor.is('name', 'is')) cursor.fail('tests cannot be chained');
    args = [{ value: parsePostfix(cursor, parsePrimary(cursor)) }];
  }
  return { type: 'test', name, of, args, negated };
}
