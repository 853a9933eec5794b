/** A template's statements, as jinja2 3.1.6 has them, with the loop controls and the `generation` block of transformers. */

import { Cursor } from './cursor.ts';
import { parseExpression, parseFilterChain, parsePostfix, parseTuple } from './expressions.ts';
import { tokensOf } from './lexer.ts';
import type { Body, Expression, Parameter, Statement, Target } from './nodes.ts';

/** Tags of jinja2 that are not computed here; a chat template is one file and has no use for them. */
const REFUSED = ['block', 'extends', 'include', 'import', 'from', 'autoescape', 'print'];
const RESERVED = ['true', 'True', 'false', 'False', 'none', 'None', 'not', 'and', 'or', 'if', 'else', 'in', 'is'];

/** Parses a template. Throws SyntaxError for what is no Jinja or is not supported, its message without the place. */
export function parseTemplate(source: string): Body {
  const parser = new Parser(new Cursor(tokensOf(source)));
  return parser.template();
}

class Parser {
  readonly #cursor: Cursor;
  /** Loops around the tag that can be left from there. */
  #loops = 0;

  constructor(cursor: Cursor) {
    this.#cursor = cursor;
  }

  template(): Body {
    const body = this.#body([]);
    if (!this.#cursor.is('end')) this.#cursor.fail(`unexpected ${this.#cursor.told()}`);
    return body;
  }

  /** Statements up to a tag of one of these names, which is not taken. */
  #body(ends: readonly string[]): Body {
    const cursor = this.#cursor;
    const body: Statement[] = [];
    for (;;) {
      if (cursor.is('data')) {
        body.push({ type: 'data', text: cursor.next().text });
      } else if (cursor.is('variable-begin')) {
        cursor.next();
        body.push({ type: 'print', value: parseTuple(cursor) });
        cursor.expect('variable-end');
      } else if (cursor.is('block-begin')) {
        const { kind, text } = cursor.peek(1);
        if (kind === 'name' && ends.includes(text)) return body;
        cursor.next();
        body.push(...cursor.nested(() => this.#statement()));
      } else {
        if (ends.length > 0) cursor.fail(`expected a tag ${ends.at(-1)}, got ${cursor.told()}`);
        return body;
      }
    }
  }

  /** The body of a tag whose head was read, and its closing tag. */
  #block(end: string): Body {
    this.#cursor.expect('block-end');
    const body = this.#body([end]);
    this.#close(end);
    return body;
  }

  /** Takes a tag that has nothing but its name. */
  #close(name: string): void {
    this.#cursor.expect('block-begin');
    this.#cursor.expect('name', name);
    this.#cursor.expect('block-end');
  }

  /** A body in which `break` and `continue` have no loop. */
  #apart<T>(parse: () => T): T {
    const loops = this.#loops;
    this.#loops = 0;
    const parsed = parse();
    this.#loops = loops;
    return parsed;
  }

  #statement(): Statement[] {
    const cursor = this.#cursor;
    const { text: name } = cursor.expect('name');
    switch (name) {
      case 'if':
        return [this.#if()];
      case 'for':
        return [this.#for()];
      case 'set':
        return [this.#set()];
      case 'with':
        return [this.#with()];
      case 'macro':
        return [this.#macro()];
      case 'call':
        return [this.#call()];
      case 'filter': {
        const filters = parseFilterChain(cursor, true);
        return [{ type: 'filter-block', filters, body: this.#apart(() => this.#block('endfilter')) }];
      }
      case 'generation':
        return [{ type: 'generation', body: this.#apart(() => this.#block('endgeneration')) }];
      case 'break':
      case 'continue':
        if (this.#loops === 0) cursor.fail(`${name} stands in no loop`);
        cursor.expect('block-end');
        return [{ type: name }];
      default:
        return cursor.fail(REFUSED.includes(name) ? `the tag ${JSON.stringify(name)} is not supported` : `there is no tag ${JSON.stringify(name)}`);
    }
  }

  #if(): Statement {
    const cursor = this.#cursor;
    const test = parseTuple(cursor, { withCondition: false });
    cursor.expect('block-end');
    const yes = this.#body(['elif', 'else', 'endif']);
    cursor.expect('block-begin');
    const { text } = cursor.expect('name');
    if (text === 'elif') return { type: 'if', test, yes, no: [cursor.nested(() => this.#if())] };
    cursor.expect('block-end');
    if (text === 'endif') return { type: 'if', test, yes, no: [] };
    const no = this.#body(['endif']);
    this.#close('endif');
    return { type: 'if', test, yes, no };
  }

  #for(): Statement {
    const cursor = this.#cursor;
    const target = this.#target(false);
    cursor.expect('name', 'in');
    const over = parseTuple(cursor, { withCondition: false });
    const filter = cursor.skip('name', 'if') ? parseExpression(cursor) : null;
    if (cursor.is('name', 'recursive')) cursor.fail('recursive loops are not supported');
    cursor.expect('block-end');
    this.#loops++;
    const body = this.#body(['else', 'endfor']);
    this.#loops--;
    cursor.expect('block-begin');
    const { text } = cursor.expect('name');
    cursor.expect('block-end');
    if (text === 'endfor') return { type: 'for', target, over, filter, body, otherwise: [] };
    const otherwise = this.#body(['endfor']);
    this.#close('endfor');
    return { type: 'for', target, over, filter, body, otherwise };
  }

  /** Names with commas between them, in brackets or not; `withAttributes` lets attributes of a namespace be among them. */
  #target(withAttributes: boolean): Target {
    const cursor = this.#cursor;
    const items: Target[] = [];
    let isTuple = false;
    do {
      if (items.length > 0) isTuple = true;
      if (items.length > 0 && !cursor.is('name') && !cursor.is('operator', '(')) break;
      items.push(this.#targetItem(withAttributes));
    } while (cursor.skip('operator', ','));
    const [only] = items;
    return !isTuple && only ? only : { type: 'targets', items };
  }

  #targetItem(withAttributes: boolean): Target {
    const cursor = this.#cursor;
    if (cursor.skip('operator', '(')) {
      const inner = cursor.nested(() => this.#target(withAttributes));
      cursor.expect('operator', ')');
      return inner;
    }
    const { text: name } = cursor.expect('name');
    if (RESERVED.includes(name)) cursor.fail(`cannot assign to '${name}'`);
    if (withAttributes && cursor.skip('operator', '.')) return { type: 'attribute', of: name, name: cursor.expect('name').text };
    return { type: 'name', name };
  }

  #set(): Statement {
    const cursor = this.#cursor;
    const target = this.#target(true);
    if (cursor.skip('operator', '=')) {
      const value = parseTuple(cursor);
      cursor.expect('block-end');
      return { type: 'set', target, value };
    }
    const filters = parseFilterChain(cursor);
    return { type: 'set-block', target, filters, body: this.#apart(() => this.#block('endset')) };
  }

  #with(): Statement {
    const cursor = this.#cursor;
    const values: [Target, Expression][] = [];
    while (!cursor.is('block-end')) {
      if (values.length > 0) cursor.expect('operator', ',');
      const target = this.#targetItem(false);
      cursor.expect('operator', '=');
      values.push([target, parseExpression(cursor)]);
    }
    return { type: 'with', values, body: this.#block('endwith') };
  }

  #parameters(): Parameter[] {
    const cursor = this.#cursor;
    const parameters: Parameter[] = [];
    cursor.expect('operator', '(');
    while (!cursor.is('operator', ')')) {
      if (parameters.length > 0) cursor.expect('operator', ',');
      const { text: name } = cursor.expect('name');
      if (RESERVED.includes(name)) cursor.fail(`cannot name a parameter '${name}'`);
      const fallback = cursor.skip('operator', '=') ? parseExpression(cursor) : null;
      if (fallback === null && parameters.at(-1)?.fallback) cursor.fail('a parameter without a default stands behind one with a default');
      parameters.push({ name, fallback });
    }
    cursor.expect('operator', ')');
    return parameters;
  }

  #macro(): Statement {
    const { text: name } = this.#cursor.expect('name');
    const parameters = this.#parameters();
    return { type: 'macro', name, parameters, body: this.#apart(() => this.#block('endmacro')) };
  }

  #call(): Statement {
    const cursor = this.#cursor;
    const parameters = cursor.is('operator', '(') ? this.#parameters() : [];
    const { text: name } = cursor.expect('name');
    const call = parsePostfix(cursor, { type: 'name', name });
    if (call.type !== 'call') cursor.fail('expected a call');
    return { type: 'call-block', call, parameters, body: this.#apart(() => this.#block('endcall')) };
  }
}
