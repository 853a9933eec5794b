/** Evaluates a parsed template within bounds: a template is a program that a stranger wrote. */

import { applyFilter } from './filters.ts';
import { checkAttribute, loopOver, makeDict, makeNamespace, makeRange } from './globals.ts';
import { isText, joined, Output, textOf, type Text } from './marked.ts';
import type { Argument, Body, Expression, Parameter, Statement, Target } from './nodes.ts';
import { arithmetic, attributeOf, itemOf, MAX_LIST_LENGTH, MAX_TEXT_LENGTH, negative, slice } from './operators.ts';
import { str } from './printing.ts';
import { TESTS } from './tests.ts';
import {
  bind, Callable, compare, contains, defined, Dict, equal, Float, isList, itemsOf, Row, Thing, truth, typeOf, Undefined,
  type Call, type Value,
} from './values.ts';

/** Evaluated nodes, and another for every 64 characters or every item that one gives. A message takes some hundred. */
const MAX_WORK = 4_000_000;
const MAX_CALLS = 200;
/** Names that jinja2 has functions for, which are not computed. */
const REFUSED_GLOBALS = ['lipsum', 'cycler', 'joiner'];

/** Names of a block, and those around it. */
class Scope {
  readonly #names = new Map<string, Value>();
  readonly #around: Scope | null;

  constructor(around: Scope | null) {
    this.#around = around;
  }

  get(name: string): Value | undefined {
    // None is a value too.
    return this.#names.has(name) ? this.#names.get(name) : this.#around?.get(name);
  }

  set(name: string, value: Value): void {
    this.#names.set(name, value);
  }
}

type Signal = 'break' | 'continue' | null;

/** Renders a template with variables. Throws RangeError, its message without the place. */
export function renderTemplate(template: Body, variables: ReadonlyMap<string, Value>): Text {
  return new Interpreter().render(template, variables);
}

class Interpreter {
  #work = 0;
  #calls = 0;

  render(template: Body, variables: ReadonlyMap<string, Value>): Text {
    const globals = new Scope(null);
    globals.set('range', new Callable('range', makeRange));
    globals.set('dict', new Callable('dict', makeDict));
    globals.set('namespace', new Callable('namespace', makeNamespace));
    for (const [name, value] of variables) globals.set(name, value);
    const out = new Output();
    this.#run(template, new Scope(globals), out);
    return out.text();
  }

  #spend(count: number): void {
    this.#work += count;
    if (this.#work > MAX_WORK) throw new RangeError('computes too much');
  }

  /** Counts what a value costs. */
  #counted(value: Value): Value {
    const length = isText(value) ? textOf(value).length : 0;
    const items = isList(value) ? value.length : value instanceof Row ? value.items.length : 0;
    if (length > MAX_TEXT_LENGTH) throw new RangeError(`writes more than ${MAX_TEXT_LENGTH} characters`);
    if (items > MAX_LIST_LENGTH) throw new RangeError('computes too much');
    this.#spend((length >> 6) + items);
    return value;
  }

  #write(out: Output, text: Text): void {
    out.write(text);
    if (out.length > MAX_TEXT_LENGTH) throw new RangeError(`writes more than ${MAX_TEXT_LENGTH} characters`);
  }

  #run(body: Body, scope: Scope, out: Output): Signal {
    for (const statement of body) {
      const signal = this.#statement(statement, scope, out);
      if (signal !== null) return signal;
    }
    return null;
  }

  /** What a body writes, with names of its own. */
  #written(body: Body, around: Scope): Text {
    const out = new Output();
    this.#run(body, new Scope(around), out);
    return out.text();
  }

  #statement(statement: Statement, scope: Scope, out: Output): Signal {
    this.#spend(1);
    switch (statement.type) {
      case 'data':
        this.#write(out, statement.text);
        return null;
      case 'print':
        this.#write(out, str(this.#evaluate(statement.value, scope)));
        return null;
      case 'if':
        return this.#run(truth(this.#evaluate(statement.test, scope)) ? statement.yes : statement.no, scope, out);
      case 'for':
        return this.#for(statement, scope, out);
      case 'break':
      case 'continue':
        return statement.type;
      case 'set':
        this.#assign(statement.target, this.#evaluate(statement.value, scope), scope);
        return null;
      case 'set-block':
        this.#assign(statement.target, this.#filtered(this.#written(statement.body, scope), statement.filters, scope), scope);
        return null;
      case 'with': {
        const inner = new Scope(scope);
        // Values are those of the names outside.
        const values = statement.values.map(([target, value]) => [target, this.#evaluate(value, scope)] as const);
        for (const [target, value] of values) this.#assign(target, value, inner);
        return this.#run(statement.body, inner, out);
      }
      case 'macro':
        scope.set(statement.name, this.#macro(statement.name, statement.parameters, statement.body, scope));
        return null;
      case 'call-block': {
        const caller = this.#macro('caller', statement.parameters, statement.body, scope);
        if (statement.call.type !== 'call') return null;
        const callee = this.#evaluate(statement.call.callee, scope);
        const { args, named } = this.#arguments(statement.call.args, scope);
        this.#write(out, str(this.#call(callee, { args, named: new Map([...named, ['caller', caller]]) })));
        return null;
      }
      case 'filter-block':
        this.#write(out, str(this.#filtered(this.#written(statement.body, scope), statement.filters, scope)));
        return null;
      case 'generation': {
        const start = out.length;
        this.#write(out, this.#written(statement.body, scope));
        out.mark('generation', -1, start);
        return null;
      }
      default:
        return statement satisfies never;
    }
  }

  #filtered(value: Value, filters: readonly { readonly name: string; readonly args: readonly Argument[] }[], scope: Scope): Value {
    return filters.reduce((own, { name, args }) => this.#counted(applyFilter(name, own, this.#arguments(args, scope))), value);
  }

  #assign(target: Target, value: Value, scope: Scope): void {
    if (target.type === 'name') {
      scope.set(target.name, value);
    } else if (target.type === 'attribute') {
      const of = scope.get(target.of);
      if (!(of instanceof Thing) || of.kind !== 'Namespace') throw new RangeError('cannot assign attribute on non-namespace object');
      checkAttribute(target.name);
      of.attributes.set(target.name, value);
    } else {
      defined(value);
      const values = [...itemsOf(value)];
      const wanted = target.items.length;
      if (values.length !== wanted) {
        const problem = values.length > wanted ? 'too many' : 'not enough';
        throw new RangeError(`${problem} values to unpack (expected ${wanted}, got ${values.length})`);
      }
      target.items.forEach((item, i) => this.#assign(item, values[i] ?? null, scope));
    }
  }

  #for(statement: Extract<Statement, { type: 'for' }>, scope: Scope, out: Output): Signal {
    const { target, filter, body, otherwise } = statement;
    const over = this.#evaluate(statement.over, scope);
    const items: Value[] = [];
    for (const item of itemsOf(over)) {
      this.#spend(1);
      if (filter !== null) {
        const own = new Scope(scope);
        this.#assign(target, item, own);
        if (!truth(this.#evaluate(filter, own))) continue;
      }
      items.push(item);
    }
    const loop = loopOver(items);
    for (const [index, item] of items.entries()) {
      this.#spend(1);
      const own = new Scope(scope);
      loop.move(index);
      own.set('loop', loop.thing);
      this.#assign(target, item, own);
      const start = out.length;
      const signal = this.#run(body, own, out);
      if (item instanceof Dict && item.message !== null) out.mark('turn', item.message, start);
      if (signal === 'break') break;
    }
    return items.length === 0 ? this.#run(otherwise, new Scope(scope), out) : null;
  }

  #macro(name: string, parameters: readonly Parameter[], body: Body, scope: Scope): Callable {
    const names = parameters.map((parameter) => parameter.name);
    for (const special of ['varargs', 'kwargs']) {
      if (!names.includes(special) && mentions(body, special)) throw new RangeError(`'${special}' of the macro '${name}' is not supported`);
    }
    const hasCaller = !names.includes('caller') && mentions(body, 'caller');
    return new Callable(name, (call) => {
      if (++this.#calls > MAX_CALLS) throw new RangeError(`the macro '${name}' calls itself too deeply`);
      const named = new Map(call.named);
      const own = new Scope(scope);
      if (hasCaller) {
        own.set('caller', named.get('caller') ?? new Undefined('No caller defined'));
        named.delete('caller');
      }
      const given = bind(`macro '${name}'`, { args: call.args, named }, names);
      for (const [i, parameter] of parameters.entries()) {
        const fallback = () => (parameter.fallback ? this.#evaluate(parameter.fallback, own) : new Undefined(`parameter '${parameter.name}' was not provided`));
        const value = given[i];
        own.set(parameter.name, value === undefined ? fallback() : value);
      }
      const text = this.#written(body, own);
      this.#calls--;
      return text;
    });
  }

  #call(callee: Value, call: Call): Value {
    defined(callee);
    if (!(callee instanceof Callable)) throw new RangeError(`'${typeOf(callee)}' object is not callable`);
    return this.#counted(callee.call(call));
  }

  #arguments(all: readonly Argument[], scope: Scope): Call {
    const args: Value[] = [];
    const named = new Map<string, Value>();
    for (const { value, name, spread } of all) {
      const own = this.#evaluate(value, scope);
      if (name !== undefined) named.set(name, own);
      else if (spread === '*') args.push(...itemsOf(own));
      else if (spread === '**') for (const [key, item] of own instanceof Dict ? own.entries() : []) named.set(textOf(str(key)), item);
      else args.push(own);
    }
    return { args, named };
  }

  #evaluate(expression: Expression, scope: Scope): Value {
    this.#spend(1);
    return this.#counted(this.#value(expression, scope));
  }

  #value(expression: Expression, scope: Scope): Value {
    const of = (inner: Expression): Value => this.#evaluate(inner, scope);
    switch (expression.type) {
      case 'none':
        return null;
      case 'boolean':
      case 'string':
      case 'integer':
        return expression.value;
      case 'float':
        return new Float(expression.value);
      case 'name': {
        const value = scope.get(expression.name);
        if (value === undefined && REFUSED_GLOBALS.includes(expression.name)) throw new RangeError(`the function '${expression.name}' is not supported`);
        return value === undefined ? new Undefined(`'${expression.name}' is undefined`) : value;
      }
      case 'list':
        return expression.items.map(of);
      case 'tuple':
        return new Row('tuple', expression.items.map(of));
      case 'dict':
        return new Dict(expression.pairs.map(([key, value]) => [of(key), of(value)] as const));
      case 'concat':
        return joined(expression.items.map((item) => str(of(item))));
      case 'not':
        return !truth(of(expression.operand));
      case 'negative':
      case 'positive':
        return negative(of(expression.operand), expression.type === 'negative' ? -1 : 1);
      case 'and': {
        const left = of(expression.left);
        return truth(left) ? of(expression.right) : left;
      }
      case 'or': {
        const left = of(expression.left);
        return truth(left) ? left : of(expression.right);
      }
      case 'arithmetic':
        return arithmetic(expression.operator, of(expression.left), of(expression.right));
      case 'compare':
        return this.#compare(expression, scope);
      case 'condition':
        if (truth(of(expression.test))) return of(expression.yes);
        return expression.no ? of(expression.no) : new Undefined('the inline if-expression evaluated to false and no else section was defined.');
      case 'attribute':
        return attributeOf(of(expression.of), expression.name);
      case 'item':
        return itemOf(of(expression.of), of(expression.index));
      case 'slice':
        return slice(of(expression.of), expression.bounds.map((bound) => (bound ? of(bound) : null)));
      case 'call':
        return this.#call(of(expression.callee), this.#arguments(expression.args, scope));
      case 'filter':
        return applyFilter(expression.name, of(expression.of), this.#arguments(expression.args, scope));
      case 'test': {
        const test = TESTS[expression.name];
        const passes = test?.(of(expression.of), this.#arguments(expression.args, scope), expression.name) ?? false;
        return passes !== expression.negated;
      }
      default:
        return expression satisfies never;
    }
  }

  /** Comparisons in a row, up to the first that fails. */
  #compare({ first, rest }: Extract<Expression, { type: 'compare' }>, scope: Scope): boolean {
    let left = this.#evaluate(first, scope);
    for (const [operator, expression] of rest) {
      const right = this.#evaluate(expression, scope);
      if (!holds(operator, left, right)) return false;
      left = right;
    }
    return true;
  }
}

function holds(operator: string, left: Value, right: Value): boolean {
  switch (operator) {
    case '==':
      return equal(left, right);
    case '!=':
      return !equal(left, right);
    case 'in':
      return contains(right, left);
    case 'not in':
      return !contains(right, left);
    case '<':
      return compare(left, right, operator) < 0;
    case '<=':
      return compare(left, right, operator) <= 0;
    case '>':
      return compare(left, right, operator) > 0;
    default:
      return compare(left, right, operator) >= 0;
  }
}

/** Whether a body reads a name. */
function mentions(body: unknown, name: string): boolean {
  if (Array.isArray(body)) return body.some((inner) => mentions(inner, name));
  if (typeof body !== 'object' || body === null) return false;
  if ('type' in body && body.type === 'name' && 'name' in body && body.name === name) return true;
  return Object.values(body).some((inner) => mentions(inner, name));
}

/** A value of JSON as a template sees it. `mark` gives texts their marks; `message` is which message it is. */
export function valueOf(json: unknown, mark: (text: string, key: string | null) => Text = (text) => text, key: string | null = null, message: number | null = null): Value {
  if (json === null || json === undefined || typeof json === 'boolean') return json ?? null;
  if (typeof json === 'string') return mark(json, key);
  if (typeof json === 'number') return Number.isSafeInteger(json) ? json : new Float(json);
  if (Array.isArray(json)) return json.map((item) => valueOf(item, mark, key));
  if (typeof json === 'object') return new Dict(Object.entries(json).map(([name, value]) => [name, valueOf(value, mark, key ?? name)] as const), message);
  throw new RangeError(`a ${typeof json} is no value of a template`);
}

